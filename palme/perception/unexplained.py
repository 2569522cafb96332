"""Solids that measured depth shows and that no detection explains: one of two that look alike and touch.

The localiser's maxima merge where things of one name lie on or right beside each other. Depth does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

X_RANGE, Y_RANGE = (0.28, 0.72), (-0.36, 0.36)
"""[m] in the base frame where things stand."""
Z_RANGE = (0.013, 0.20)
"""[m] of what stands on the table; above is the arm."""
REACH = 0.036
"""[m] from a solid's middle within which what is measured is part of it: half a diagonal, and a little."""
BOWL_REACH, BOWL_TOP = 0.076, 0.034
"""[m] the same of a bowl, and how high its rim reaches."""
RIM = 0.0325
"""[m] above a bowl's rim, and below the top of a small solid."""
FACE = 0.006
"""[m] below the highest point that counts as the top face."""
MIN_PIXELS = 12
"""Of a top face."""
EDGES = (0.034, 0.042)
"""[m] of a small and of a large solid."""
SURE = 0.99
"""Probability from which on a size by looks is not doubted."""
LIFTED = 0.028
"""[m] above the table from which on something must be under a thing: in a bowl one may lean on another."""


def on_faces(xyz: Array, tops: Array, bowl: NDArray[np.bool_]) -> Array:
    """`tops` with those raised that lie between two faces: two things of one name, taken for one.

    Args:
        xyz, tops, bowl: as in `tops_by_depth`.

    Returns:
        (N, 3) in [m].
    """
    points = xyz.reshape(3, -1).T
    raised = tops.copy()
    for i in np.flatnonzero(~bowl):
        near = points[np.linalg.norm(points[:, :2] - tops[i, :2], axis=1) <= 0.02]
        near = near[(near[:, 2] < tops[i, 2] + 0.05) & (near[:, 2] > tops[i, 2] - 0.02)]
        if len(near) < MIN_PIXELS:
            continue
        high = float(np.median(np.sort(near[:, 2])[-MIN_PIXELS:]))
        if 0.01 < high - tops[i, 2] < 0.03:
            raised[i] = [*near[near[:, 2] > high - FACE, :2].mean(0), high]
    return raised


def tops_by_depth(xyz: Array, tops: Array, bowl: NDArray[np.bool_]) -> Array:
    """Middles of top faces of solids that none of the detections explains.

    Args:
        xyz: (3, H, W) measured points in [m], base frame.
        tops: (N, 3) of what was detected: a solid's top face, a bowl's floor.
        bowl: (N,) whether it is a bowl.

    Returns:
        (M, 3) in [m], the highest first.
    """
    points = xyz.reshape(3, -1).T  # (H*W, 3)
    keep = np.ones(len(points), bool)
    for axis, (low, high) in enumerate((X_RANGE, Y_RANGE, Z_RANGE)):
        keep &= (low < points[:, axis]) & (points[:, axis] < high)
    points = points[keep]
    for top, is_bowl in zip(tops, bowl, strict=True):
        reach, height = (BOWL_REACH, BOWL_TOP) if is_bowl else (REACH, top[2] + 0.012)
        away = np.linalg.norm(points[:, :2] - top[:2], axis=1)
        points = points[~((away <= reach) & (points[:, 2] <= height))]
    found: list[Array] = []
    while len(points) >= MIN_PIXELS:
        seed = points[points[:, 2].argmax()]
        middle = face_middle(points)
        if middle is not None and seed[2] > RIM:
            found.append(middle)
        middle = seed if middle is None else middle
        points = points[np.linalg.norm(points[:, :2] - middle[:2], axis=1) > REACH]
        points = points[np.linalg.norm(points[:, :2] - seed[:2], axis=1) > 0.01]
    return np.array(found).reshape(-1, 3)


def face_middle(points: Array) -> Array | None:
    """Middle (3,) of the highest top face among `points` (K, 3); None where it has too few points."""
    seed = points[points[:, 2].argmax()]
    face = points[points[:, 2] > seed[2] - FACE]
    middle = seed[:2]
    for _ in range(4):
        near = np.linalg.norm(face[:, :2] - middle, axis=1) <= 0.026
        middle = face[near, :2].mean(0)
    return np.array([*middle, float(np.median(face[near, 2]))]) if near.sum() >= MIN_PIXELS else None


