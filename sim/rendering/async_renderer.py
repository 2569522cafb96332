"""Pictures of a simulated arm that is moved by the clock, drawn beside it: no tick waits for a picture.

PyBullet draws a picture of 640 x 480 in some 30 ms and keeps the whole process from everything else
meanwhile. So a process of its own (`renderer_process`) draws a copy of the world; at each tick it is told
where everything is. A picture is of the instant of that tick, and its time says so, however long it took to
draw: where a core cannot draw every tick's pictures there are fewer of them, and none is passed off as newer.
"""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from robots.bridge.spec_frame import pack_spec
from robots.errors import DriverError
from robots.realtime import raise_priority
from robots.types import CameraFrame
from sim.rendering import renderer_process as drawer
from sim.rendering.camera import intrinsics
from sim.rendering.renderer_process import HEADER
from sim.world.arm import SimulatedArm
from sim.world.owned import Uncopied

START = 60.0  # [s] the process may take to start on a busy machine
LONGEST = 5.0  # [s] that a picture of the present state is waited for
SLOTS = 2  # a camera: one is drawn while the other is read


class AsyncRenderer(Uncopied):
    """Owns the process. What stands on the table stays the same; it may be moved.

    Dropped without `close`, it ends the process too.

    Args:
        arm: in a world that has been loaded. All its cameras are drawn, at their sizes.
        depth: whether to measure depth too (a fifth of the time).

    Raises:
        DriverError: the process does not start.
    """

    def __init__(self, arm: SimulatedArm, depth: bool = True) -> None:
        scene = arm.world.scene
        if scene is None:
            raise DriverError("there is no scene to draw yet; call `world.load(scene)` first")
        self._arm = arm
        self.cameras = tuple(arm.cameras)
        views = list(arm.cameras.values())
        sizes = [arm.image_size or view.size for view in views]
        setting = {
            "look": arm.world.look, "depth": depth, "slots": SLOTS,
            "cameras": [{**asdict(v), "size": s} for v, s in zip(views, sizes, strict=True)],
        }  # fmt: skip
        self._told = -1.0  # [s] of the state that was told last
        self._drawing = _Drawing(self.cameras, sizes, [view.hfov_deg for view in views], depth, setting)
        self._end = weakref.finalize(self, self._drawing.close)
        try:
            self._drawing.begin(pack_spec(arm.spec), scene.to_yaml().encode())
            self.follow()
            for camera in self.cameras:
                self.fresh(camera, START)
        except BaseException:
            self.close()
            raise

    def follow(self) -> None:
        """Everything is where it is now: by the thread that steps the world, after each tick. Never waits."""
        arm = self._arm
        positions, quats = arm.world.poses()
        poses = np.concatenate([positions, quats], axis=1).ravel()  # (N * 7,)
        now = time.monotonic()
        state = np.array([now, *arm.q, arm.gripper, *poses]).tobytes()
        if len(state) + HEADER.size > drawer.MOST:
            raise DriverError(f"{len(positions)} objects: more than one message to the drawing process holds")
        if self._drawing.send(HEADER.pack(drawer.STATE, 0, 0, len(state)) + state):
            self._told = now

    def newest(self, camera: str) -> tuple[CameraFrame, float]:
        """The newest picture, and the instant that it shows, [s] monotonic."""
        return self._drawing.frames[camera]

    def fresh(self, camera: str, timeout: float = LONGEST) -> CameraFrame:
        """A picture of what was told last, or newer; waits until it has been drawn.

        Raises:
            DriverError: there is none after `timeout` [s], or the process has ended.
        """
        return self._drawing.wait(camera, self._told, timeout)

    def close(self) -> None:
        """End the process. Idempotent."""
        self._end()


