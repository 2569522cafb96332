"""Where to grasp a thing and where to put it: pure geometry over true poses.

Labels for perception and targets for the oracle come from here, so both mean the same.
A grasp points straight down; `yaw` in [0, pi) is that of `robots.motion.kinematics.tool_pose`, and the
fingers close along the line at angle yaw + pi/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.geometry.footprints import FAR, Obstacles
from sim.geometry.hand import FRANKA, Hand
from sim.geometry.shapes import BOWL_FLOOR, BOWL_INNER, Array, radius, width
from sim.world.state import ObjectSpec

AREA_MIN, AREA_MAX = (0.33, -0.30), (0.67, 0.30)  # where objects live on the table, base frame
OPEN_MIN, OPEN_MAX = 0.010, 0.026  # [m] wider than the object when approaching
N_YAWS = 16
AMPLE = 0.012  # [m] beyond which more room around the hand is no better
TABLE_GAP = 0.022  # [m] around a thing set down on the table: a finger and some room


@dataclass(frozen=True)
class Grasp:
    """Gripper straight down at `xyz` [m] (tool frame, base), `yaw` in [0, pi), `opening` in [0, 1].

    clearance: [m] left between hand and neighbours at that opening; negative = they collide.
    """

    xyz: Array
    yaw: float
    opening: float
    clearance: float


@dataclass(frozen=True)
class Place:
    """Where a held object's centre comes to rest: `xyz` [m] in base, with the tool at `yaw`.

    clearance: [m] left between hand or object and everything else; negative = they collide.
    """

    xyz: Array
    yaw: float
    clearance: float


def hand_gap(obstacles: Obstacles, xyz: Array, yaws: Array, held: float, hand: Hand = FRANKA) -> Array:
    """Room around the hand when its pads touch an object `held` [m] wide.

    Args:
        xyz: (K, 3) tool positions; yaws: (K,).

    Returns:
        (K,) signed distance in [m] to whatever reaches up to the hand.
    """
    k = len(xyz)
    out = np.full(k, FAR)
    closing = np.stack([-np.sin(yaws), np.cos(yaws)], -1)  # (K, 2)
    for bottom, inner, outer in hand.layers:
        middle, half = held / 2 + (inner + outer) / 2, (outer - inner) / 2
        for side in (-1.0, 1.0):
            boxes = np.empty((k, 5))
            boxes[:, :2] = xyz[:, :2] + side * middle * closing
            boxes[:, 2], boxes[:, 3], boxes[:, 4] = yaws, hand.half_width, half
            out = np.minimum(out, obstacles.gap_to_boxes(boxes, xyz[:, 2] + bottom))
    palm = np.empty((k, 5))
    palm[:, :2], palm[:, 2] = xyz[:, :2], yaws
    palm[:, 3], palm[:, 4] = hand.palm_half_width, hand.palm_half_length
    return np.minimum(out, obstacles.gap_to_boxes(palm, xyz[:, 2] + hand.palm_above))


def grasp_candidates(
    specs: Sequence[ObjectSpec],
    positions: Array,
    yaws: Array,
    i: int,
    n_yaws: int = N_YAWS,
    hand: Hand = FRANKA,
) -> list[Grasp]:
    """Ways to grasp solid `i`, the one with most room first.

    A cube is gripped along either of its two axes, a cylinder along any of `n_yaws` lines.

    Args:
        positions: (N, 3) centres in base [m]; yaws: (N,) in [rad], see `footprints.yaws_of`.

    Raises:
        ValueError: a bowl cannot be grasped.
    """
    spec = specs[i]
    if spec.kind == "bowl":
        raise ValueError(f"{spec.name}: a bowl cannot be grasped; only blocks and cylinders can")
    if spec.kind == "block":
        turns = np.mod(yaws[i] + np.array([0.0, np.pi / 2]), np.pi)
    else:
        turns = np.arange(n_yaws) * (np.pi / n_yaws)
    held = width(spec)
    xyz = np.repeat(positions[None, i], len(turns), 0)
    gaps = hand_gap(Obstacles.of(specs, positions, yaws, (i,)), xyz, turns, held, hand)
    extra = np.clip(gaps, OPEN_MIN, OPEN_MAX)  # half of the room inside the pads, half outside
    opening = np.minimum((held + extra) / hand.width, 1.0)
    clearance = gaps - extra / 2
    order = sorted(range(len(turns)), key=lambda k: (-round(min(float(clearance[k]), 0.05), 4), k))
    return [Grasp(xyz[k], float(turns[k]), float(opening[k]), float(clearance[k])) for k in order]


def place_point(
    specs: Sequence[ObjectSpec],
    positions: Array,
    yaws: Array,
    holder: Sequence[int | None],
    i: int,
    target: int | None,
    near: float | None = None,
    hand: Hand = FRANKA,
) -> Place:
    """Where to put solid `i`: in bowl `target`, on solid `target`, or on the table (None).

    Args:
        positions, yaws: (N, 3), (N,) true poses; holder: (N,) what each thing rests in or on.
        near: the tool's yaw now, [rad]; of equally good turns the one next to it is taken.

    Raises:
        ValueError: `target` is `i` itself. NoRoom: the table is full.
    """
    if target == i:
        raise ValueError(f"{specs[i].name} cannot be put on itself")
    if target is None:
        return _on_table(specs, positions, yaws, i, near, hand)
    if specs[target].kind == "bowl":
        return _in_bowl(specs, positions, yaws, holder, i, target, near, hand)
    return _on_solid(specs, positions, yaws, i, target, near, hand)


class NoRoom(RuntimeError):
    """There is no free spot on the table."""


def free_space(
    specs: Sequence[ObjectSpec], positions: Array, yaws: Array, i: int, points: Array
) -> NDArray[np.bool_]:
    """Where on the table solid `i` may be set down.

    Args:
        points: (P, 2) x, y in base [m].

    Returns:
        (P,) True where the object and the fingers around it fit with some room to spare.
    """
    inside = ((points >= AREA_MIN) & (points <= AREA_MAX)).all(1)
    return inside & (_table_gap(specs, positions, yaws, i, points, FRANKA) > TABLE_GAP)


def _table_gap(
    specs: Sequence[ObjectSpec], positions: Array, yaws: Array, i: int, points: Array, hand: Hand
) -> Array:
    """(P,) distance in [m] of solid `i`, in any turn, at `points` to the rest; tall things reach further."""
    obstacles = Obstacles.of(specs, positions, yaws, (i,))
    discs = np.concatenate([points, np.full((len(points), 1), radius(specs[i]))], 1)
    near = obstacles.gap_to_discs(discs, np.zeros(len(points)))
    for k, spec in enumerate(specs):
        if spec.kind == "bowl":  # its inside is not table
            away = np.hypot(*(points - positions[k, :2]).T)
            near = np.minimum(near, away - radius(spec) - discs[0, 2])
    tall = obstacles.gap_to_discs(discs, np.full(len(points), width(specs[i]) / 2 + hand.palm_above))
    return np.minimum(near, tall - 0.03)


def _on_table(
    specs: Sequence[ObjectSpec], positions: Array, yaws: Array, i: int, near: float | None, hand: Hand
) -> Place:
    """The nearest spot with ample room, else the one with most."""
    (x0, y0), (x1, y1) = AREA_MIN, AREA_MAX
    xs, ys = np.arange(x0 + 0.02, x1 - 0.019, 0.01), np.arange(y0 + 0.02, y1 - 0.019, 0.01)
    points = np.stack(np.meshgrid(xs, ys, indexing="ij"), -1).reshape(-1, 2)
    gap = _table_gap(specs, positions, yaws, i, points, hand)
    away = np.hypot(*(points - positions[i, :2]).T)
    best = int(np.argmax(np.minimum(gap, 0.045) * 10 - away))
    if not gap[best] > 0.008:
        best = int(np.argmax(gap))
    if not gap[best] > 0.005:
        raise NoRoom(f"no free spot for the {specs[i].name} on the table (widest: {gap[best]:.3f} m)")
    xyz = np.array([*points[best], width(specs[i]) / 2])
    others = Obstacles.of(specs, positions, yaws, (i,))
    yaw, clearance = _best_yaw(others, xyz, width(specs[i]), (), near, hand)
    return Place(xyz, yaw, min(clearance, float(gap[best])))


def _on_solid(
    specs: Sequence[ObjectSpec],
    positions: Array,
    yaws: Array,
    i: int,
    target: int,
    near: float | None,
    hand: Hand,
) -> Place:
    top = positions[target, 2] + width(specs[target]) / 2
    xyz = np.array([positions[target, 0], positions[target, 1], top + width(specs[i]) / 2])
    preferred = (yaws[target], yaws[target] + np.pi / 2) if specs[target].kind == "block" else ()
    others = Obstacles.of(specs, positions, yaws, (i, target))
    yaw, clearance = _best_yaw(others, xyz, width(specs[i]), preferred, near, hand)
    return Place(xyz, yaw, clearance)


def _in_bowl(
    specs: Sequence[ObjectSpec],
    positions: Array,
    yaws: Array,
    holder: Sequence[int | None],
    i: int,
    bowl: int,
    near: float | None,
    hand: Hand,
) -> Place:
    """The middle of an empty bowl; else beside what is in it, or on top of that where nothing fits."""
    floor = BOWL_FLOOR + width(specs[i]) / 2
    centre = np.array([positions[bowl, 0], positions[bowl, 1], floor])
    obstacles = Obstacles.of(specs, positions, yaws, (i,))
    inside = [j for j, h in enumerate(holder) if h == bowl and j != i]
    if not inside:
        yaw, clearance = _best_yaw(obstacles, centre, width(specs[i]), (), near, hand)
        return Place(centre, yaw, clearance)
    grid = np.arange(-0.036, 0.0361, 0.006)
    offsets = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    offsets = offsets[np.hypot(*offsets.T) < BOWL_INNER[specs[bowl].size] / 2 - width(specs[i]) / 2]
    turns = np.arange(8) * (np.pi / 8)
    k = len(offsets) * len(turns)
    boxes = np.empty((k, 5))
    boxes[:, :2] = np.repeat(centre[:2] + offsets, len(turns), 0)
    boxes[:, 2] = np.tile(turns, len(offsets))
    boxes[:, 3:] = width(specs[i]) / 2
    gap = obstacles.gap_to_boxes(boxes, np.full(k, BOWL_FLOOR))
    xyz = np.concatenate([boxes[:, :2], np.full((k, 1), floor)], 1)
    good = np.flatnonzero(gap > 0.002)
    if len(good):
        around = hand_gap(obstacles, xyz[good], boxes[good, 2], width(specs[i]), hand)
        gap = np.minimum(gap[good], around - 0.003)
        best = int(np.argmax(gap))
        if gap[best] > 0.002:
            return Place(xyz[good[best]], float(boxes[good[best], 2]), float(gap[best]))
    heap = inside[int(np.argmin(np.hypot(*(positions[inside, :2] - centre[:2]).T)))]
    while above := [j for j, h in enumerate(holder) if h == heap and j != i]:
        heap = above[0]
    return _on_solid(specs, positions, yaws, i, heap, near, hand)


def _best_yaw(
    obstacles: Obstacles, xyz: Array, held: float, preferred: Sequence[float], near: float | None, hand: Hand
) -> tuple[float, float]:
    """The tool's turn at `xyz` with ample room, `preferred` ones first, then what is next to `near`.

    Returns (yaw in [0, pi), clearance [m]).
    """
    start = 0.0 if near is None else near
    turns = np.mod(np.array([*preferred, *(start + np.arange(N_YAWS) * (np.pi / N_YAWS))]), np.pi)
    gaps = hand_gap(obstacles, np.repeat(xyz[None], len(turns), 0), turns, held, hand) - OPEN_MIN / 2
    score = np.minimum(gaps, AMPLE)
    score[: len(preferred)] += 0.002
    if near is not None:
        away = np.mod(turns - near, np.pi)
        score -= 0.001 * np.minimum(away, np.pi - away)
    best = int(np.argmax(score))
    return float(turns[best]), float(gaps[best])
