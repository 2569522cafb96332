"""The scene before a run: from a file, or what the sentence names and distractors, laid out hard."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from palme.cli.errors import UsageError, reason
from palme.cli.rig.account import account, task_for
from palme.cli.rig.scene_from_program import state_for
from palme.language.account.account import NotAccounted, Reading
from palme.language.programs.calls import Program
from sim.data.scene_sampler import SceneDoesNotFit, layout
from sim.tasks import TASKS
from sim.tasks.table import Table
from sim.world.scene import Scene, SceneFileError
from sim.world.state import SceneState

DISTRACTORS = ("block", "block", "block", "bowl", "cylinder")
TRIES = 40


def scene_for(
    sentence: str, seed: int, n_distractors: int, path: Path | None = None, program: Program | None = None
) -> Scene:
    """The scene to act in.

    Args:
        sentence: what the person says; what it names stands on the table. "" names nothing.
        seed: every draw comes from it.
        n_distractors: other things, fewer if the table is full.
        path: a YAML scene file that is used as it is.
        program: that the sentence was read as; None = the account reads it.

    Raises:
        UsageError: the file cannot be read; the sentence has words that nobody here understands.
    """
    if path is not None:
        try:
            return Scene.from_yaml(path)
        except (OSError, SceneFileError) as error:
            raise UsageError(
                f"scene={path}: {reason(error)}; name a scene's YAML file, such as the scene.yaml "
                "that an earlier run wrote"
            ) from error
    try:
        reading = account()(sentence) if program is None and sentence.strip() else None
    except NotAccounted as error:
        raise UsageError(f"{sentence!r}: {error}") from error
    rng = np.random.default_rng(seed)
    draw = random.Random(int(rng.integers(1 << 62)))
    for _ in range(TRIES):
        if program is not None:
            state: SceneState | None = state_for(program, n_distractors, DISTRACTORS, draw)
        else:
            state = _state(reading, n_distractors, draw)
        if state is None:
            continue
        try:
            return layout(state, rng)
        except SceneDoesNotFit:
            continue
    raise UsageError(f"no room on the table for what {sentence!r} names; ask for fewer distractors")


def _state(reading: Reading | None, n_distractors: int, draw: random.Random) -> SceneState | None:
    """What rests where, or None where the sentence is fulfilled already."""
    if reading is not None and reading.kind == "match":
        _, state = TASKS["match_bowls"].draw(draw, "test", None)
        return state
    table = Table(draw)
    for word in reading.goal.order if reading is not None else ():
        if not word.startswith("obj_"):
            table.add(*word.split("_"))
    wanted = table.indices("block", "cylinder")
    for bowl in table.indices("bowl"):  # room for what is asked for, whatever lies in it already
        if wanted:
            table.reserved[bowl] = wanted[0]
    table.add_distractors(n_distractors, DISTRACTORS)
    solids = table.indices("block", "cylinder")
    draw.shuffle(solids)
    table.scatter(solids, p_bowl=0.25, p_on=0.3)
    state = table.state()
    task = None if reading is None else task_for(reading, "")
    return None if task is not None and task.is_success(state) else state
