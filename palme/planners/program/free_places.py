"""Free places on the table: for what is put beside, between, in a row, or just out of the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from palme.planners.program.goals import MIDDLE, NEXT_TO, SIDE_AT, SIDES, XY, Beside, Between, OnSide
from palme.planners.program.scene import FAR, HALF_WIDTH, SeenScene, SeenThing

X_RANGE = (0.35, 0.65)
"""[m] in the base frame within which things are put down: what the arm reaches and the camera sees."""
Y_RANGE = (-0.28, 0.28)
SPACE = 0.024
"""[m] between outlines: room for a finger of the gripper."""
CLOSE = 0.006
"""[m] between outlines where something shall lie next to another: a finger's room is on the other sides."""
AROUND = 0.05
"""[m] around a place that the arm was kept from within which no other is tried."""
PITCH = 0.01
SPACING = 0.075
"""[m] between the middles of neighbours in a row."""


class NoRoom(Exception):
    """There is no free place where a thing shall go; the message says where."""


def is_free(
    scene: SeenScene,
    xy: XY,
    without: Iterable[int] = (),
    beside: int | None = None,
    space: float = SPACE,
) -> bool:
    """Whether a solid fits at `xy` with room for the fingers.

    Args:
        without: ids of things that are not in the way, such as what is moved.
        beside: id of a thing to which it may come close.
        space: in [m] between outlines.
    """
    if not (X_RANGE[0] <= xy[0] <= X_RANGE[1] and Y_RANGE[0] <= xy[1] <= Y_RANGE[1]):
        return False
    if is_shut(scene, xy):
        return False
    left_out = set(without)
    return all(
        math.hypot(thing.xyz[0] - xy[0], thing.xyz[1] - xy[1])
        >= _half(thing) + HALF_WIDTH["block"] + (CLOSE if thing.id == beside else space)
        for thing in scene
        if thing.id not in left_out and (thing.holder is None or thing.is_bowl)
    )


def is_shut(scene: SeenScene, xy: XY) -> bool:
    """Whether the arm was kept from putting something down near `xy`."""
    return any(math.hypot(x - xy[0], y - xy[1]) < AROUND for x, y in scene.shut)


def in_the_way(scene: SeenScene, xy: XY, what: int) -> int | None:
    """Id of a thing on the table where `what` would be put down at `xy`; None = there is none."""
    for thing in scene:
        away = math.hypot(thing.xyz[0] - xy[0], thing.xyz[1] - xy[1])
        if thing.id != what and thing.holder is None and away < _half(thing) + HALF_WIDTH["block"]:
            return thing.id
    return None


def place_for(scene: SeenScene, goal: Beside | Between | OnSide) -> XY:
    """Where to put `goal.what` down so that `goal` holds.

    Raises:
        NoRoom: everything there is taken, or out of reach.
    """
    if isinstance(goal, Between):
        return _best(scene, goal.what, _between_cost(scene, goal), goal.said(scene))
    if isinstance(goal, OnSide):
        return _best(scene, goal.what, _side_cost(goal), goal.said(scene))
    return _best(scene, goal.what, _beside_cost(scene, goal), goal.said(scene), goal.of)


def anywhere(scene: SeenScene, what: int, away: float = 0.0) -> XY:
    """A free place for `what`, near where it is, and not close to a bowl's rim.

    Args:
        scene: where it is.
        what: id of the thing.
        away: least distance in [m] from where it is.

    Raises:
        NoRoom: the table is full.
    """
    x0, y0, _ = scene[what].xyz
    taken = [thing.xyz for thing in scene if thing.id != what and thing.holder is None]

    def cost(x: float, y: float) -> float:
        clearance = min((math.hypot(x - tx, y - ty) for tx, ty, _ in taken), default=1.0)
        moved = math.hypot(x - x0, y - y0)
        return moved - 2.0 * min(clearance, 0.12) if moved >= away else math.inf

    return _best(scene, what, cost, f"the {scene[what].name} on the table")


