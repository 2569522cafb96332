"""Video encoding in the caller's own thread: for conversions and tests, where no control loop waits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from palme.data.encoding import EncodedVideo
from palme.data.schema import Schema
from palme.data.video import VideoWriter


class InlineEncoder:
    """A `VideoEncoder` whose `add` returns once the image is encoded."""

    waited = 0.0

    def __init__(self, schema: Schema) -> None:
        """Encode the cameras of `schema`."""
        self._schema = schema
        self._writers: list[VideoWriter] = []

    def begin(self, folder: Path) -> None:
        """Open a video for each camera, `folder`/NAME.mp4."""
        schema = self._schema
        self._writers = [
            VideoWriter(folder / f"{v.name}.mp4", schema.fps, v.height, v.width, schema.codec)
            for v in schema.views
        ]

    def add(self, camera: int, frame: int, rgb: NDArray[np.uint8]) -> bool:
        """Encode one image, uint8 (H, W, 3). Returns True: no image is ever repeated."""
        self._writers[camera].add(rgb)
        return True

    def finish(self) -> list[EncodedVideo]:
        """Close every video and sync it to disk."""
        for writer in self._writers:
            writer.close()
        return [EncodedVideo(writer.path, writer.n, writer.levels) for writer in self._writers]

    def abandon(self) -> None:
        """Discard the current episode."""
        for writer in self._writers:
            writer.abandon()
        self._writers = []

    def close(self) -> None:
        """Does nothing: there is no process to end."""
