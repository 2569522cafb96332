"""The encoding process: reads images from shared memory, writes videos to disk.

    python -m palme.data.encoder FD '{"fps": 20, "codec": "h264", "views": [["front", 480, 640]], "slots": 8}'

Requests arrive on standard input, replies leave on standard output, each with a `HEADER`. The process ends
when its input ends, that is with its parent. The images lie in the memory behind file descriptor `FD`, which
has no name that a crash could leave behind.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from palme.data.video import VideoWriter

# kind, camera, slot, frame (of BEGIN and of each reply: number of the episode), number of bytes that follow
HEADER = struct.Struct("<BBHII")
BEGIN, IMAGE, REPEAT, FINISH, ABANDON = range(5)  # requests
FREE, DONE, FAILED, READY = range(10, 14)  # replies
NICE = 10  # the control loop has priority


@dataclass(frozen=True)
class EncoderSettings:
    """What the process encodes.

    Attributes:
        fps: images a second.
        codec: "h264" or "av1".
        views: (name, height, width) of each camera in [px].
        slots: number of images that the shared memory holds.
    """

    fps: int
    codec: str
    views: Sequence[tuple[str, int, int]]
    slots: int

    @property
    def slot_size(self) -> int:
        """Size of a slot in [bytes]: that of the largest image."""
        return max(height * width * 3 for _, height, width in self.views)


class _Encoder:
    def __init__(self, fd: int, settings: EncoderSettings, out: IO[bytes]) -> None:
        self._settings, self._out = settings, out
        self._size = settings.slot_size
        self._memory = mmap.mmap(fd, self._size * settings.slots)
        self._writers: list[VideoWriter] = []
        self._failed = ""
        self._episode = 0

    def handle(self, kind: int, camera: int, slot: int, frame: int, payload: bytes) -> None:
        if kind == BEGIN:
            self._abandon()
            self._failed, self._episode = "", frame
            self._try(lambda: self._begin(Path(os.fsdecode(payload))))
        elif kind == IMAGE:
            _, height, width = self._settings.views[camera]
            at = slot * self._size
            rgb = np.frombuffer(self._memory, np.uint8, height * width * 3, at).reshape(height, width, 3)
            self._try(lambda: self._writers[camera].add(rgb))
            self._reply(FREE, slot)
        elif kind == REPEAT:
            self._try(lambda: self._writers[camera].add(None))
        elif kind == FINISH:
            self._try(self._finish)
        elif kind == ABANDON:
            self._abandon()

    def _begin(self, folder: Path) -> None:
        from palme.data.video import VideoWriter

        fps, codec = self._settings.fps, self._settings.codec
        for name, height, width in self._settings.views:
            self._writers.append(VideoWriter(folder / f"{name}.mp4", fps, height, width, codec))

    def _finish(self) -> None:
        for writer in self._writers:
            writer.close()
        found = [{"frames": w.n, "levels": w.levels.tolist()} for w in self._writers]
        self._writers = []
        self._reply(DONE, 0, json.dumps(found).encode())

    def _abandon(self) -> None:
        for writer in self._writers:
            writer.abandon()
        self._writers = []

    def _try(self, act: Callable[[], None]) -> None:
        """Run `act`; after the first failure of an episode, ignore its further requests."""
        if self._failed:
            return
        try:
            act()
        except Exception as error:
            self._failed = f"{type(error).__name__}: {error}"
            self._abandon()
            self._reply(FAILED, 0, self._failed.encode())

    def _reply(self, kind: int, slot: int = 0, payload: bytes = b"") -> None:
        self._out.write(HEADER.pack(kind, 0, slot, self._episode, len(payload)) + payload)
        self._out.flush()


def main(fd: int, settings: EncoderSettings) -> None:
    """Handle requests until the input ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # the parent, which gets them too, has an episode to save
    os.nice(NICE)
    os.environ.setdefault("SVT_LOG", "1")  # errors only
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output that a library prints must not be read as a reply
    import palme.data.video  # noqa: F401  # half a second on a slow core: before the first image, not after

    encoder = _Encoder(fd, settings, out)
    source = sys.stdin.buffer
    try:
        out.write(HEADER.pack(READY, 0, 0, 0, 0))
        out.flush()
        while len(header := source.read(HEADER.size)) == HEADER.size:
            kind, camera, slot, frame, n = HEADER.unpack(header)
            encoder.handle(kind, camera, slot, frame, source.read(n) if n else b"")
    except BrokenPipeError:  # the parent was killed
        os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), EncoderSettings(**json.loads(sys.argv[2])))
