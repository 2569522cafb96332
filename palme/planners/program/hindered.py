"""What the arm was kept from, as facts of the scene: planning then goes around it, or says why it cannot."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from palme.planners.base import Blocked
from palme.planners.go_around import TRIES
from palme.planners.program.scene import SeenScene
from robots.skills import TABLE, Location, Step

SAME = 0.03
"""[m] within which a thing or a place is the same as before."""
PLACES = 3
"""Places on the table that are tried for one thing."""


def hindered(scene: SeenScene, blocked: Sequence[Blocked]) -> SeenScene:
    """`scene` with the places and things that the arm was kept from.

    A thing that was moved since can be grasped: then it was the place, or the thing that it should go to.
    """
    shut = tuple((at[0], at[1]) for one in blocked if one.step.target == TABLE and (at := one.step.target_at))
    hard: set[int] = set()
    places: Counter[int] = Counter()
    for one in blocked:
        what, target = at_place(scene, one.step.what_at), at_place(scene, one.step.target_at)
        if one.step.target != TABLE:
            hard |= {id for id in (what, target) if id is not None}
        elif what is not None:
            places[what] += 1
    hard |= {id for id, n in places.items() if n >= TRIES}
    return replace(scene, shut=shut, hard=frozenset(hard)) if blocked else scene


def at_place(scene: SeenScene, at: Location | None) -> int | None:
    """Id of what is seen at `at`; None = nothing, or `at` is not known."""
    if at is None:
        return None
    near = [(math.dist(thing.xyz, at), thing.id) for thing in scene]
    return min((id for id in near if id[0] <= SAME), default=(0.0, None))[1]


def times(step: Step, blocked: Sequence[Blocked]) -> int:
    """How often the arm was kept from `step`."""
    return sum(_is_same(step, one.step) for one in blocked)


def given_up(step: Step, blocked: Sequence[Blocked]) -> str:
    """What keeps the arm from `step`, for a person; "" = it is worth a try."""
    own = [one for one in blocked if _is_same(step, one.step)]
    if step.target == TABLE:
        moved = [
            one for one in blocked if one.step.target == TABLE and _is_near(step.what_at, one.step.what_at)
        ]
        own = moved if len(moved) >= PLACES else own
    return own[-1].obstacle if len(own) >= TRIES else ""


def _is_same(step: Step, other: Step) -> bool:
    return (
        (step.skill, step.what, step.target) == (other.skill, other.what, other.target)
        and _is_near(step.what_at, other.what_at)
        and _is_near(step.target_at, other.target_at)
    )


def _is_near(at: Location | None, other: Location | None) -> bool:
    if at is None or other is None:
        return at is other
    return math.dist(at, other) <= SAME
