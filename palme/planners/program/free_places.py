"""Free places on the table: for what is put beside, between, in a row, or just out of the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np

from palme.planners.program.goals import NEXT_TO, SIDE_AT, SIDES, XY, Beside, Between, OnSide
from palme.planners.program.scene import FAR, HALF_WIDTH, SeenScene, SeenThing

X_RANGE = (0.35, 0.65)
"""[m] in the base frame within which places are chosen: what every arm reaches and the camera sees best."""
Y_RANGE = (-0.28, 0.28)
X_REACH, Y_REACH = (0.30, 0.70), (-0.33, 0.33)
"""[m] the same for places that a person gives."""
SPACE = 0.024
"""[m] between outlines: room for a finger of the gripper."""
CLOSE = 0.006
"""[m] between outlines where something shall lie next to another: a finger's room is on the other sides."""
AROUND = 0.05
"""[m] around a place that the arm was kept from within which no other is tried."""
SPACES = (SPACE, 0.014, CLOSE)
"""[m] between outlines, in the order in which places are looked for."""
TOUCH, INSIDE = 0.003, -0.003
"""[m] between outlines that touch, and below which a thing is in the way: outlines are circles, about."""
PUT_ASIDE = 0.2
"""Cost of a thing that has to be put aside, as [m] of distance."""
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
    return not is_shut(scene, xy) and not too_close(scene, xy, without, beside, space)


def is_shut(scene: SeenScene, xy: XY) -> bool:
    """Whether the arm was kept from putting something down near `xy`."""
    return any(math.hypot(x - xy[0], y - xy[1]) < AROUND for x, y in scene.shut)


def in_the_way(scene: SeenScene, xy: XY, what: int) -> int | None:
    """Id of a thing on the table where `what` would be put down at `xy`; None = there is none."""
    return next(iter(too_close(scene, xy, (what, *scene.above(what)), None, INSIDE)), None)


def too_close(
    scene: SeenScene, xy: XY, without: Iterable[int], beside: int | None, space: float
) -> tuple[int, ...]:
    """Ids of what stands on the table nearer than `space` to a solid at `xy`, but `CLOSE` where `beside`."""
    left_out = set(without)
    return tuple(
        thing.id
        for thing in scene
        if thing.id not in left_out
        and (thing.holder is None or thing.is_bowl)
        and math.hypot(thing.xyz[0] - xy[0], thing.xyz[1] - xy[1])
        < _half(thing) + HALF_WIDTH["block"] + (min(_close(thing), space) if thing.id == beside else space)
    )


def place_for(scene: SeenScene, goal: Beside | Between | OnSide, keep: Collection[int] = ()) -> XY:
    """Where to put `goal.what` down so that `goal` holds; something may have to be put aside there first.

    Args:
        keep: ids of what is not put aside.

    Raises:
        NoRoom: everything there is taken, or out of reach.
    """
    if isinstance(goal, Between):
        cost, beside, fixed = _between_cost(scene, goal), None, {goal.a, goal.b}
    elif isinstance(goal, OnSide):
        cost, beside, fixed = _side_cost(goal), None, set()
    else:
        cost, beside, fixed = _beside_cost(scene, goal), goal.of, {goal.of}
    around = _around(scene[goal.of].xyz) if isinstance(goal, Beside) and goal.side == "next" else []
    return _best(scene, goal.what, cost, goal.said(scene), beside, {*keep, *fixed}, [*_table(), *around])


def anywhere(scene: SeenScene, what: int, away: float = 0.0, clear_of: XY | None = None) -> XY:
    """A free place for `what`, near where it is, and not close to a bowl's rim.

    Args:
        scene: where it is.
        what: id of the thing.
        away: least distance in [m] from where it is.
        clear_of: a place that is to be left free.

    Raises:
        NoRoom: the table is full.
    """
    x0, y0, _ = scene[what].xyz
    taken = [thing.xyz[:2] for thing in scene if thing.id != what and thing.holder is None]
    taken += [] if clear_of is None else [clear_of]

    def cost(x: float, y: float) -> float:
        clearance = min((math.hypot(x - tx, y - ty) for tx, ty in taken), default=1.0)
        moved = math.hypot(x - x0, y - y0)
        blocks = clear_of is not None and math.hypot(x - clear_of[0], y - clear_of[1]) < SPACING
        return math.inf if blocks or moved < away else moved - 2.0 * min(clearance, 0.12)

    return _best(scene, what, cost, f"the {scene[what].name} on the table")


