"""An arm that reaches every target at once and records it, for tests and benchmarks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

import numpy as np

from robots.errors import DriverError
from robots.motion.kinematics import fk
from robots.spec import ArmSpec
from robots.types import Array, CameraFrame, JointCommand, RobotState


class _State(RobotState):
    """Computes the tool frame on access only: at 1 kHz it takes too long for every state."""

    def __init__(self, spec: ArmSpec, q: Array, dq: Array, gripper: float) -> None:
        for name, value in (("q", q), ("dq", dq), ("gripper", gripper), ("_spec", spec)):
            object.__setattr__(self, name, value)

    @property
    def base_from_ee(self) -> Array:
        return fk(self._spec, self.q)  # type: ignore[attr-defined]


class IdealArm:
    """Moves to each target within the call of `send`.

    Args:
        spec: limits and kinematics.
        cameras: names of cameras, whose images show a moving bar.
        size: (width, height) of the images in [px].
        keep: how many of the last targets `sent` holds.

    Attributes:
        sent: (monotonic time in [s], command) of every `send`.
        fails: while not None, every call raises DriverError with this text.
        stops: calls of `stop`.
        closed: whether `close` was called.
    """

    def __init__(
        self,
        spec: ArmSpec,
        cameras: Sequence[str] = (),
        size: tuple[int, int] = (640, 480),
        keep: int = 100_000,
    ) -> None:
        self.spec, self.size = spec, size
        self.camera_names: Sequence[str] = tuple(cameras)
        self.sent: deque[tuple[float, JointCommand]] = deque(maxlen=keep)
        self.fails: str | None = None
        self.stops = 0
        self.closed = False
        self._q, self._dq, self._gripper = np.array(spec.q_home), np.zeros(spec.n_joints), 1.0

    def connect(self) -> None:
        """Succeeds unless `fails` is set."""
        self._check()

    def read(self) -> RobotState:
        """The last target as the state."""
        self._check()
        return _State(self.spec, self._q.copy(), self._dq.copy(), self._gripper)

    def send(self, command: JointCommand) -> None:
        """Reach the target at once and record it."""
        self._check()
        self.sent.append((time.monotonic(), command))
        self._dq = (command.q_target - self._q) * self.spec.control_hz
        self._q, self._gripper = command.q_target.copy(), command.gripper

    def picture(self, camera: str) -> CameraFrame:
        """A grey image with a moving bar; depth is 1 m everywhere."""
        self._check()
        width, height = self.size
        rgb = np.full((height, width, 3), 90, np.uint8)
        at = int(time.monotonic() * 200) % width
        rgb[:, at : at + 8] = (230, 120, 30)
        k = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
        return CameraFrame(rgb, np.ones((height, width), np.float32), k, np.eye(4))

    def stop(self) -> None:
        """Counts the call; the arm is at rest between two targets."""
        self.stops += 1

    def close(self) -> None:
        """Records the call."""
        self.closed = True

    def _check(self) -> None:
        if self.fails is not None:
            raise DriverError(self.fails)
