"""What truly rests where, from the poses of the bodies: for the judge and the oracle, never a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.geometry.shapes import BOWL_HEIGHT, BOWL_INNER, BOWL_WALL, Array, height, width
from sim.world.state import ObjectSpec, SceneState

if TYPE_CHECKING:
    from sim.world.world import World

TOUCH = 0.010  # [m] bottom and top closer than this count as touching


def judge(world: World) -> SceneState:
    """The true `SceneState` now. What the hand holds rests in and on nothing."""
    positions, quats = world.poses()
    state = holders(world.specs, positions, quats)
    held = world.held()
    return state if held is None else state.moved(held, None)


def holders(specs: tuple[ObjectSpec, ...], positions: Array, quats_xyzw: Array) -> SceneState:
    """What rests in or on what.

    Args:
        specs: (N,) the objects.
        positions: (N, 3) middles in the base frame in [m].
        quats_xyzw: (N, 4).
    """
    n = len(specs)
    bottom, top = np.empty(n), np.empty(n)
    for i, spec in enumerate(specs):
        reach = vertical_reach(spec, quats_xyzw[i])
        bottom[i], top[i] = positions[i, 2] - reach, positions[i, 2] + reach
    holder: list[int | None] = []
    for i, spec in enumerate(specs):
        holder.append(None if spec.kind == "bowl" else _holder(i, specs, positions, bottom, top))
    return SceneState(specs, tuple(holder))


def _holder(i: int, specs: tuple[ObjectSpec, ...], positions: Array, bottom: Array, top: Array) -> int | None:
    best, best_distance = None, np.inf
    for j, other in enumerate(specs):
        if j == i or other.kind == "bowl":
            continue
        distance = float(np.linalg.norm(positions[i, :2] - positions[j, :2]))
        # carried: the middle of the upper one lies over the lower one
        if abs(bottom[i] - top[j]) <= TOUCH and distance <= 0.75 * width(other) and distance < best_distance:
            best, best_distance = j, distance
    if best is not None:
        return best
    for j, other in enumerate(specs):
        if other.kind != "bowl":
            continue
        distance = float(np.linalg.norm(positions[i, :2] - positions[j, :2]))
        rim = positions[j, 2] + BOWL_HEIGHT / 2
        if distance <= BOWL_INNER[other.size] / 2 + BOWL_WALL and bottom[i] <= rim - 0.005:
            return j
    return None


def vertical_reach(spec: ObjectSpec, quat_xyzw: Array) -> float:
    """Half the height of the object as it lies, in [m]."""
    x, y, z, w = quat_xyzw
    row = np.abs([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])
    half_width, half_height = width(spec) / 2, height(spec) / 2
    if spec.kind == "block":
        return float(half_width * row.sum())
    return float(half_width * np.hypot(row[0], row[1]) + half_height * row[2])
