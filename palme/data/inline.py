"""An encoding without a process of its own: for a writer that no loop waits on, a conversion or a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from palme.data.encoding import Encoded
from palme.data.schema import Schema
from palme.data.video import VideoWriter


class InlineEncoder:
    """As `palme.data.encoding.EncoderProcess`; `add` returns when the picture is encoded."""

    waited = 0.0

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._writers: list[VideoWriter] = []

    def begin(self, folder: Path) -> None:
        """A video for each camera, `folder`/NAME.mp4."""
        made = self._schema
        self._writers = [
            VideoWriter(folder / f"{v.name}.mp4", made.fps, v.height, v.width, made.codec) for v in made.views
        ]

    def add(self, camera: int, frame: int, rgb: NDArray[np.uint8]) -> bool:
        """Encode one picture (H, W, 3)."""
        self._writers[camera].add(rgb)
        return True

    def finish(self) -> list[Encoded]:
        """Every video is whole and on the disk."""
        for writer in self._writers:
            writer.close()
        return [Encoded(writer.path, writer.n, writer.levels) for writer in self._writers]

    def abandon(self) -> None:
        """Throw the present episode away."""
        for writer in self._writers:
            writer.abandon()
        self._writers = []

    def close(self) -> None:
        """Nothing to end."""
