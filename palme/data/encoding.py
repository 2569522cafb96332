"""The near side of the encoding process: hands pictures over and never keeps the control loop waiting.

A picture is copied into a free slot of shared memory. Where none is free after `max_wait`, the camera's last
picture is shown once more in its place, which keeps video and rows in step; it is counted, and the episode's
cadence report says which frames those are.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palme.data import encoder
from palme.data.encoder import HEADER
from palme.data.errors import EncoderError, WriteError
from palme.data.schema import Schema

MAX_WAIT = 0.002  # [s] a full queue may keep `add` waiting, for each picture
QUEUE = 2.0  # [s] of pictures that the memory holds
START = 60.0  # [s] the process may take to start on a busy machine
FINISH = 120.0  # [s] it may take to write what it holds


@dataclass(frozen=True)
class Encoded:
    """One video that is on the disk: its pictures, and how often each level occurred, (3, 256)."""

    path: Path
    frames: int
    levels: NDArray[np.int64]


class EncoderProcess:
    """Owns the process. One episode at a time: `begin`, `add` ..., `finish` or `abandon`.

    Args:
        schema: its cameras; there must be one.
        queue: [s] of pictures that fit into the shared memory.
        max_wait: [s] that `add` waits at most where it is full.
    """

    def __init__(self, schema: Schema, queue: float = QUEUE, max_wait: float = MAX_WAIT) -> None:
        self._views = schema.views
        self.max_wait = max_wait
        views = [[v.name, v.height, v.width] for v in schema.views]
        self._size = encoder.slot_size(views)
        n = max(2, round(queue * schema.fps)) * len(views)
        self._free = deque(range(n))
        self._answers = b""
        self._done: bytes | None = None
        self._failure = ""
        self._backlog: deque[bytes] = deque()  # what the pipe has not taken yet
        self._folder = Path()
        self.waited = 0.0  # [s] the longest that `add` waited for a slot
        with tempfile.TemporaryFile() if not hasattr(os, "memfd_create") else _memory() as file:
            file.truncate(self._size * n)
            self._memory = mmap.mmap(file.fileno(), self._size * n)
            np.frombuffer(self._memory, np.uint8)[:] = 0  # its pages are there before the loop needs them
            setting = {"fps": schema.fps, "codec": schema.codec, "views": views, "slots": n}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "palme.data.encoder", str(file.fileno()), json.dumps(setting)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[file.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                bufsize=0,
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._ready = False

    def begin(self, folder: Path) -> None:
        """A video for each camera, `folder`/NAME.mp4. Waits for the process to have started."""
        limit = time.monotonic() + START
        while not self._ready:
            self._wait(0.1)
            if not time.monotonic() < limit:
                raise EncoderError(f"the encoding process did not start within {START:g} s")
        self._done, self._failure, self._folder, self.waited = None, "", folder, 0.0
        self._send(encoder.BEGIN, payload=os.fsencode(folder))

    def add(self, camera: int, frame: int, rgb: NDArray[np.uint8]) -> bool:
        """Hand one picture (H, W, 3) over. Returns False where the last one is shown in its stead.

        Raises EncoderError or WriteError where the process has ended or could not write.
        """
        self._take()
        self._check()
        if not self._free and frame > 0:
            begin = time.perf_counter()
            while not self._free and (left := self.max_wait - (time.perf_counter() - begin)) > 0:
                self._wait(left)
                self._check()
            self.waited = max(self.waited, time.perf_counter() - begin)
        limit = time.monotonic() + START
        while not self._free and frame == 0:  # only where an episode begins: nothing moves yet
            self._wait(0.1)
            self._check()
            if not time.monotonic() < limit:
                raise EncoderError(f"the encoding process took no picture within {START:g} s")
        if not self._free:
            self._send(encoder.REPEAT, camera, 0, frame)
            return False
        slot = self._free.popleft()
        np.frombuffer(self._memory, np.uint8, rgb.size, slot * self._size)[:] = rgb.reshape(-1)
        self._send(encoder.PICTURE, camera, slot, frame)
        return True

    def finish(self) -> list[Encoded]:
        """Wait until every video is whole and on the disk."""
        self._send(encoder.FINISH)
        limit = time.monotonic() + FINISH
        while self._done is None:
            self._check()
            self._wait(0.1)
            if not time.monotonic() < limit:
                raise EncoderError(f"the encoding process did not finish within {FINISH:g} s")
        told = json.loads(self._done)
        return [
            Encoded(self._folder / f"{view.name}.mp4", one["frames"], np.array(one["levels"], np.int64))
            for view, one in zip(self._views, told, strict=True)
        ]

    def abandon(self) -> None:
        """Throw the present episode away."""
        if self._process.poll() is None:
            self._send(encoder.ABANDON)

    def close(self) -> None:
        """End the process. Twice does no harm."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                if pipe is self._process.stdin:
                    pipe.close()
                    try:
                        self._process.wait(10)
                    except subprocess.TimeoutExpired:
                        self._process.kill()
                        self._process.wait()
                else:
                    pipe.close()

    def _send(self, kind: int, camera: int = 0, slot: int = 0, frame: int = 0, payload: bytes = b"") -> None:
        self._backlog.append(HEADER.pack(kind, camera, slot, frame, len(payload)) + payload)
        self._flush()

    def _flush(self) -> None:
        try:
            while self._backlog:
                n = os.write(self._to, self._backlog[0])
                if n == len(self._backlog[0]):
                    self._backlog.popleft()
                else:
                    self._backlog[0] = self._backlog[0][n:]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._backlog.clear()

    def _wait(self, seconds: float) -> None:
        select.select([self._from], [self._to] if self._backlog else [], [], seconds)
        self._flush()
        self._take()

    def _take(self) -> None:
        """Read what was answered, without waiting."""
        self._flush()
        while True:
            try:
                part = os.read(self._from, 1 << 16)
            except BlockingIOError:
                break
            if not part:
                if not self._failure:
                    self._process.wait()
                    self._failure = f"EncoderError: the encoding process ended ({self._process.returncode})"
                break
            self._answers += part
        while len(self._answers) >= HEADER.size:
            kind, _, slot, _, n = HEADER.unpack_from(self._answers)
            if len(self._answers) < HEADER.size + n:
                break
            payload = self._answers[HEADER.size : HEADER.size + n]
            self._answers = self._answers[HEADER.size + n :]
            if kind == encoder.FREE:
                self._free.append(slot)
            elif kind == encoder.DONE:
                self._done = payload
            elif kind == encoder.FAILED:
                self._failure = payload.decode(errors="replace")
            elif kind == encoder.READY:
                self._ready = True

    def _check(self) -> None:
        if self._failure:
            kind, _, what = self._failure.partition(": ")
            if kind == "WriteError":
                raise WriteError(what)
            raise EncoderError(
                f"{what if kind == 'EncoderError' else self._failure}; this episode is lost, "
                "every finished one is kept"
            )


def _memory() -> Any:
    """A file that has no name on any disk."""
    return os.fdopen(os.memfd_create("palme-pictures"), "r+b")


def shape_problem(schema: Schema, images: Sequence[NDArray[np.uint8]]) -> str:
    """What is wrong with one frame's pictures, "" if nothing."""
    for view, rgb in zip(schema.views, images, strict=True):
        if not (rgb.dtype == np.uint8 and rgb.shape == (view.height, view.width, 3)):
            return (
                f"camera {view.name}: {rgb.dtype} {rgb.shape}, expected uint8 {(view.height, view.width, 3)}"
            )
    return ""
