"""Images for pages: JPEG data URLs, crops around a point, heat maps over an image."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray

from palme.events import Localisation
from robots.types import CameraFrame

Picture = NDArray[np.uint8]

# Dark violet over red to pale yellow: legible on any image and without colour vision.
_HEAT = np.array([[20, 11, 52], [132, 32, 107], [229, 92, 48], [252, 190, 60], [252, 254, 190]], float)
_MARK = {"pick": (255, 255, 255), "place": (120, 240, 255)}


def data_url(rgb: Picture, quality: int = 88) -> str:
    """`data:image/jpeg;base64,...` of a uint8 (H, W, 3) image."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(rgb, quality)).decode("ascii")


def jpeg(rgb: Picture, quality: int = 88) -> bytes:
    """A uint8 (H, W, 3) image as a JPEG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def enlarged(rgb: Picture, factor: int) -> Picture:
    """The image enlarged `factor` times by bicubic interpolation."""
    from PIL import Image

    h, w = rgb.shape[:2]
    return np.asarray(Image.fromarray(rgb).resize((w * factor, h * factor), Image.Resampling.BICUBIC))


def project(frame: CameraFrame, xyz: NDArray[np.floating]) -> tuple[float, float, float]:
    """Project a point into an image.

    Args:
        frame: the image with its calibration.
        xyz: (3,) in [m], base frame.

    Returns:
        (u, v) in [px] and depth in [m]; u and v are NaN behind the camera.
    """
    camera_from_base = np.linalg.inv(frame.base_from_camera)
    x, y, z = camera_from_base[:3, :3] @ np.asarray(xyz, float) + camera_from_base[:3, 3]
    u, v, _ = frame.intrinsics @ np.array([x, y, z]) / z if z > 1e-6 else (np.nan, np.nan, 1.0)
    return float(u), float(v), float(z)


def crop(
    frame: CameraFrame, xyz: NDArray[np.floating], extent: float = 0.10, size: int = 72
) -> Picture | None:
    """Square crop around a point.

    Args:
        frame: the image with its calibration.
        xyz: (3,) in [m], base frame.
        extent: side of the crop at the point in [m].
        size: side of the result in [px].

    Returns:
        uint8 (size, size, 3), or None if the point is outside the image.
    """
    from PIL import Image

    u, v, depth = project(frame, xyz)
    h, w = frame.rgb.shape[:2]
    if not (depth > 0 and 0 <= u < w and 0 <= v < h):
        return None
    half = max(4.0, float(frame.intrinsics[0, 0]) * extent / 2 / depth)
    box = _inside((u - half, v - half, u + half, v + half), w, h)
    return np.asarray(Image.fromarray(frame.rgb).resize((size, size), Image.Resampling.BICUBIC, box=box))


def _inside(box: tuple[float, float, float, float], w: int, h: int) -> tuple[float, float, float, float]:
    """The box moved, not resized, into the image as far as it fits."""
    left, top, right, bottom = box
    dx = max(0.0, -left) - max(0.0, right - w)
    dy = max(0.0, -top) - max(0.0, bottom - h)
    return max(0.0, left + dx), max(0.0, top + dy), min(float(w), right + dx), min(float(h), bottom + dy)


def with_heat(rgb: Picture, looks: tuple[Localisation, ...], factor: int = 2) -> Picture:
    """Overlay of where a policy looked.

    Args:
        rgb: uint8 (H, W, 3).
        looks: heat maps and chosen points.
        factor: enlargement of the result.

    Returns:
        The enlarged image, dimmed outside the heat, with a ring at each chosen point.
    """
    from PIL import Image, ImageDraw

    big = enlarged(rgb, factor).astype(float)
    h, w = big.shape[:2]
    total = np.zeros((h, w))
    for look in looks:
        heat = np.asarray(look.heat, np.float32)
        top = float(heat.max()) if heat.size else 0.0
        if top > 0:
            resized = Image.fromarray(heat / top).resize((w, h), Image.Resampling.BILINEAR)
            total = np.maximum(total, np.clip(np.asarray(resized), 0, 1))
    grey = big.mean(-1, keepdims=True) * 0.55 + big * 0.25
    colour = np.stack([np.interp(total, np.linspace(0, 1, len(_HEAT)), _HEAT[:, k]) for k in range(3)], -1)
    alpha = np.clip(total * 1.6, 0, 0.85)[..., None]
    mixed = Image.fromarray((grey * (1 - alpha) + colour * alpha).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(mixed)
    for look in looks:
        if look.pixel is None:
            continue
        u, v = ((p + 0.5) * factor for p in look.pixel)
        mark = _MARK.get(look.role, (255, 255, 255))
        for radius, shade in ((6.5 * factor / 2 + 1.5, (0, 0, 0)), (6.5 * factor / 2, mark)):
            box = (u - radius, v - radius, u + radius, v + radius)
            draw.ellipse(box, outline=shade, width=2 if shade == mark else 4)
    return np.asarray(mixed)
