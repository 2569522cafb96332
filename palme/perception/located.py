"""What measured depth tells about a place that a step names: whether something is there, and room."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from palme.perception.hand import PALM, PALM_UP, TIP_BELOW, box_gap
from robots.motion.pick_place import GRASP_DEPTH
from robots.skills import Location

Array = NDArray[np.float64]

WITHIN, ABOVE = 0.022, 0.014
"""[m] sideways and up or down within which measured points belong to the top face at a place."""
LOWEST = 0.012
"""[m] above the table below which nothing but the table is at a place."""
MIN_PIXELS = 6
YAWS = 16
FINGER = (0.030, 0.021, 0.0105)
"""[m] along closing, where a finger's middle is as it lets go, half its length, half its width."""
PALM_ABOVE = 0.05
"""[m] above the table where the palm begins."""
OBSTACLE_Z = (0.010, 0.15)
"""[m] of what stands on the table; above is the arm with its load."""
TIP = 0.012
"""[m] thickness of a finger's tip."""
OWN, OPEN = 0.004, 0.014
"""[m] around a thing within which what is measured is itself, and that fingers open beyond its width."""
HITS, BETTER = -0.003, 0.004
"""[m] of room below which the hand hits something, and by which another turn must be better."""
ROOM = 0.012
"""[m] of room beyond which one turn of the hand is as good as another."""


def is_there(xyz: Array, at: Location) -> bool:
    """Whether something has its top face at `at` (x, y, z) in [m].

    Args:
        xyz: (3, H, W) measured points in [m], base frame.
        at: where it was seen.
    """
    away = np.hypot(xyz[0] - at[0], xyz[1] - at[1])
    return at[2] >= LOWEST and bool(
        ((away <= WITHIN) & (np.abs(xyz[2] - at[2]) <= ABOVE)).sum() >= MIN_PIXELS
    )


def yaw_with_room(xyz: Array, at: Location) -> float:
    """Turn of the tool in [rad], in [0, pi), at which the opening hand has most room around `at`.

    Args:
        xyz: (3, H, W) measured points in [m], base frame.
        at: a place on the table.
    """
    x, y, z = xyz.reshape(3, -1)
    near = (np.hypot(x - at[0], y - at[1]) < 0.16) & (OBSTACLE_Z[0] < z) & (z < OBSTACLE_Z[1])
    points = np.stack([x - at[0], y - at[1], z], -1)[near]  # (K, 3)
    best, best_room = 0.0, -math.inf
    for k in range(YAWS):
        yaw = k * math.pi / YAWS
        closing = np.array([-math.sin(yaw), math.cos(yaw)])
        across = np.array([math.cos(yaw), math.sin(yaw)])
        along, aside = np.abs(points[:, :2] @ closing), np.abs(points[:, :2] @ across)
        fingers = box_gap(along - FINGER[0], aside, FINGER[1], FINGER[2])
        high = points[:, 2] > PALM_ABOVE
        palm = box_gap(along[high], aside[high], *PALM)
        room = min(float(np.min(fingers, initial=ROOM)), float(np.min(palm, initial=ROOM)))
        if room > best_room + 1e-6:
            best, best_room = yaw, room
    return best


def turn_with_room(
    xyz: Array, at: Array, yaw: float, opening: float, edge: float, is_round: bool
) -> tuple[float, float]:
    """(yaw in [rad], opening in [m]) with which to grasp: as given, or turned where the hand hits something.

    Args:
        xyz: (3, H, W) measured points in [m], base frame.
        at: (3,) middle of the top face in [m].
        yaw, opening: of the tool in [rad], of the fingers in [m].
        edge: width of the thing in [m].
        is_round: whether any turn grasps it, else a quarter turn alone.
    """
    points = xyz.reshape(3, -1).T - at
    near = points[(np.hypot(points[:, 0], points[:, 1]) < 0.16) & (points[:, 2] < OBSTACLE_Z[1])]
    tool = -GRASP_DEPTH
    low, high = near[near[:, 2] > tool - TIP_BELOW + 0.003], near[near[:, 2] > tool + PALM_UP + 0.003]
    half = edge / 2 + OWN

    def room(turn: float, wide: float) -> float:
        closing, across = (-math.sin(turn), math.cos(turn)), (math.cos(turn), math.sin(turn))
        along, aside = np.abs(low[:, :2] @ closing), np.abs(low[:, :2] @ across)
        own = np.hypot(along, aside) < half if is_round else (along < half) & (aside < half)
        fingers = box_gap(along - wide / 2 - TIP / 2, aside, TIP / 2, FINGER[2])[~own]
        over = np.abs(high[:, :2] @ closing), np.abs(high[:, :2] @ across)
        palm = box_gap(*over, *PALM)[np.hypot(*over) > 0.71 * edge + OWN]
        return min(float(np.min(fingers, initial=ROOM)), float(np.min(palm, initial=ROOM)))

    given = room(yaw, opening)
    if given > HITS:
        return yaw, opening
    wide = edge + OPEN
    turns = [yaw + k * math.pi / YAWS for k in range(1, YAWS)] if is_round else [yaw + math.pi / 2, yaw]
    best = max(turns, key=lambda turn: room(turn, wide))
    return (best % math.pi, wide) if room(best, wide) > given + BETTER else (yaw, opening)