def row(scene: SeenScene, ids: tuple[int, ...], axis: int) -> tuple[XY, ...]:
    """Places for `ids` in a straight line: from left to right (axis 1) or from front to back (axis 0).

    Raises:
        NoRoom: no line is free that is long enough.
    """
    reach = (len(ids) - 1) * SPACING
    steps = np.arange(len(ids)) * SPACING
    best: tuple[float, tuple[XY, ...]] | None = None
    for x in _grid(X_RANGE, reach if axis == 0 else 0.0):
        for y in _grid(Y_RANGE, reach if axis == 1 else 0.0):
            along = [(x, y + s) if axis == 1 else (x + reach - s, y) for s in steps]
            if not all(is_free(scene, place, ids) for place in along):
                continue
            cost = sum(
                math.hypot(scene[id].xyz[0] - px, scene[id].xyz[1] - py)
                for id, (px, py) in zip(ids, along, strict=True)
            )
            if best is None or cost < best[0]:
                best = (cost, tuple((float(px), float(py)) for px, py in along))
    if best is None:
        raise NoRoom(f"There is no room for a row of {len(ids)}.")
    return best[1]


def ring(scene: SeenScene, ids: tuple[int, ...], shape: str) -> tuple[XY, ...]:
    """Places for `ids` on a circle, on a square's corners and edges, or on a triangle's.

    Raises:
        NoRoom: it is free nowhere.
    """
    n = len(ids)
    radius = max(SPACING / (2 * math.sin(math.pi / max(n, 3))), 0.055)
    corners = {"circle": 0, "triangle": 3, "square": 4}[shape]
    offsets = _polygon(n, corners, radius) if corners else _circle(n, radius)
    best: tuple[float, tuple[XY, ...]] | None = None
    for x in _grid(X_RANGE, 0.0):
        for y in _grid(Y_RANGE, 0.0):
            places = tuple((x + dx, y + dy) for dx, dy in offsets)
            if all(is_free(scene, place, ids) for place in places):
                cost = math.hypot(x - MIDDLE[0], y - MIDDLE[1])
                if best is None or cost < best[0]:
                    best = (cost, places)
    if best is None:
        raise NoRoom(f"There is no room for a {shape} of {n}.")
    return best[1]


def _half(thing: SeenThing) -> float:
    return HALF_WIDTH[thing.kind] + (0.008 if thing.is_bowl and thing.size == "large" else 0.0)


def _best(
    scene: SeenScene, what: int, cost: Callable[[float, float], float], said: str, beside: int | None = None
) -> XY:
    moved = (what, *scene.above(what))
    found = [
        (value, (x, y))
        for x in _grid(X_RANGE, 0.0)
        for y in _grid(Y_RANGE, 0.0)
        if math.isfinite(value := cost(x, y)) and is_free(scene, (x, y), moved, beside)
    ]
    if not found:
        raise NoRoom(f"There is no room for {said}.")
    return min(found)[1]


def _beside_cost(scene: SeenScene, goal: Beside) -> Callable[[float, float], float]:
    ox, oy, _ = scene[goal.of].xyz

    def cost(x: float, y: float) -> float:
        away = math.hypot(x - ox, y - oy)
        if goal.side == "next":
            return away if away <= NEXT_TO else math.inf
        if goal.side == "far":
            return away if away >= FAR + 0.02 else math.inf
        axis, sign = SIDES[goal.side]
        along = sign * ((x, y)[axis] - (ox, oy)[axis])
        across = abs((x, y)[1 - axis] - (ox, oy)[1 - axis])
        return away if along >= 0.04 and across <= along else math.inf

    return cost


def _between_cost(scene: SeenScene, goal: Between) -> Callable[[float, float], float]:
    p, q = (np.array(scene[id].xyz[:2]) for id in (goal.a, goal.b))
    length = float(np.linalg.norm(q - p))

    def cost(x: float, y: float) -> float:
        if not length > 0:
            return math.inf
        r = np.array([x, y])
        t = float((r - p) @ (q - p)) / length**2
        off = float(np.linalg.norm(p + t * (q - p) - r))
        return abs(t - 0.5) * length + 2 * off if 0.15 < t < 0.85 and off <= 0.03 else math.inf

    return cost


def _side_cost(goal: OnSide) -> Callable[[float, float], float]:
    def cost(x: float, y: float) -> float:
        beyond = [SIDES[side][1] * ((x, y)[SIDES[side][0]] - SIDE_AT[side]) for side in goal.sides]
        return max(abs(one - 0.04) for one in beyond) if min(beyond) >= 0.02 else math.inf

    return cost


def _grid(bounds: tuple[float, float], reach: float) -> list[float]:
    """From the lower bound to the upper, less `reach`, a step of `PITCH`."""
    return [float(v) for v in np.arange(bounds[0], bounds[1] - reach + 1e-9, PITCH)]


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
