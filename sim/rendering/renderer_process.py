r"""The drawing process: sees a simulated arm through its cameras, in a world of its own without physics.

    python -m sim.rendering.renderer_process FD \
        '{"look": "fast", "depth": true, "cameras": [...], "slots": 2}' < arm, scene, states

It first reads the arm's description and the scene, then where everything stands, in frames of `HEADER` on
standard input. It draws the newest state through each camera in turn, into the memory behind file descriptor
`FD`, and writes to standard output which slot holds what. It ends with its parent, whose death is the end of
its input.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import signal
import struct
import sys
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

HEADER = struct.Struct("<BBHI")  # kind, camera, slot, bytes that follow
ARM, SCENE, STATE, FREE = range(4)  # told
DRAWN, FAILED = range(10, 12)  # answered
MOST = select.PIPE_BUF  # [bytes] of a message that several threads may write at once, whole
NICE = 10  # the control loop comes first


def places(sizes: Sequence[tuple[int, int]], slots: int) -> tuple[list[list[int]], int]:
    """Where in the memory each slot of each camera begins, and how many bytes there are in all.

    A slot holds one picture of the camera's `size` (width, height): colours, then depth.
    """
    out, at = [], 0
    for width, height in sizes:
        out.append([at + k * width * height * 7 for k in range(slots)])
        at += slots * width * height * 7
    return out, at


class _RendererProcess:
    def __init__(self, fd: int, setting: dict[str, Any], arm: bytes, scene: str, out: IO[bytes]) -> None:
        from robots.bridge.spec_frame import unpack_spec
        from sim.rendering.camera import Camera
        from sim.world.scene import Scene
        from sim.world.world import World

        self._cameras = [Camera(**{**c, "size": tuple(c["size"])}) for c in setting["cameras"]]
        self._depth, self._out = bool(setting["depth"]), out
        self._places, n = places([camera.size for camera in self._cameras], setting["slots"])
        self._memory = mmap.mmap(fd, n)
        self.free = [list(range(setting["slots"])) for _ in self._cameras]
        self.world = World(setting["look"], unpack_spec(arm))
        self.world.place(Scene.from_yaml(scene))
        self.state: np.ndarray | None = None  # time, joints (n), opening, poses (N, 7)

    def show(self, state: np.ndarray) -> None:
        n = self.world.spec.n_joints
        poses = state[n + 2 :].reshape(-1, 7)
        self.world.set_arm(state[1 : n + 1], state[n + 1])
        for i, pose in enumerate(poses):
            self.world.set_pose(i, pose[:3], pose[3:])

    def draw(self, k: int, t: float) -> None:
        camera, slot = self._cameras[k], self.free[k].pop(0)
        frame = self.world.render(camera, depth=self._depth)
        at, n = self._places[k][slot], frame.rgb.size
        np.frombuffer(self._memory, np.uint8, n, at)[:] = frame.rgb.reshape(-1)
        if frame.depth is not None:
            np.frombuffer(self._memory, np.float32, n // 3, at + n)[:] = frame.depth.reshape(-1)
        told = np.array([t, *frame.base_from_camera.ravel()]).tobytes()
        self._out.write(HEADER.pack(DRAWN, k, slot, len(told)) + told)
        self._out.flush()


def main(fd: int, setting: dict[str, Any]) -> None:
    """Serve until the input ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # sent to all processes; the parent handles them
    os.nice(NICE)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not pass for an answer
    import cv2

    cv2.setNumThreads(1)
    source = os.fdopen(0, "rb", buffering=0)
    try:
        arm, scene = (_exactly(source, HEADER.unpack(_exactly(source, HEADER.size))[3]) for _ in range(2))
        drawer = _RendererProcess(fd, setting, arm, scene.decode(), out)
        _serve(drawer, source)
    except (EOFError, BrokenPipeError):  # the parent has closed, or was killed: nobody to draw for
        os._exit(0)
    except Exception as error:
        told = f"{type(error).__name__}: {error}".encode()
        out.write(HEADER.pack(FAILED, 0, 0, len(told)) + told)
        out.flush()
        raise


def _serve(drawer: _RendererProcess, source: Any) -> None:
    state: np.ndarray | None = None
    todo: list[int] = []
    while True:
        # a camera whose slots are all still being read waits; so does a world that nobody has moved
        idle = not any(drawer.free[k] for k in todo)
        while select.select([source], [], [], None if idle else 0)[0]:
            kind, camera, slot, n = HEADER.unpack(_exactly(source, HEADER.size))
            payload = _exactly(source, n)
            if kind == STATE:
                drawer.state = np.frombuffer(payload, np.float64)
            elif kind == FREE:
                drawer.free[camera].append(slot)
            idle = False
        if not todo and drawer.state is not None:
            state, drawer.state = drawer.state, None
            drawer.show(state)
            todo = list(range(len(drawer.free)))
        ready = next((k for k in todo if drawer.free[k]), None)
        if ready is not None and state is not None:
            drawer.draw(ready, float(state[0]))
            todo.remove(ready)


def _exactly(source: Any, n: int) -> bytes:
    """Raises EOFError at the end of the input."""
    parts = b""
    while len(parts) < n:
        part = source.read(n - len(parts))
        if not part:
            raise EOFError
        parts += part
    return parts


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
