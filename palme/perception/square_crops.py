"""Square crops of a picture around points in space, as many centimetres across whatever the camera."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from robots.types import CameraFrame

PIXELS = 64
SOLID_SIDE, PILE_SIDE = 0.075, 0.15
"""[m] across a crop around a solid, and around a bowl or a pile."""


def square_crops(
    frame: CameraFrame, points: NDArray[np.float64], sides: Sequence[float]
) -> NDArray[np.uint8]:
    """Crops (N, 64, 64, 3) of a calibrated picture.

    Args:
        frame: the picture.
        points: (N, 3) middles in [m], base frame.
        sides: (N,) across each at its middle's depth, in [m].
    """
    out = np.empty((len(points), PIXELS, PIXELS, 3), np.uint8)
    rotation, eye = frame.base_from_camera[:3, :3], frame.base_from_camera[:3, 3]
    k = frame.intrinsics
    for n, (point, side) in enumerate(zip(points, sides, strict=True)):
        x, y, depth = rotation.T @ (np.asarray(point) - eye)
        u, v = k[0, 0] * x / depth + k[0, 2], k[1, 1] * y / depth + k[1, 2]
        out[n] = window(frame.rgb, u, v, k[0, 0] * side / depth)
    return out


def window(rgb: NDArray[np.uint8], u: float, v: float, across: float) -> NDArray[np.uint8]:
    """(64, 64, 3): a square of a picture around (u, v), `across` wide, in [px]; its edge goes on outside."""
    pitch = max(across, 1.0) / PIXELS  # [px] of the picture from one sample to the next
    corner = (PIXELS - 1) / 2 * pitch
    left, top = (int(min(max(x - across, 0), n - 1)) for x, n in ((u, rgb.shape[1]), (v, rgb.shape[0])))
    rgb = rgb[top : max(int(v + across), top) + 1, left : max(int(u + across), left) + 1]
    u, v = u - left, v - top
    if pitch > 1.5:  # OpenCV: `warpAffine` does not average what it skips
        rgb, u, v, scale = _shrunk(rgb, u, v, pitch)
        pitch, corner = pitch * scale, corner * scale
    to_source = np.array([[pitch, 0, u - corner], [0, pitch, v - corner]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(rgb, to_source, (PIXELS, PIXELS), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.uint8)


def _shrunk(
    rgb: NDArray[np.uint8], u: float, v: float, pitch: float
) -> tuple[NDArray[np.uint8], float, float, float]:
    """The picture averaged so that samples lie about one pixel apart, (u, v) in it, and its scale."""
    h, w = rgb.shape[:2]
    small = cv2.resize(
        rgb, (max(round(w / pitch), 1), max(round(h / pitch), 1)), interpolation=cv2.INTER_AREA
    )
    scale = small.shape[1] / w
    return np.asarray(small, np.uint8), (u + 0.5) * scale - 0.5, (v + 0.5) * small.shape[0] / h - 0.5, scale
