"""Camera images as frames: raw and exact, or as JPEG and depth in whole millimetres."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robots.bridge import frames
from robots.bridge.errors import BadFrame, PictureUnavailable
from robots.bridge.frames import pack, unpack
from robots.types import CameraFrame

DEPTH_MM_MAX = 65535


class Codec(Protocol):
    """A JPEG codec of another library; `robots` has none. Pixels are uint8 RGB (H, W, 3)."""

    def encode(self, rgb: NDArray[np.uint8]) -> bytes:
        """JPEG bytes of `rgb` (H, W, 3)."""
        ...

    def decode(self, jpeg: bytes) -> NDArray[np.uint8]:
        """(H, W, 3) pixels of `jpeg`."""
        ...


def to_frame(id: int, camera: str, seen: CameraFrame, codec: Codec | None) -> frames.Picture:
    """`seen` as a frame: raw and exact without a codec, else JPEG and depth in whole millimetres."""
    depth = None
    if seen.depth is not None:
        depth = pack(seen.depth, "<f4") if codec is None else pack(_millimetres(seen.depth), "<u2")
    rgb = pack(seen.rgb, "|u1") if codec is None else None
    jpeg = None if codec is None else codec.encode(seen.rgb)
    pose, k = pack(seen.base_from_camera, "<f8"), pack(seen.intrinsics, "<f8")
    return frames.Picture(id, camera, rgb, jpeg, depth, k, pose)


def _millimetres(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    """(H, W) depth in whole [mm]; 0 = not measured, for values that are not finite, negative or too large.

    Works in place: allocating megabytes of new pages costs more than the arithmetic.
    """
    mm = np.multiply(depth, 1000.0, dtype=np.float32)
    np.rint(mm, out=mm)
    np.copyto(mm, 0.0, where=~((0 <= mm) & (mm <= DEPTH_MM_MAX)))
    return mm.astype("<u2")


def from_frame(frame: frames.Picture, codec: Codec | None) -> CameraFrame:
    """The image in `frame`. Raises BadFrame if its parts do not match, PictureUnavailable without pixels."""
    if frame.rgb is not None:
        rgb = unpack(frame.rgb)
    elif frame.jpeg is not None and codec is not None:
        rgb = codec.decode(frame.jpeg)
    else:
        raise PictureUnavailable(
            f"{frame.camera}: no pixels that this client can decode; request raw pictures"
        )
    k, pose = unpack(frame.intrinsics), unpack(frame.base_from_camera)
    if not (rgb.ndim == 3 and rgb.shape[2] == 3 and rgb.dtype == np.uint8):
        raise BadFrame(
            f"{frame.camera}: picture of shape {rgb.shape} and {rgb.dtype}, expected uint8 (H, W, 3)"
        )
    if not (k.shape == (3, 3) and pose.shape == (4, 4) and np.isfinite(k).all() and np.isfinite(pose).all()):
        raise BadFrame(
            f"{frame.camera}: calibration of shapes {k.shape} and {pose.shape}, expected (3, 3), (4, 4)"
        )
    depth = None
    if frame.depth is not None:
        depth = unpack(frame.depth)
        if depth.dtype == np.dtype("<u2"):
            depth = depth.astype(np.float32) / np.float32(1000.0)
        if not (depth.dtype == np.float32 and depth.shape == rgb.shape[:2]):
            raise BadFrame(f"{frame.camera}: depth of shape {depth.shape} for a picture of {rgb.shape[:2]}")
    return CameraFrame(rgb.copy(), None if depth is None else depth.copy(), k.copy(), pose.copy())
