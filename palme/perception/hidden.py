"""Whether a place is visibly empty: what is not detected any more may only be hidden."""

from __future__ import annotations

import numpy as np

from robots.skills import Location
from robots.types import CameraFrame, Observation

BEHIND = 0.02
"""[m] by which what is measured lies behind a place that is empty."""


def is_empty(observation: Observation, at: Location) -> bool:
    """Whether a picture with depth looks through the place `at`, (x, y, z) in [m], to what is behind it."""
    return any(_sees_through(frame, np.array(at)) for frame in observation.images.values())


def _sees_through(frame: CameraFrame, at: np.ndarray) -> bool:
    if frame.depth is None:
        return False
    local = frame.base_from_camera[:3, :3].T @ (at - frame.base_from_camera[:3, 3])
    if not local[2] > 0.05:
        return False
    u, v, _ = frame.intrinsics @ (local / local[2])
    row, column, (h, w) = round(float(v)), round(float(u)), frame.depth.shape
    if not (1 <= row < h - 1 and 1 <= column < w - 1):
        return False
    measured = frame.depth[row - 1 : row + 2, column - 1 : column + 2]
    return bool(np.median(measured) > local[2] + BEHIND)