def near(scene: SeenScene, what: int, xy: XY, within: float, keep: Collection[int] | None = None) -> XY:
    """The free place nearest to `xy`, at most `within` [m] from it.

    Args:
        keep: ids of what is not put aside for it; None = nothing is.

    Raises:
        NoRoom: everything there is taken.
    """

    def cost(x: float, y: float) -> float:
        away = math.hypot(x - xy[0], y - xy[1])
        return away if away <= within + 1e-9 else math.inf

    steps = [PITCH / 2 * k for k in range(-int(2 * within / PITCH), int(2 * within / PITCH) + 1)]
    among = [(xy[0] + dx, xy[1] + dy) for dx in steps for dy in steps]
    return _best(scene, what, cost, "it there", None, keep, among, spaces=(CLOSE,))


def _half(thing: SeenThing) -> float:
    """Half the width of what stands there, about, in [m]: of solids between that and half their diagonal."""
    if thing.is_bowl:
        return HALF_WIDTH["bowl"] + (0.008 if thing.size == "large" else 0.0)
    return 0.026 if thing.size == "large" else 0.019


def _best(
    scene: SeenScene,
    what: int,
    cost: Callable[[float, float], float],
    said: str,
    beside: int | None = None,
    keep: Collection[int] | None = None,
    among: Sequence[XY] | None = None,
    spaces: Sequence[float] = SPACES,
) -> XY:
    """The place of least `cost` with most room; where none is free, one that can be made free.

    Args:
        beside: see `is_free`.
        keep: ids of what is not put aside; None = nothing is.
        among: places to choose from; None = the table.
        spaces: in the order in which they are tried, see `SPACES`.

    Raises:
        NoRoom: there is none.
    """
    moved = (what, *scene.above(what))
    able = [
        (value, xy)
        for xy in among or _table()
        if math.isfinite(value := cost(*xy)) and not is_shut(scene, xy)
    ]
    for space in spaces:
        found = [(value, xy) for value, xy in able if is_free(scene, xy, moved, beside, space)]
        if found:
            return min(found)[1]
    if keep is not None:
        taken = [
            (value + PUT_ASIDE * len(there), xy)
            for value, xy in able
            if can_go((there := too_close(scene, xy, moved, beside, CLOSE)), scene, keep)
            and there == too_close(scene, xy, moved, beside, INSIDE)
        ]
        if taken:
            return min(taken)[1]
    raise NoRoom(f"There is no room for {said}.")


def _close(thing: SeenThing) -> float:
    """[m] from `thing` that is close: beside a bowl there is hardly room for more than the hand's play."""
    return TOUCH if thing.is_bowl else CLOSE


def _table() -> list[XY]:
    return [(x, y) for x in grid(X_RANGE, 0.0) for y in grid(Y_RANGE, 0.0)]


def _around(middle: Sequence[float]) -> list[XY]:
    """Places right next to a bowl, which lie between those of the table's grid."""
    turns = (math.radians(5 * k) for k in range(72))
    found = [(middle[0] + NEXT_TO * math.cos(a), middle[1] + NEXT_TO * math.sin(a)) for a in turns]
    return [(x, y) for x, y in found if X_REACH[0] <= x <= X_REACH[1] and Y_REACH[0] <= y <= Y_REACH[1]]


def can_go(ids: Iterable[int], scene: SeenScene, keep: Collection[int]) -> bool:
    """Whether all of `ids`, with what lies on them, can be put aside."""
    return not any(scene[id].is_bowl or {id, *scene.above(id)} & set(keep) for id in ids)


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


def grid(bounds: tuple[float, float], reach: float) -> list[float]:
    """From the lower bound to the upper, less `reach`, a step of `PITCH`."""
    return [float(v) for v in np.arange(bounds[0], bounds[1] - reach + 1e-9, PITCH)]
