"""Whether a step did what it was for, and what else moved: from one picture, and with a doubt."""

from __future__ import annotations

import math
from collections.abc import Mapping

from palme.perception.objects import PerceivedObjects
from palme.planners.base import Verdict, listed
from palme.planners.program.goals import Goal, parts
from palme.planners.program.scene import SeenScene

SURE = 0.75
"""Probability from which on a step is judged done; failed below the rest of 1; between them it is unsure."""
BESIDES = 0.03
"""[m] by which a thing that no step is about may seem to move: it is nudged, or found anew a little off."""


def check(goal: Goal, scene: SeenScene, objects: PerceivedObjects, rows: Mapping[int, int]) -> Verdict:
    """Whether `goal` holds in the picture.

    Args:
        goal: of the step.
        scene: in the picture.
        objects: the same as it was detected.
        rows: of `objects`, by id.
    """
    if goal.what not in scene or goal.what not in rows:
        return Verdict(False, None, "I do not see what I moved", unsure=True)
    if any(id not in scene for id in parts(goal)):
        return Verdict(False, None, "I do not see any more where it was to go", unsure=True)
    holds = goal.holds(scene)
    p = _holder_probability(goal.what, scene, objects, rows)
    thing = scene[goal.what]
    where = "on the table" if thing.holder is None else (
        f"{'in' if scene[thing.holder].is_bowl else 'on'} {scene.called(thing.holder)}"
    )  # fmt: skip
    found = f"I see {scene.called(goal.what)} {where}"
    unsure = p < SURE
    return Verdict(holds and not unsure, p if holds else 1 - p, found, unsure)


def moved_besides(before: SeenScene, scene: SeenScene, goal: Goal) -> str:
    """What else moved, for a person; "" where nothing did."""
    own = {goal.what, *before.above(goal.what)} if goal.what in before else {goal.what}
    moved = []
    for thing in before:
        if thing.id in own or thing.id not in scene:
            continue
        now = scene[thing.id]
        if math.dist(now.xyz, thing.xyz) > BESIDES or now.holder != thing.holder:
            moved.append(scene.called(thing.id))
    return f"{listed(moved)} moved as well" if moved else ""


def _holder_probability(
    id: int, scene: SeenScene, objects: PerceivedObjects, rows: Mapping[int, int]
) -> float:
    """Of what `id` rests on, by the picture."""
    holder = scene[id].holder
    column = len(objects) if holder is None else rows.get(holder, len(objects))
    return float(objects.holder_probs[rows[id], column])
