"""The point behind a pixel, from the depth and the calibration of the picture that was clicked on."""

from __future__ import annotations

import numpy as np

from robots.errors import TakeoverRefused
from robots.spec import ArmSpec
from robots.types import Array, CameraFrame

AROUND = 2  # [px] to each side that are looked at: one pixel alone may have no depth
FAR = 3.0  # [m] beyond which nothing stands on a table


class NoDepth(TakeoverRefused):
    """The camera does not measure how far away things are, or not at that pixel."""


class OutOfWorkspace(TakeoverRefused):
    """What is seen there lies where the tool may not go."""


def point_at(frame: CameraFrame, u: float, v: float) -> Array:
    """(3,) in the base frame [m] of what is seen at pixel (u, v). Raises NoDepth."""
    if frame.depth is None:
        raise NoDepth("this camera measures no depth: jog there instead")
    height, width = frame.depth.shape
    if not (0 <= u <= width - 1 and 0 <= v <= height - 1):
        raise NoDepth(f"pixel ({u:.0f}, {v:.0f}) is not in the picture of {width} x {height}")
    i, j = round(v), round(u)
    patch = frame.depth[max(i - AROUND, 0) : i + AROUND + 1, max(j - AROUND, 0) : j + AROUND + 1]
    good = patch[np.isfinite(patch) & (patch > 0.02) & (patch < FAR)]
    if not good.size:
        raise NoDepth(f"no depth at pixel ({u:.0f}, {v:.0f}): click on something nearer than {FAR:.0f} m")
    z, k = float(np.median(good)), frame.intrinsics
    camera = np.array([(u - k[0, 2]) / k[0, 0] * z, (v - k[1, 2]) / k[1, 1] * z, z, 1.0])
    return (frame.base_from_camera @ camera)[:3]


def over(spec: ArmSpec, xyz: Array, hover: float) -> Array:
    """(3,) where the tool goes for a point `xyz` (3,): `hover` [m] above it. Raises OutOfWorkspace."""
    inside = (spec.workspace_min[:2] <= xyz[:2]) & (xyz[:2] <= spec.workspace_max[:2])
    if not inside.all():
        axis = int(np.argmin(inside))
        raise OutOfWorkspace(
            f"that lies at {'xy'[axis]} = {xyz[axis]:.2f} m, outside [{spec.workspace_min[axis]}, "
            f"{spec.workspace_max[axis]}] of {spec.name}"
        )
    height = max(float(xyz[2]), spec.table_z) + hover
    return np.array([xyz[0], xyz[1], min(height, float(spec.workspace_max[2]))])
