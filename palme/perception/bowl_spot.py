"""Where in a bowl a thing finds room, by measured depth: beside what is in it, or on top of that."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palme.perception.hand import PALM, PALM_UP, TIP_BELOW, box_gap
from palme.perception.unexplained import FACE, MIN_PIXELS, face_middle
from robots.motion.pick_place import DROP, GRASP_DEPTH
from robots.skills import Location

Array = NDArray[np.float64]

FLOOR = 0.004
"""[m] of a bowl's floor above the table."""
RIM = (0.026, 0.0325)
"""[m] above the table between which a bowl's rim is measured."""
INNER = (0.048, 0.058)
"""[m] half the inner width of a small and of a large bowl."""
RIM_MIDDLE = 0.0575
"""[m] from a bowl's middle to the outer rim: small ones have less, large ones more."""
CONTENT = 0.014
"""[m] above the table from which on something inside is no floor."""
WALL = 0.005
"""[m] from the wall inward within which what is measured is the wall."""
GAP = (0.002, 0.005)
"""[m] to the wall and to what is inside: the least, and beyond which more is no better."""
PITCH, TURNS = 0.006, 8
"""[m] between places, and turns of the hand in half a turn, that are tried."""
FINGER = (0.008, 0.020, 0.0105)
"""[m] from a held thing's side as the hand lets go: where a finger begins and ends, and half its width."""


@dataclass(frozen=True)
class Spot:
    """A place in a bowl.

    Attributes:
        xyz: (3,) in [m], base frame: what the thing will stand on.
        yaw: of the tool in [rad], in [0, pi); None = as the face below it asks.
    """

    xyz: Array
    yaw: float | None


def spot_in_bowl(xyz: Array, at: Location, edge: float, is_round: bool) -> Spot | None:
    """Where in the bowl at `at` a thing is let go; None where no bowl is seen.

    On its floor it stands to a side, so that another fits beside it. Where nothing more fits on the floor, it
    goes on the lowest face in the bowl that is free.

    Args:
        xyz: (3, H, W) measured points in [m], base frame, with no arm over the bowl.
        at: middle of the bowl's floor.
        edge: width of the thing in [m].
        is_round: whether it is a cylinder.
    """
    points = xyz.reshape(3, -1).T - [at[0], at[1], 0.0]
    away = np.hypot(points[:, 0], points[:, 1])
    rim = (RIM[0] < points[:, 2]) & (points[:, 2] < RIM[1]) & (0.04 < away) & (away < 0.075)
    if rim.sum() < MIN_PIXELS:
        return None
    inner = INNER[int(np.percentile(away[rim], 75) > RIM_MIDDLE)]
    wall = (away > inner - WALL) & (points[:, 2] < RIM[1] + 0.003)
    inside = (away < inner + 0.01) & (points[:, 2] > CONTENT) & (points[:, 2] < 0.25) & ~wall
    content = points[inside]
    around = points[(away < 0.16) & (points[:, 2] > RIM[1]) & (points[:, 2] < 0.25)]
    found = _on_floor(content, around, inner, edge, is_round)
    if found is not None:
        x, y, yaw = found
        return Spot(np.array([at[0] + x, at[1] + y, FLOOR]), yaw)
    top = _lowest_face(content, edge)
    return None if top is None else Spot(top + [at[0], at[1], 0.0], None)


def has_rim(xyz: Array, at: Location) -> bool:
    """Whether a bowl's rim is measured most of the way around `at`, (3, H, W) and a floor's middle in [m]."""
    points = xyz.reshape(3, -1).T - [at[0], at[1], 0.0]
    away = np.hypot(points[:, 0], points[:, 1])
    rim = points[(RIM[0] < points[:, 2]) & (points[:, 2] < RIM[1]) & (0.044 < away) & (away < 0.070)]
    sectors = np.floor(np.arctan2(rim[:, 1], rim[:, 0]) / (math.pi / 6)).astype(int)
    return len(rim) >= 2 * MIN_PIXELS and len(set(sectors.tolist())) >= 8


