"""Towers, rows and other shapes: which thing goes where."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from palme.planners.program.free_places import NoRoom, anywhere
from palme.planners.program.goals import At, Goal, On, OnTable
from palme.planners.program.scene import SeenScene
from palme.planners.program.shapes import ring, row
from robots.skills import COLOURS

MAX_TOWER = 6
"""Things in a tower; above, the arm cannot reach over it."""
RAINBOW = {colour: k for k, colour in enumerate(COLOURS)}
"""`COLOURS` are in the order of the rainbow, pink last."""


def stacked(scene: SeenScene, ids: Sequence[int], by: str | None, ordered: bool) -> list[Goal]:
    """Goals of one tower of `ids`.

    Args:
        by: order from the bottom; None = as given where `ordered`, else what takes the fewest moves.

    Raises:
        NoRoom: a tower of so many, or of one.
    """
    if not 2 <= len(ids) <= MAX_TOWER:
        raise NoRoom(f"I can build a tower of 2 to {MAX_TOWER} things, not of {len(ids)}.")
    order = sorted_by(scene, ids, by) if by else list(ids) if ordered else _fewest_moves(scene, ids)
    bottom = order[0]
    held = scene[bottom].holder
    goals: list[Goal] = [] if held is None else [OnTable(bottom)]
    return [*goals, *(On(upper, lower) for lower, upper in zip(order[:-1], order[1:], strict=True))]


def arranged(
    scene: SeenScene,
    ids: Sequence[int],
    shape: str,
    by: str | None,
    ordered: bool,
    keep: Collection[int] = (),
) -> list[Goal]:
    """Goals of a row, a column, a circle, a square or a triangle of `ids`.

    Raises:
        NoRoom: fewer than two things, or no place for the shape.
    """
    if len(ids) < 2:
        raise NoRoom(f"A {shape} needs at least two things.")
    if by:
        order = sorted_by(scene, ids, by)
    elif ordered:
        order = list(ids)
    else:
        axis, sign = (1, 1) if shape == "row" else (0, -1)
        order = sorted(ids, key=lambda id: sign * scene[id].xyz[axis])
    if shape in ("row", "column"):
        places = row(scene, tuple(order), 1 if shape == "row" else 0, keep)
    else:
        places = ring(scene, tuple(order), shape, keep)
    return [At(id, place) for id, place in zip(order, places, strict=True)]


def gathered(scene: SeenScene, ids: Sequence[int], keep: Collection[int] = ()) -> list[Goal]:
    """Goals that bring `ids` close together.

    Raises:
        NoRoom: no free place is large enough.
    """
    if len(ids) < 2:
        raise NoRoom("One thing alone cannot be brought together.")
    axis = 1
    places = row(scene, tuple(sorted(ids, key=lambda id: scene[id].xyz[1])), axis, keep)
    order = sorted(ids, key=lambda id: scene[id].xyz[1])
    return [At(id, place) for id, place in zip(order, places, strict=True)]


def spread_out(scene: SeenScene, ids: Sequence[int]) -> list[Goal]:
    """Goals that put what rests on, or lies close to, another of `ids` apart from it.

    Raises:
        NoRoom: the table is full.
    """
    goals: list[Goal] = []
    for k, id in enumerate(ids):
        x, y, _ = scene[id].xyz
        close = any(math.hypot(x - scene[one].xyz[0], y - scene[one].xyz[1]) < 0.12 for one in ids[:k])
        if scene[id].holder is not None or close:
            goals.append(At(id, anywhere(scene, id)))
    return goals


def sorted_by(scene: SeenScene, ids: Sequence[int], by: str) -> list[int]:
    """`ids` with the first of the order first: small things, large things, red, or "blue" before "green"."""
    keys = {
        "small": lambda id: (scene[id].size == "large",),
        "large": lambda id: (scene[id].size == "small",),
        "rainbow": lambda id: (RAINBOW[scene[id].colour],),
        "colour": lambda id: (RAINBOW[scene[id].colour],),
        "alphabet": lambda id: (scene[id].colour,),
    }
    return sorted(ids, key=keys[by])


def _fewest_moves(scene: SeenScene, ids: Sequence[int]) -> list[int]:
    """What stands on the table and has most of `ids` on it already at the bottom, its pile next."""
    among = set(ids)

    def pile(id: int) -> list[int]:
        """`id` and what of `ids` rests on it without a stranger between."""
        found = [id]
        while len(on := scene.on(found[-1])) == 1 and on[0] in among:
            found.append(on[0])
        return found

    grounded = [id for id in ids if scene[id].holder is None] or list(ids)
    best = max((pile(id) for id in grounded), key=len)
    return [*best, *(id for id in ids if id not in best)]
