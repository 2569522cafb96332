"""JPEG for the bridge, by OpenCV: `robots.bridge.pictures.Codec`."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from robots.errors import RobotError

QUALITY = 90


class Jpeg:
    """Pixels are (H, W, 3) uint8 RGB."""

    def encode(self, rgb: NDArray[np.uint8]) -> bytes:
        """About a tenth of the bytes."""
        _, jpeg = cv2.imencode(
            ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        )
        return jpeg.tobytes()

    def decode(self, jpeg: bytes) -> NDArray[np.uint8]:
        """Raises RobotError for bytes that are no JPEG."""
        bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
        if bgr is None:
            raise RobotError(f"{len(jpeg)} bytes are no JPEG")
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
