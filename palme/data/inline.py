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
        self.abandon()
        for v in schema.views:
            path = folder / f"{v.name}.mp4"
            self._writers.append(VideoWriter(path, schema.fps, v.height, v.width, schema.codec))

    def add(self, camera: int, frame: int, rgb: NDArray[np.uint8]) -> bool:
        """Encode one image, uint8 (H, W, 3). Returns True: no image is ever repeated."""
        self._writers[camera].add(rgb)
        return True

    def finish(self) -> list[EncodedVideo]:
        """Close every video and sync it to disk."""
        for writer in self._writers:
            writer.close()
        writers, self._writers = self._writers, []
        return [EncodedVideo(writer.path, writer.n, writer.levels) for writer in writers]

    def abandon(self) -> None:
        """Discard the current episode."""
        writers, self._writers = self._writers, []
        for writer in writers:
            writer.abandon()

    def close(self) -> None:
        """Discard what is open; there is no process to end."""
        self.abandon()
