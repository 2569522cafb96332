"""The encoding process: takes pictures out of shared memory, puts videos on the disk.

    python -m palme.data.encoder FD '{"fps": 20, "codec": "h264", "views": [["front", 480, 640]], "slots": 8}'

It is told what to do in frames of `HEADER` on standard input and answers on standard output. It ends with its
parent, whose death is the end of its input. The pictures lie in the memory behind file descriptor `FD`, which
has no name that a crash could leave behind.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np

HEADER = struct.Struct("<BBHII")  # kind, camera, slot, frame, bytes that follow
BEGIN, PICTURE, REPEAT, FINISH, ABANDON = range(5)  # asked
FREE, DONE, FAILED, READY = range(10, 14)  # answered
NICE = 10  # the control loop comes first


def slot_size(views: list[list[Any]]) -> int:
    """Bytes of the largest picture."""
    return max(height * width * 3 for _, height, width in views)


class _Encoder:
    def __init__(self, fd: int, setting: dict[str, Any], out: IO[bytes]) -> None:
        self._setting, self._out = setting, out
        self._views = setting["views"]
        self._size = slot_size(self._views)
        self._memory = mmap.mmap(fd, self._size * setting["slots"])
        self._writers: list[Any] = []
        self._failed = ""

    def handle(self, kind: int, camera: int, slot: int, payload: bytes) -> None:
        if kind == BEGIN:
            self._abandon()
            self._failed = ""
            self._try(self._begin, Path(os.fsdecode(payload)))
        elif kind == PICTURE:
            _, height, width = self._views[camera]
            at = slot * self._size
            rgb = np.frombuffer(self._memory, np.uint8, height * width * 3, at).reshape(height, width, 3)
            self._try(lambda: self._writers[camera].add(rgb))
            self._answer(FREE, slot)
        elif kind == REPEAT:
            self._try(lambda: self._writers[camera].add(None))
        elif kind == FINISH:
            self._try(self._finish)
        elif kind == ABANDON:
            self._abandon()

    def _begin(self, folder: Path) -> None:
        from palme.data.video import VideoWriter

        fps, codec = self._setting["fps"], self._setting["codec"]
        for name, height, width in self._views:
            self._writers.append(VideoWriter(folder / f"{name}.mp4", fps, height, width, codec))

    def _finish(self) -> None:
        for writer in self._writers:
            writer.close()
        told = [{"frames": w.n, "levels": w.levels.tolist()} for w in self._writers]
        self._writers = []
        self._answer(DONE, 0, json.dumps(told).encode())

    def _abandon(self) -> None:
        for writer in self._writers:
            writer.abandon()
        self._writers = []

    def _try(self, act: Any, *arguments: Any) -> None:
        """After the first failure of an episode the rest of it is taken in and thrown away."""
        if self._failed:
            return
        try:
            act(*arguments)
        except Exception as error:
            kind = type(error).__name__
            self._failed = f"{kind}: {error}"
            self._abandon()
            self._answer(FAILED, 0, self._failed.encode())

    def _answer(self, kind: int, slot: int = 0, payload: bytes = b"") -> None:
        self._out.write(HEADER.pack(kind, 0, slot, 0, len(payload)) + payload)
        self._out.flush()


def main(fd: int, setting: dict[str, Any]) -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear
    os.nice(NICE)
    os.environ.setdefault("SVT_LOG", "1")  # errors only
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not pass for an answer
    import palme.data.video  # noqa: F401  # half a second on a slow core: before the first picture, not after

    encoder = _Encoder(fd, setting, out)
    out.write(HEADER.pack(READY, 0, 0, 0, 0))
    out.flush()
    source = sys.stdin.buffer
    try:
        while len(header := source.read(HEADER.size)) == HEADER.size:
            kind, camera, slot, _, n = HEADER.unpack(header)
            encoder.handle(kind, camera, slot, source.read(n) if n else b"")
    except BrokenPipeError:  # the parent was killed: nobody to tell, nothing to keep
        os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
