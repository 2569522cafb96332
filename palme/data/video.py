"""Writing one video: H.264 or AV1, yuv420p, one picture a nominal tick, no frames out of order.

A key frame every `KEY_EVERY` pictures: with LeRobot's default of 2 a random picture comes out 1.6 times as
fast, and the file is four times as large (the synthetic scenery at 640x480).
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from palme.data.files import refusal, sync
from palme.data.schema import CODECS
from palme.data.stats import count_levels

KEY_EVERY = 10
OPTIONS = {
    # bf=0: pictures come out of the decoder in the order they went in, so none waits for a later one
    # fastdecode: a random picture in 40 % of the time, and with a camera's noise a fifth less disk
    "h264": {
        "tune": "fastdecode",
        "crf": "23",
        "preset": "veryfast",
        "bf": "0",
        "g": str(KEY_EVERY),
        "sc_threshold": "0",
        "threads": "1",
    },
    "av1": {"crf": "30", "preset": "12", "g": str(KEY_EVERY), "svtav1-params": "lp=1:pred-struct=1"},
}


class VideoWriter:
    """One file; `close` leaves it whole and on the disk.

    Attributes:
        levels: (3, 256) how often each value occurred in each channel, for the statistics.
        n: pictures so far.
    """

    def __init__(self, path: Path, fps: int, height: int, width: int, codec: str = "h264") -> None:
        self.path, self.n = path, 0
        self._reformatter = VideoReformatter()  # kept: setting one up costs more than a picture
        self.levels: NDArray[np.int64] = np.zeros((3, 256), np.int64)
        self._last: av.VideoFrame | None = None
        self._counted: NDArray[np.int64] = self.levels
        try:
            self._container = av.open(str(path), "w", format="mp4")
            stream: Any = self._container.add_stream(CODECS[codec], rate=fps, options=OPTIONS[codec])
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            self._tick = Fraction(1, fps)  # the stream's own becomes the file's, which is finer
            stream.codec_context.time_base = self._tick
            self._stream = stream
        except OSError as error:
            raise refusal(path, error) from error

    def add(self, rgb: NDArray[np.uint8] | None) -> None:
        """The next picture (H, W, 3); None = the one before once more. Raises WriteError."""
        if rgb is not None:
            seen = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            self._last = self._reformatter.reformat(seen, format="yuv420p")
            self._counted = count_levels(rgb)
        assert self._last is not None, "the first picture cannot be a repeated one"
        self._last.pts, self._last.time_base = self.n, self._tick
        self.levels += self._counted
        self.n += 1
        try:
            for packet in self._stream.encode(self._last):
                self._container.mux(packet)
        except OSError as error:
            raise refusal(self.path, error) from error

    def close(self) -> None:
        """End the file. Raises WriteError."""
        try:
            for packet in self._stream.encode():
                self._container.mux(packet)
            self._container.close()
            sync(self.path)
        except OSError as error:
            raise refusal(self.path, error) from error

    def abandon(self) -> None:
        """Let go of the file, whole or not."""
        try:
            self._container.close()
        except OSError:
            pass
        if self.path.exists():
            os.unlink(self.path)
