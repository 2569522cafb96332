"""Rows, circles, squares and triangles: where there is room for the whole of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from palme.planners.program.free_places import (
    CLOSE,
    INSIDE,
    PUT_ASIDE,
    SPACES,
    SPACING,
    X_RANGE,
    Y_RANGE,
    NoRoom,
    can_go,
    grid,
    is_free,
    is_shut,
    too_close,
)
from palme.planners.program.goals import MIDDLE, XY
from palme.planners.program.scene import SeenScene


def row(scene: SeenScene, ids: tuple[int, ...], axis: int, keep: Collection[int] = ()) -> tuple[XY, ...]:
    """Places for `ids` in a straight line: from left to right (axis 1) or from front to back (axis 0).

    Raises:
        NoRoom: no line is free that is long enough.
    """
    reach = (len(ids) - 1) * SPACING
    steps = np.arange(len(ids)) * SPACING
    lines = [
        tuple((x, float(y + s)) if axis == 1 else (float(x + reach - s), y) for s in steps)
        for x in grid(X_RANGE, reach if axis == 0 else 0.0)
        for y in grid(Y_RANGE, reach if axis == 1 else 0.0)
    ]

    def cost(places: tuple[XY, ...]) -> float:
        return sum(math.dist(scene[id].xyz[:2], xy) for id, xy in zip(ids, places, strict=True))

    return _free_shape(scene, ids, lines, cost, keep, f"a row of {len(ids)}")


def ring(scene: SeenScene, ids: tuple[int, ...], shape: str, keep: Collection[int] = ()) -> tuple[XY, ...]:
    """Places for `ids` on a circle, on a square's corners and edges, or on a triangle's.

    Raises:
        NoRoom: it is free nowhere.
    """
    n = len(ids)
    radius = max(SPACING / (2 * math.sin(math.pi / max(n, 3))), 0.055)
    corners = {"circle": 0, "triangle": 3, "square": 4}[shape]
    offsets = _polygon(n, corners, radius) if corners else _circle(n, radius)
    shapes = [
        tuple((x + dx, y + dy) for dx, dy in offsets) for x in grid(X_RANGE, 0.0) for y in grid(Y_RANGE, 0.0)
    ]
    dx, dy = (sum(offset[axis] for offset in offsets) / n for axis in (0, 1))

    def cost(places: tuple[XY, ...]) -> float:
        return math.hypot(
            sum(x for x, _ in places) / n - dx - MIDDLE[0], sum(y for _, y in places) / n - dy - MIDDLE[1]
        )

    return _free_shape(scene, ids, shapes, cost, keep, f"a {shape} of {n}")


def _free_shape(
    scene: SeenScene,
    ids: Sequence[int],
    shapes: Sequence[tuple[XY, ...]],
    cost: Callable[[tuple[XY, ...]], float],
    keep: Collection[int],
    said: str,
) -> tuple[XY, ...]:
    """The one of `shapes` of least `cost` whose places are free, or can be made free.

    Raises:
        NoRoom: none is.
    """
    inside = [places for places in shapes if all(_within(xy) and not is_shut(scene, xy) for xy in places)]
    for space in SPACES:
        found = [
            (cost(places), places)
            for places in inside
            if all(is_free(scene, xy, ids, space=space) for xy in places)
        ]
        if found:
            return min(found)[1]
    taken = []
    for places in inside:
        there = {id for xy in places for id in too_close(scene, xy, ids, None, CLOSE)}
        solid = {id for xy in places for id in too_close(scene, xy, ids, None, INSIDE)}
        if there == solid and can_go(there, scene, keep):  # what is near and not in the way stays there
            taken.append((cost(places) + PUT_ASIDE * len(there), places))
    if not taken:
        raise NoRoom(f"There is no room for {said}.")
    return min(taken)[1]


def _within(xy: XY) -> bool:
    return X_RANGE[0] <= xy[0] <= X_RANGE[1] and Y_RANGE[0] <= xy[1] <= Y_RANGE[1]


def _circle(n: int, radius: float) -> list[XY]:
    angles = 2 * math.pi * np.arange(n) / n
    return [(radius * math.cos(a), radius * math.sin(a)) for a in angles]


def _polygon(n: int, corners: int, radius: float) -> list[XY]:
    """`n` places on the edges of a polygon, its corners first taken."""
    at = np.arange(n) * corners / n if n > corners else np.arange(n)
    radius *= max(1.0, n / corners)
    out = []
    for s in at:
        first, second = (
            (radius * math.cos(2 * math.pi * k / corners), radius * math.sin(2 * math.pi * k / corners))
            for k in (int(s), int(s) + 1)
        )
        part = float(s) - int(s)
        out.append((first[0] + part * (second[0] - first[0]), first[1] + part * (second[1] - first[1])))
    return out
