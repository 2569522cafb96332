"""Which task and scene an evaluation's episode has: the same wherever it is played."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sim.data.scene_sampler import SceneDoesNotFit, layout
from sim.tasks import Task, sample
from sim.world.scene import Scene
from sim.world.state import SceneState

SETTLE_TICKS = 10  # what was just laid, or let go of, comes to rest before it is seen, or judged


def entropy(family: str, seed: int, index: int) -> list[int]:
    """What seeds the generator of an episode."""
    return [seed, zlib.crc32(family.encode()), index]


def draw_episode(
    family: str,
    seed: int,
    index: int,
    split: str = "test",
    distractors: int | None = None,
    templates: Sequence[str] | None = None,
    accepts: Callable[[Task[Any], SceneState], bool] = lambda task, state: True,
) -> tuple[Task[Any], Scene]:
    """The task and the scene of an episode.

    Args:
        family: a name in `sim.tasks.TASKS`.
        seed: of the evaluation.
        index: of the episode.
        split: phrasings and colour pairs, see `sim.tasks.SPLITS`.
        distractors: number of objects that the goal does not name; None = drawn.
        templates: phrasings in place of those of `split`; None = the split's own.
        accepts: whether a draw is wanted; another one is drawn where it is not, and where a scene has no
            room for its things.
    """
    rng = np.random.default_rng(entropy(family, seed, index))
    while True:
        task, state = sample(family, rng, split, distractors, templates)
        if not accepts(task, state):
            continue
        try:
            return task, layout(state, rng)
        except SceneDoesNotFit:
            continue
