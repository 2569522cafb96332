"""The scene before a run: from a file, or what the sentence names and distractors, laid out hard."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np

from palme.cli.errors import UsageError, reason
from palme.cli.rig.mentioned_objects import named_objects
from sim.data.scene_sampler import SceneDoesNotFit, layout
from sim.tasks import TASKS, Task
from sim.tasks.match_bowls import Matched
from sim.tasks.put_in_bowl import InBowl
from sim.tasks.stack_tower import Tower
from sim.tasks.table import MAX_BOWLS, MAX_OBJECTS, Table
from sim.world.scene import Scene, SceneFileError
from sim.world.state import SceneState

DISTRACTORS = ("block", "block", "block", "bowl", "cylinder")
TRIES = 40
_ON = re.compile(r"\b(on top of|on|onto|upon|atop|over)\b")
_BOTTOM_UP = re.compile(r"bottom[ -](up|to[ -]top)|from (the )?bottom|start\w* (with|at) (the )?bottom")
_TOP_DOWN = re.compile(r"top[ -](down|to[ -]bottom)|from (the )?top")
_PUTTING = re.compile(r"^(please )?(put|place|stack|set|move)\b")
_SORTING = re.compile(r"\b(match|sort|own|same|corresponding|every|each|all)\w*\b")


def scene_for(sentence: str, seed: int, n_distractors: int, path: Path | None = None) -> Scene:
    """The scene to act in.

    Args:
        sentence: what the person says; what it names stands on the table.
        seed: every draw comes from it.
        n_distractors: other things, fewer if the table is full.
        path: a YAML scene file that is used as it is.

    Raises:
        UsageError: the file cannot be read; the sentence names a colour that nothing has, or too much.
    """
    if path is not None:
        try:
            return Scene.from_yaml(path)
        except (OSError, SceneFileError) as error:
            raise UsageError(
                f"scene={path}: {reason(error)}; name a scene's YAML file, such as the scene.yaml "
                "that an earlier run wrote"
            ) from error
    named = named_objects(sentence)
    if len(named) > MAX_OBJECTS or sum(kind == "bowl" for _, kind in named) > MAX_BOWLS:
        raise UsageError(
            f"the sentence names {len(named)} things; {MAX_OBJECTS} fit, of which {MAX_BOWLS} may be bowls"
        )
    rng = np.random.default_rng(seed)
    draw = random.Random(int(rng.integers(1 << 62)))
    for _ in range(TRIES):
        state = _state(sentence, named, n_distractors, draw)
        if state is None:
            continue
        try:
            return layout(state, rng)
        except SceneDoesNotFit:
            continue
    raise UsageError(f"no room on the table for what {sentence!r} names; ask for fewer distractors")


def _state(
    sentence: str, named: tuple[tuple[str, str], ...], n_distractors: int, draw: random.Random
) -> SceneState | None:
    """What rests where, or None where the sentence is fulfilled already."""
    if not named and _SORTING.search(sentence.lower()):
        _, state = TASKS["match_bowls"].draw(draw, "test", None)
        return state
    table = Table(draw)
    for colour, kind in named:
        table.add(colour, kind)
    wanted = table.indices("block", "cylinder")
    for bowl in table.indices("bowl"):  # room for what is asked for, whatever lies in it already
        if wanted:
            table.reserved[bowl] = wanted[0]
    table.add_distractors(n_distractors, DISTRACTORS)
    solids = table.indices("block", "cylinder")
    draw.shuffle(solids)
    table.scatter(solids, p_bowl=0.25, p_on=0.3)
    state = table.state()
    task = task_of(sentence, state)
    return None if task is not None and task.is_success(state) else state


def task_of(sentence: str, state: SceneState) -> Task[Any] | None:
    """The goal behind `sentence`, where it is plain enough to check against the simulator; else None.

    Only the report and the exit code use it; planner and policy never see it.
    """
    lower = sentence.lower()
    try:
        named = named_objects(sentence)
    except UsageError:
        return None
    names = [f"{colour} {kind}" for colour, kind in named]
    here = {o.name for o in state.objects}
    if not set(names) <= here:
        return None
    bowls = [n for n in names if n.endswith("bowl")]
    solids = [n for n in names if not n.endswith("bowl")]
    if not names and _SORTING.search(lower) and re.search(r"bowl|dish|colou?r", lower):
        return Task("match_bowls", Matched(), sentence)
    if len(bowls) == 1 and len(solids) == 1:
        return Task("put_in_bowl", InBowl(solids[0], bowls[0]), sentence)
    if bowls or len(solids) < 2 or len(solids) > 4 or not all(n.endswith("block") for n in solids):
        return None
    order = _order(lower, solids)
    return Task("stack_tower", Tower(order), sentence) if order else None


def _order(lower: str, solids: list[str]) -> tuple[str, ...] | None:
    """Bottom to top, where the sentence says which way it lists them."""
    bottom_up, top_down = _BOTTOM_UP.search(lower), _TOP_DOWN.search(lower)
    if bottom_up and not top_down:
        return tuple(solids)
    if top_down and not bottom_up:
        return tuple(reversed(solids))
    said_on = len(_ON.findall(lower))
    if said_on == len(solids) - 1 and not bottom_up and _PUTTING.match(lower):
        return tuple(reversed(solids))  # "put A on B", "stack A on B on C"
    return None