def _on_floor(
    content: Array, around: Array, inner: float, edge: float, is_round: bool
) -> tuple[float, float, float] | None:
    """(x, y) in [m] from the bowl's middle and yaw in [rad], or None where it is full.

    Args:
        content, around: (K, 3) points in [m] from the bowl's middle: inside, and all above its rim.
        inner: half the bowl's inner width in [m].
        edge, is_round: of the thing.
    """
    tool = FLOOR + edge - GRASP_DEPTH + DROP
    solid, high = around[around[:, 2] > tool - TIP_BELOW], around[around[:, 2] > tool + PALM_UP]
    steps = np.arange(-0.036, 0.0361, PITCH)
    best, best_score = None, -math.inf
    for yaw in np.arange(TURNS) * (math.pi / TURNS):
        turn = np.array([[-math.sin(yaw), math.cos(yaw)], [math.cos(yaw), math.sin(yaw)]])  # closing, across
        for offset in np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2):
            gap = _room(content, offset, turn, inner, edge / 2, is_round)
            if gap > GAP[0]:
                gap = min(gap, _hand_room(solid, high, offset, turn, inner, edge / 2))
            if not gap > GAP[0]:
                continue
            score = min(gap, GAP[1]) + (0.02 * float(np.hypot(*offset)) if not len(content) else 0.0)
            if score > best_score:
                best, best_score = (float(offset[0]), float(offset[1]), float(yaw)), score
                if len(content) and not score < GAP[1]:  # none is better
                    return best
    return best


def _room(content: Array, offset: Array, turn: Array, inner: float, half: float, is_round: bool) -> float:
    """Gap in [m] of the thing's outline to the wall, taken as a circle, and to what is inside.

    Args:
        content: (K, 3) points inside.
        offset: (2,) of the thing from the bowl's middle.
        turn: (2, 2), rows are the directions of closing and across it.
    """
    local = np.abs(turn @ offset)
    wall = inner - float(np.hypot(*offset) + half if is_round else np.hypot(*(local + half)))
    if not wall > GAP[0]:
        return wall
    if is_round:
        apart = np.hypot(*(content[:, :2] - offset).T) - half
    else:
        along, aside = turn @ (content[:, :2] - offset).T
        apart = box_gap(along, aside, half, half)
    return min(wall, float(np.min(apart, initial=1.0)))


def _hand_room(solid: Array, high: Array, offset: Array, turn: Array, inner: float, half: float) -> float:
    """Gap in [m] of the opening fingers to the wall and to what is around, and of the palm."""
    near, far, wide = half + FINGER[0], half + FINGER[1], FINGER[2]
    local = turn @ offset
    reach = float(np.hypot(abs(local[0]) + far, abs(local[1]) + wide))
    wall = inner + 0.002 - reach
    if not wall > GAP[0]:
        return wall
    along, aside = turn @ (solid[:, :2] - offset).T
    fingers = box_gap(np.abs(along) - (near + far) / 2, aside, (far - near) / 2, wide)
    along, aside = turn @ (high[:, :2] - offset).T
    palm = box_gap(along, aside, *PALM)
    return min(wall, float(np.min(fingers, initial=1.0)), float(np.min(palm, initial=1.0)))


def _lowest_face(content: Array, edge: float) -> Array | None:
    """Middle (3,) of the lowest top face in a bowl on which a thing as wide as `edge` fits."""
    left = content[content[:, 2] > RIM[1]]
    faces = []
    while len(left) >= MIN_PIXELS:
        face = face_middle(left)
        if face is not None:
            over = np.hypot(*(content[:, :2] - face[:2]).T) < edge / 2
            if not (content[over, 2] > face[2] + 2 * FACE).any():
                faces.append(face)
        seed = left[left[:, 2].argmax()] if face is None else face
        left = left[np.hypot(*(left[:, :2] - seed[:2]).T) > 0.026]
    return min(faces, key=lambda face: float(face[2]), default=None)
