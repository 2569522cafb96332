"""JPEG images of the cameras: each encoded once for all consoles, off the event loop."""

from __future__ import annotations

import asyncio
import io
import struct
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np

from palme.operator.operator import Picture
from robots.realtime import raise_priority

MAX_SIDE = 1280  # a larger image is reduced until it fits
QUALITY = 80


def jpeg(picture: Picture) -> bytes:
    """JPEG of an image."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture.rgb))
    factor = -(-max(image.size) // MAX_SIDE)
    if factor > 1:
        image = image.reduce(factor)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def framed(camera: str, n: int, picture: Picture, data: bytes) -> bytes:
    """The binary message: header length (uint16, little-endian), header (JSON), JPEG."""
    h, w = picture.rgb.shape[:2]
    header = msgspec.json.encode({"camera": camera, "n": n, "t": float(picture.t_mono), "w": w, "h": h})
    return struct.pack("<H", len(header)) + header + data


class JpegEncoder:
    """Encodes the newest images in one thread, so that encoding takes at most one core."""

    def __init__(self) -> None:
        """Start the thread."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="console-jpeg", initializer=raise_priority)
        self._cache: dict[str, tuple[float, bytes]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def encode(self, camera: str, picture: Picture) -> bytes:
        """JPEG of the image; one encoding at a time a camera."""
        async with self._locks.setdefault(camera, asyncio.Lock()):
            cached = self._cache.get(camera)
            if cached is None or cached[0] != picture.t_mono:
                loop = asyncio.get_running_loop()
                cached = picture.t_mono, await loop.run_in_executor(self._thread, jpeg, picture)
                self._cache[camera] = cached
            return cached[1]

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
