"""3D point of an image pixel, from depth and calibration, and the tool target above it."""

from __future__ import annotations

import numpy as np

from robots.errors import TakeoverRefused
from robots.spec import ArmSpec
from robots.types import Array, CameraFrame

HALF_WINDOW = 2  # [px] half size of the depth window: a single pixel may have no depth
MAX_DEPTH = 3.0  # [m] farther points are not on the table


class NoDepth(TakeoverRefused):
    """The camera measures no depth, or none at that pixel."""


class OutOfWorkspace(TakeoverRefused):
    """The point is outside the workspace of the tool."""


def point_at(frame: CameraFrame, u: float, v: float) -> Array:
    """(3,) point in [m] in the base frame at pixel (u, v). Raises NoDepth."""
    if frame.depth is None:
        raise NoDepth("this camera measures no depth: jog there instead")
    height, width = frame.depth.shape
    if not (0 <= u <= width - 1 and 0 <= v <= height - 1):
        raise NoDepth(f"pixel ({u:.0f}, {v:.0f}) is not in the picture of {width} x {height}")
    i, j = round(v), round(u)
    patch = frame.depth[
        max(i - HALF_WINDOW, 0) : i + HALF_WINDOW + 1, max(j - HALF_WINDOW, 0) : j + HALF_WINDOW + 1
    ]
    good = patch[np.isfinite(patch) & (patch > 0.02) & (patch < MAX_DEPTH)]
    if not good.size:
        raise NoDepth(
            f"no depth at pixel ({u:.0f}, {v:.0f}): click on something nearer than {MAX_DEPTH:.0f} m"
        )
    z, k = float(np.median(good)), frame.intrinsics
    camera = np.array([(u - k[0, 2]) / k[0, 0] * z, (v - k[1, 2]) / k[1, 1] * z, z, 1.0])
    return (frame.base_from_camera @ camera)[:3]


def point_above(spec: ArmSpec, xyz: Array, hover: float) -> Array:
    """(3,) tool position `hover` [m] above `xyz` (3,), both in the base frame. Raises OutOfWorkspace."""
    inside = (spec.workspace_min[:2] <= xyz[:2]) & (xyz[:2] <= spec.workspace_max[:2])
    if not inside.all():
        axis = int(np.argmin(inside))
        raise OutOfWorkspace(
            f"that point has {'xy'[axis]} = {xyz[axis]:.2f} m, outside [{spec.workspace_min[axis]}, "
            f"{spec.workspace_max[axis]}] of {spec.name}"
        )
    height = max(float(xyz[2]), spec.table_z) + hover
    return np.array([xyz[0], xyz[1], min(height, float(spec.workspace_max[2]))])
