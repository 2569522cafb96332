"""An arm that is at once where it is sent, and keeps what it was sent: for tests and benches."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

import numpy as np

from robots.errors import DriverError
from robots.motion.kinematics import fk
from robots.spec import ArmSpec
from robots.types import Array, CameraFrame, JointCommand, RobotState


class _State(RobotState):
    """The tool frame is worked out when it is asked for: a thousand times a second it is not."""

    def __init__(self, spec: ArmSpec, q: Array, dq: Array, gripper: float) -> None:
        for name, value in (("q", q), ("dq", dq), ("gripper", gripper), ("_spec", spec)):
            object.__setattr__(self, name, value)

    @property
    def base_from_ee(self) -> Array:
        return fk(self._spec, self.q)  # type: ignore[attr-defined]


class IdealArm:
    """See the module.

    Args:
        spec: the arm it stands for.
        cameras: names of cameras that see a moving bar.
        size: (width, height) of their pictures in [px].
        keep: how many of the last targets to keep in `sent`.

    Attributes:
        sent: (seconds on the monotonic clock, target) of what was sent.
        fails: a sentence makes `send` and `read` raise DriverError with it, until it is None again.
    """

    def __init__(
        self,
        spec: ArmSpec,
        cameras: Sequence[str] = (),
        size: tuple[int, int] = (640, 480),
        keep: int = 100_000,
    ) -> None:
        self.spec, self.camera_names, self.size = spec, tuple(cameras), size
        self.sent: deque[tuple[float, JointCommand]] = deque(maxlen=keep)
        self.fails: str | None = None
        self.stops = 0
        self.closed = False
        self._q, self._dq, self._gripper = np.array(spec.q_home), np.zeros(spec.n_joints), 1.0
        self._threads: set[int] = set()

    def connect(self) -> None:
        """Always there, unless it `fails`."""
        self._check()

    def read(self) -> RobotState:
        """Where it was last sent."""
        self._check()
        return _State(self.spec, self._q.copy(), self._dq.copy(), self._gripper)

    def send(self, command: JointCommand) -> None:
        """Be there."""
        self._check()
        self._threads.add(threading.get_ident())
        self.sent.append((time.monotonic(), command))
        self._dq = (command.q_target - self._q) * self.spec.control_hz
        self._q, self._gripper = command.q_target.copy(), command.gripper

    def picture(self, camera: str) -> CameraFrame:
        """A grey picture with a bar that moves; a metre deep."""
        self._check()
        width, height = self.size
        rgb = np.full((height, width, 3), 90, np.uint8)
        at = int(time.monotonic() * 200) % width
        rgb[:, at : at + 8] = (230, 120, 30)
        k = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
        return CameraFrame(rgb, np.ones((height, width), np.float32), k, np.eye(4))

    def stop(self) -> None:
        """Stands."""
        self.stops += 1

    def close(self) -> None:
        """Nothing to let go of."""
        self.closed = True

    def _check(self) -> None:
        if self.fails is not None:
            raise DriverError(self.fails)