class _Drawing:
    """The process, and the thread that takes its pictures: it knows no arm, so it keeps no world."""

    def __init__(
        self,
        cameras: Sequence[str],
        sizes: Sequence[tuple[int, int]],
        hfov_deg: Sequence[float],
        depth: bool,
        setting: Mapping[str, Any],
    ) -> None:
        self._cameras, self._sizes, self._depth = cameras, sizes, depth
        self._intrinsics = [intrinsics(fov, size) for fov, size in zip(hfov_deg, sizes, strict=True)]
        self._places, n = drawer.places(sizes, SLOTS)
        self._failure = ""
        self.frames: dict[str, tuple[CameraFrame, float]] = {}
        self._new = threading.Condition()
        self._owner = os.getpid()
        self._thread: threading.Thread | None = None
        with os.fdopen(os.memfd_create("palme-drawn"), "r+b") as file:
            file.truncate(n)
            self._memory = mmap.mmap(file.fileno(), n)
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "sim.rendering.renderer_process",
                    str(file.fileno()),
                    json.dumps(setting),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[file.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                bufsize=0,
                start_new_session=True,
            )
        assert self.process.stdin is not None
        self._to = self.process.stdin.fileno()

    def begin(self, arm: bytes, scene: bytes) -> None:
        """Send the arm's description and the scene, and start to take pictures."""
        assert self.process.stdin is not None
        for kind, payload in ((drawer.ARM, arm), (drawer.SCENE, scene)):
            self.process.stdin.write(HEADER.pack(kind, 0, 0, len(payload)) + payload)
        os.set_blocking(self._to, False)
        self._thread = threading.Thread(target=self._read, name="drawn", daemon=True)
        self._thread.start()

    def wait(self, camera: str, wanted: float, timeout: float) -> CameraFrame:
        """The picture of `camera` of the instant `wanted` or later. Raises DriverError: see `fresh`."""
        limit = time.monotonic() + timeout
        with self._new:
            while True:
                found = self.frames.get(camera)
                if found is not None and found[1] >= wanted:
                    return found[0]
                if self._failure:
                    raise DriverError(f"camera {camera}: {self._failure}")
                left = limit - time.monotonic()
                if not left > 0:
                    raise DriverError(f"camera {camera}: nothing was drawn within {timeout:g} s")
                self._new.wait(left)

    def close(self) -> None:
        """End the process, unless this is a fork of the one that started it."""
        if os.getpid() != self._owner:
            return
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.kill()  # it has nothing to finish; first, for the thread still writes to it
        self.process.wait()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5.0)
        self.process.stdin.close()
        self.process.stdout.close()

    def send(self, message: bytes) -> bool:
        """Whole or not at all: two threads write here. False where the process is too far behind to read."""
        try:
            os.write(self._to, message)
            return True
        except (BlockingIOError, BrokenPipeError):
            return False

    def _read(self) -> None:
        """Until the process ends: take each picture out of the memory, and give its slot back."""
        raise_priority()
        source = self.process.stdout
        assert source is not None
        while len(header := _exactly(source, HEADER.size)) == HEADER.size:
            kind, k, slot, n = HEADER.unpack(header)
            payload = _exactly(source, n)
            if kind == drawer.FAILED:
                self._failure = payload.decode(errors="replace")
            elif kind == drawer.DRAWN:
                numbers = np.frombuffer(payload, np.float64)
                frame = self._taken(k, slot, numbers[1:].reshape(4, 4))
                while not self.send(HEADER.pack(drawer.FREE, k, slot, 0)) and self.process.poll() is None:
                    time.sleep(0.01)  # the pipe is full of states, which the process is about to read
                with self._new:
                    self.frames[self._cameras[k]] = (frame, float(numbers[0]))
                    self._new.notify_all()
        self.process.wait()
        with self._new:
            self._failure = self._failure or f"the drawing process ended ({self.process.returncode})"
            self._new.notify_all()

    def _taken(self, k: int, slot: int, base_from_camera: np.ndarray) -> CameraFrame:
        """A copy of what camera `k` saw."""
        (width, height), at = self._sizes[k], self._places[k][slot]
        n = width * height
        rgb = np.frombuffer(self._memory, np.uint8, 3 * n, at).reshape(height, width, 3).copy()
        depth = None
        if self._depth:
            depth = np.frombuffer(self._memory, np.float32, n, at + 3 * n).reshape(height, width).copy()
        return CameraFrame(rgb, depth, self._intrinsics[k], base_from_camera)


def _exactly(source: object, n: int) -> bytes:
    parts = b""
    while len(parts) < n:
        part = source.read(n - len(parts))  # type: ignore[attr-defined]
        if not part:
            break
        parts += part
    return parts
