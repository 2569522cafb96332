"""JPEG for pictures on the wire, with OpenCV, which is loaded with the first picture."""

from __future__ import annotations

import importlib.util

import numpy as np
from numpy.typing import NDArray


class Jpeg:
    """A codec of the bridge; an arm without cameras needs no OpenCV."""

    @staticmethod
    def is_available() -> bool:
        """Whether OpenCV is installed."""
        return importlib.util.find_spec("cv2") is not None

    def encode(self, rgb: NDArray[np.uint8]) -> bytes:
        """RGB (H, W, 3) uint8 to JPEG."""
        from sim.rendering.jpeg import Jpeg as WithOpenCV

        return WithOpenCV().encode(rgb)

    def decode(self, jpeg: bytes) -> NDArray[np.uint8]:
        """JPEG to RGB (H, W, 3) uint8."""
        from sim.rendering.jpeg import Jpeg as WithOpenCV

        return WithOpenCV().decode(jpeg)