def missing_supports(tops: Array, bowl: NDArray[np.bool_], large: NDArray[np.bool_]) -> Array:
    """Middles of top faces of solids that must be there: something rests too high for the table.

    Args:
        tops, bowl: as in `tops_by_depth`.
        large: (N,) whether it is a large solid.

    Returns:
        (M, 3) in [m].
    """
    found: list[Array] = []
    for i in np.flatnonzero(~bowl):
        bottom = tops[i, 2] - EDGES[int(large[i])]
        if not bottom > LIFTED:
            continue
        under = np.linalg.norm(tops[:, :2] - tops[i, :2], axis=1) <= 0.03
        if not any(under[j] and not bowl[j] and abs(tops[j, 2] - bottom) < 0.016 for j in range(len(tops))):
            found.append(np.array([*tops[i, :2], bottom]))
    return np.array(found).reshape(-1, 3)


def face_edge(xyz: Array, top: Array, is_round: bool = False) -> float | None:
    """Width in [m] of the top face with its middle at `top` (3,), by the spread of its points, or None."""
    points = xyz.reshape(3, -1).T
    near = points[np.linalg.norm(points[:, :2] - top[:2], axis=1) <= 0.03]
    face = near[np.abs(near[:, 2] - top[2]) <= FACE]
    if len(face) < 2 * MIN_PIXELS:
        return None
    # The variance along an axis is edge^2 / 12 of a square, width^2 / 16 of a disc.
    return float(np.sqrt((8 if is_round else 6) * np.cov(face[:, :2].T).trace()))


def covered_sizes(tops: Array, bowl: NDArray[np.bool_], size: NDArray[np.float32]) -> dict[int, bool]:
    """Whether things are large of which another hides the face: by the height of that, where it is surer.

    Args:
        tops, bowl: as in `tops_by_depth`.
        size: (N, 2) probabilities of small and large.

    Returns:
        By row, for those that this tells of.
    """
    told: dict[int, bool] = {}
    for i in np.flatnonzero(~bowl & (size.max(1) < SURE)):
        apart = np.linalg.norm(tops[:, :2] - tops[i, :2], axis=1)
        lower = ~bowl & (apart <= 0.03) & (tops[:, 2] < tops[i, 2] - 0.02)
        step = tops[:, 2] - tops[i, 2]
        upper = np.flatnonzero(~bowl & (apart <= 0.022) & (0.02 < step) & (step < 0.055))
        if lower.any() or len(upper) != 1 or size[upper[0]].max() < SURE:
            continue
        floor = 0.004 if (bowl & (apart < 0.045)).any() else 0.0
        top = tops[upper[0], 2] - EDGES[int(size[upper[0]].argmax())]
        told[int(i)] = bool(top - floor > np.mean(EDGES))
    return told


def stacked_sizes(
    xyz: Array, tops: Array, bowl: NDArray[np.bool_], names: NDArray[np.int64]
) -> dict[int, bool]:
    """Whether things of one name that lie on each other are large: by the upper face, and by the height.

    Args:
        xyz, tops, bowl: as in `tops_by_depth`.
        names: (N,) class of each.

    Returns:
        By row, for those that this tells of.
    """
    told: dict[int, bool] = {}
    for i in np.flatnonzero(~bowl):
        apart = np.linalg.norm(tops[:, :2] - tops[i, :2], axis=1)
        step = tops[i, 2] - tops[:, 2]
        right_below = (apart <= 0.022) & (0.02 < step) & (step < 0.055)
        under = np.flatnonzero(~bowl & (names == names[i]) & right_below)
        edge = face_edge(xyz, tops[i]) if len(under) == 1 else None
        if edge is None:
            continue
        told[int(i)] = bool(edge > np.mean(EDGES))
        lower = int(under[0])
        deeper = ~bowl & (apart <= 0.03) & (tops[:, 2] < tops[lower, 2] - 0.02)
        floor = 0.004 if (bowl & (apart < 0.045)).any() else 0.0
        if not deeper.any():
            told[lower] = bool(tops[i, 2] - EDGES[int(told[int(i)])] - floor > np.mean(EDGES))
    return told
