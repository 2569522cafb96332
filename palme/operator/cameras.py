"""Cameras: the newest picture of each as JPEG, made once however many look, off the event loop."""

from __future__ import annotations

import asyncio
import io
import struct
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np

from palme.operator.operator import Picture
from robots.realtime import raise_priority

MAX_SIDE = 1280  # [px]; a larger picture is halved until it fits: a phone shows no more
QUALITY = 80


def jpeg(picture: Picture) -> bytes:
    """JPEG of a uint8 (H, W, 3) picture."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture.rgb))
    factor = -(-max(image.size) // MAX_SIDE)
    if factor > 1:
        image = image.reduce(factor)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def framed(camera: str, n: int, picture: Picture, data: bytes) -> bytes:
    """The message: length of the head (uint16, little-endian), the head (JSON), the JPEG."""
    h, w = picture.rgb.shape[:2]
    head = msgspec.json.encode({"camera": camera, "n": n, "t": float(picture.t_mono), "w": w, "h": h})
    return struct.pack("<H", len(head)) + head + data


class Encoder:
    """JPEG of the newest pictures; one thread, so that encoding never takes more than one core."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="console-jpeg", initializer=raise_priority)
        self._kept: dict[str, tuple[float, bytes]] = {}
        self._busy: dict[str, asyncio.Lock] = {}

    async def encode(self, camera: str, picture: Picture) -> bytes:
        """Waits for whoever encodes the same picture already."""
        async with self._busy.setdefault(camera, asyncio.Lock()):
            kept = self._kept.get(camera)
            if kept is None or kept[0] != picture.t_mono:
                loop = asyncio.get_running_loop()
                kept = picture.t_mono, await loop.run_in_executor(self._thread, jpeg, picture)
                self._kept[camera] = kept
            return kept[1]

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
