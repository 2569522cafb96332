"""The scene and the goal as one vector, for learning without pictures.

Row i of the (12, 24) table is object i, zeros where there is none:

    0      there is such an object
    1-3    kind, one-hot in the order of `robots.skills.KINDS`
    4-11   colour, one-hot in the order of `robots.skills.COLOURS`
    12     large
    13-15  position in the base frame in [m]
    16-19  quat_xyzw
    20     the goal wants this object on or in another
    21-23  from this object to that one in [m]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.skills import COLOURS, KINDS
from sim.tasks import Task
from sim.world.state import SceneState

MAX_OBJECTS = 12
WIDTH = 24
SIZE = MAX_OBJECTS * WIDTH
POSE = slice(13, 20)


def _in_bowl(goal: Any, state: SceneState) -> list[tuple[int, int]]:
    return [(state.index(goal.block), state.index(goal.bowl))]


def _tower(goal: Any, state: SceneState) -> list[tuple[int, int]]:
    blocks = [state.index(name) for name in goal.blocks]
    return list(zip(blocks[1:], blocks[:-1], strict=True))


def _matched(goal: Any, state: SceneState) -> list[tuple[int, int]]:
    bowls = {o.colour: i for i, o in enumerate(state.objects) if o.kind == "bowl"}
    blocks = [(i, o.colour) for i, o in enumerate(state.objects) if o.kind == "block"]
    return [(i, bowls[colour]) for i, colour in blocks if colour in bowls]


GOAL_PAIRS: dict[str, Callable[[Any, SceneState], list[tuple[int, int]]]] = {
    "put_in_bowl": _in_bowl,
    "stack_tower": _tower,
    "match_bowls": _matched,
}


class Features:
    """Fills the table for one episode; only what moves is written again.

    Args:
        task: gives the goal.
        state: what is on the table.
    """

    def __init__(self, task: Task, state: SceneState) -> None:
        n = len(state.objects)
        if not n <= MAX_OBJECTS:
            raise ValueError(f"{n} objects; the observation has room for {MAX_OBJECTS}")
        self.n = n
        self.table = np.zeros((MAX_OBJECTS, WIDTH), np.float32)
        for i, spec in enumerate(state.objects):
            self.table[i, 0] = 1.0
            self.table[i, 1 + KINDS.index(spec.kind)] = 1.0
            self.table[i, 4 + COLOURS.index(spec.colour)] = 1.0
            self.table[i, 12] = float(spec.size == "large")
        pairs = GOAL_PAIRS[task.family](task.goal, state)
        self.movers = np.array([i for i, _ in pairs], int)
        self.goals = np.array([j for _, j in pairs], int)
        self.table[self.movers, 20] = 1.0
        self._rows: list[Any] = []

    def fill(self, rows: list[Any]) -> NDArray[np.float32]:
        """The vector (288,) for `rows` (N,): each a position in [m] and a quat_xyzw.

        The same list again is taken to say the same.
        """
        table = self.table
        if rows is not self._rows:  # nearly always everything lies still
            self._rows = rows
            table[: self.n, POSE] = [(*xyz, *quat) for xyz, quat in rows]
            table[self.movers, 21:24] = table[self.goals, 13:16] - table[self.movers, 13:16]
        return table.flatten()
