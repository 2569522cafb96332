"""Client of the encoding process: hands images over and bounds the delay of the control loop.

Each image is copied to a free slot of shared memory. If none frees within `max_wait`, the camera's previous
image is repeated, so that video and rows stay in step. The episode's timing report lists these frames.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from palme.data import encoder
from palme.data.encoder import HEADER, EncoderSettings
from palme.data.errors import EncoderError, WriteError
from palme.data.schema import Schema

MAX_WAIT = 0.002  # [s] longest wait of `add` for a slot, an image
QUEUE = 2.0  # [s] of video that the shared memory holds
START_TIMEOUT = 60.0  # [s] for the process to start; long, for a busy machine
FINISH_TIMEOUT = 120.0  # [s] for it to write what the memory holds


@dataclass(frozen=True)
class EncodedVideo:
    """One finished video.

    Attributes:
        path: the file.
        frames: number of images.
        levels: (3, 256) histogram of each channel.
    """

    path: Path
    frames: int
    levels: NDArray[np.int64]


class VideoEncoder(Protocol):
    """Encodes the videos of one episode at a time: `begin`, `add` ..., `finish` or `abandon`.

    Attributes:
        waited: longest wait of `add` for a slot in [s], this episode.
    """

    waited: float

    def begin(self, folder: Path) -> None:
        """Start a video for each camera, `folder`/NAME.mp4."""
        ...

    def add(self, camera: int, frame: int, rgb: NDArray[np.uint8]) -> bool:
        """Hand over one image, uint8 (H, W, 3). Returns False if the previous one is repeated instead."""
        ...

    def finish(self) -> list[EncodedVideo]:
        """Return the videos once they are complete and on disk."""
        ...

    def abandon(self) -> None:
        """Discard the current episode."""
        ...

    def close(self) -> None:
        """End the encoder. Idempotent."""
        ...


class EncoderProcess:
    """A `VideoEncoder` in a process of its own."""

    def __init__(self, schema: Schema, queue: float = QUEUE, max_wait: float = MAX_WAIT) -> None:
        """Start the process.

        Args:
            schema: has at least one camera.
            queue: length of video in [s] that the shared memory holds.
            max_wait: longest wait of `add` for a slot in [s].
        """
        self._views = schema.views
        self.max_wait = max_wait
        n = max(2, round(queue * schema.fps)) * len(schema.views)
        views = [(v.name, v.height, v.width) for v in schema.views]
        settings = EncoderSettings(schema.fps, schema.codec, views, n)
        self._size = settings.slot_size
        self._free = deque(range(n))
        self._replies = b""
        self._done: bytes | None = None
        self._failure = ""
        self._backlog: deque[bytes] = deque()  # bytes that the pipe has not accepted yet
        self._folder = Path()
        self._episode = 0  # replies about an earlier episode do not concern the present one
        self.waited = 0.0
        with _anonymous_file() as file:
            file.truncate(self._size * n)
            self._memory = mmap.mmap(file.fileno(), self._size * n)
            np.frombuffer(self._memory, np.uint8)[:] = 0  # allocates the pages before the loop needs them
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "palme.data.encoder",
                    str(file.fileno()),
                    json.dumps(asdict(settings)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[file.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                bufsize=0,
                start_new_session=True,  # a closed terminal, or Ctrl-C, ends it not even while it starts
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._ready = False

    def begin(self, folder: Path) -> None:
        """Start a video for each camera; the first call waits for the process.

        Raises:
            EncoderError: the process has ended, or did not start in time.
        """
        limit = time.monotonic() + START_TIMEOUT
        if self._process.poll() is not None:
            raise EncoderError(f"the encoding process ended with exit code {self._process.returncode}")
        while not self._ready:
            self._wait(0.1)
            self._check()
            if not time.monotonic() < limit:
                raise EncoderError(f"the encoding process did not start within {START_TIMEOUT:g} s")
        self._done, self._failure, self._folder, self.waited = None, "", folder, 0.0
        self._episode += 1
        self._send(encoder.BEGIN, frame=self._episode, payload=os.fsencode(folder))

    def add(self, camera: int, frame: int, rgb: NDArray[np.uint8]) -> bool:
        """Hand over one image, uint8 (H, W, 3). Returns False if the previous one is repeated instead.

        Raises:
            EncoderError: the process has ended or failed.
            WriteError: the process could not write.
        """
        self._receive()
        self._check()
        if not self._free and frame > 0:
            begin = time.perf_counter()
            while not self._free and (left := self.max_wait - (time.perf_counter() - begin)) > 0:
                self._wait(left)
                self._check()
            self.waited = max(self.waited, time.perf_counter() - begin)
        limit = time.monotonic() + START_TIMEOUT
        while not self._free and frame == 0:  # only at the start of an episode: the arm is at rest
            self._wait(0.1)
            self._check()
            if not time.monotonic() < limit:
                raise EncoderError(f"the encoding process accepted no image within {START_TIMEOUT:g} s")
        if not self._free:
            self._send(encoder.REPEAT, camera, 0, frame)
            return False
        slot = self._free.popleft()
        np.frombuffer(self._memory, np.uint8, rgb.size, slot * self._size)[:] = rgb.reshape(-1)
        self._send(encoder.IMAGE, camera, slot, frame)
        return True

    def finish(self) -> list[EncodedVideo]:
        """Return the videos once they are complete and on disk.

        Raises:
            EncoderError: the process ended, failed, or exceeded its time limit.
            WriteError: the process could not write.
        """
        self._send(encoder.FINISH)
        limit = time.monotonic() + FINISH_TIMEOUT
        while self._done is None:
            self._check()
            self._wait(0.1)
            if not time.monotonic() < limit:
                raise EncoderError(f"the encoding process did not finish within {FINISH_TIMEOUT:g} s")
        found = json.loads(self._done)
        return [
            EncodedVideo(self._folder / f"{view.name}.mp4", one["frames"], np.array(one["levels"], np.int64))
            for view, one in zip(self._views, found, strict=True)
        ]

    def abandon(self) -> None:
        """Discard the current episode."""
        if self._process.poll() is None:
            self._send(encoder.ABANDON)

    def close(self) -> None:
        """End the process. Idempotent."""
        to, source = self._process.stdin, self._process.stdout
        if to is None or source is None or to.closed:
            return
        to.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        source.close()

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
        self._receive()

    def _receive(self) -> None:
        """Read the replies that have arrived, without waiting."""
        self._flush()
        while True:
            try:
                part = os.read(self._from, 1 << 16)
            except BlockingIOError:
                break
            if not part:
                if not self._failure:
                    self._process.wait()
                    self._failure = (
                        f"EncoderError: the encoding process ended with exit code {self._process.returncode}"
                    )
                break
            self._replies += part
        while len(self._replies) >= HEADER.size:
            kind, _, slot, episode, n = HEADER.unpack_from(self._replies)
            if len(self._replies) < HEADER.size + n:
                break
            payload = self._replies[HEADER.size : HEADER.size + n]
            self._replies = self._replies[HEADER.size + n :]
            if kind == encoder.FREE:
                self._free.append(slot)
            elif kind == encoder.DONE and episode == self._episode:
                self._done = payload
            elif kind == encoder.FAILED and episode == self._episode:
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


def _anonymous_file() -> IO[bytes]:
    """A file in memory without a name, so that a crash leaves nothing; on disk outside Linux."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("palme-images"), "r+b")
    return tempfile.TemporaryFile()


def shape_problem(schema: Schema, images: Sequence[NDArray[np.uint8]]) -> str:
    """What is wrong with the images of one frame, "" if nothing."""
    for view, rgb in zip(schema.views, images, strict=True):
        if not (rgb.dtype == np.uint8 and rgb.shape == (view.height, view.width, 3)):
            return (
                f"camera {view.name}: {rgb.dtype} {rgb.shape}, expected uint8 {(view.height, view.width, 3)}"
            )
    return ""
