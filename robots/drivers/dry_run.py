"""DryRunDriver: says and keeps what would be sent, and sends nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from robots.drivers.base import Driver
from robots.drivers.vendor import VendorDriver
from robots.errors import DriverError
from robots.motion.kinematics import fk
from robots.spec import ArmSpec
from robots.types import CameraFrame, JointCommand, RobotState


class DryRunDriver:
    """An arm that is only thought of: its state follows the commands, one tick late and without dynamics.

    Args:
        spec: limits and chain; must be the driver's own where there is one.
        driver: the driver that is not to move; None = an arm at `spec.q_home`.
        reach: whether `connect` connects `driver` too, so that the real posture is where it begins and its
            cameras are seen. False needs neither the arm nor the vendor's SDK.
        echo: called with a line for each command that differs from the one before; None = silent.
        keep: how many of the last commands `sent` holds.
        clock: monotonic time in [s].

    Attributes:
        sent: what would have been sent, oldest first.
    """

    def __init__(
        self,
        spec: ArmSpec,
        driver: Driver | None = None,
        *,
        reach: bool = True,
        echo: Callable[[str], None] | None = print,
        keep: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if driver is not None and driver.spec is not spec:
            raise DriverError(
                f"dry run of {spec.name} around a driver for {driver.spec.name}; give both one spec"
            )
        self.spec = spec
        self.driver = driver
        self.echo, self.clock = echo, clock
        self.sent: deque[JointCommand] = deque(maxlen=keep)
        self._inner = driver if reach else None
        self.camera_names: Sequence[str] = self._inner.camera_names if self._inner is not None else ()
        self._connected = False
        self._q, self._dq, self._gripper = np.array(spec.q_home), np.zeros(spec.n_joints), 1.0
        self._moved = -np.inf
        self._line = ""

    def connect(self) -> None:
        """Begin where the arm is, or at `q_home` without one; nothing moves."""
        if self._connected:
            return
        if self._inner is not None:
            self._inner.connect()
            state = self._inner.read()
            self._q, self._gripper = np.array(state.q), state.gripper
        self._connected = True

    def read(self) -> RobotState:
        """Where the commands would have led. Raises DriverError before `connect`."""
        self._check_connected()
        moving = self.clock() - self._moved <= 2 * self.spec.dt
        dq = self._dq.copy() if moving else np.zeros(self.spec.n_joints)
        return RobotState(self._q.copy(), dq, self._gripper, fk(self.spec, self._q))

    def send(self, command: JointCommand) -> None:
        """Say and keep it. Raises DriverError for what a real arm would not be sent either."""
        self._check_connected()
        q = np.array(command.q_target, dtype=np.float64)
        if not (q.shape == (self.spec.n_joints,) and np.isfinite(q).all() and 0.0 <= command.gripper <= 1.0):
            raise DriverError(f"{self.spec.name}: {q}, gripper {command.gripper}: no gated target; not sent")
        self._dq = (q - self._q) * self.spec.control_hz
        self._q, self._gripper, self._moved = q, float(command.gripper), self.clock()
        self.sent.append(command)
        line = self._describe(command)
        if self.echo is not None and line != self._line:
            self.echo(f"dry run, {self.spec.name}, seq {command.seq}: {line}")
        self._line = line

    def picture(self, camera: str) -> CameraFrame:
        """What the arm's own camera sees. Raises DriverError without a connected driver."""
        if self._inner is None:
            raise DriverError(f"{self.spec.name}: no camera {camera!r} in a dry run without an arm")
        return self._inner.picture(camera)

    def stop(self) -> None:
        """At rest at once; the real arm is not touched, since nothing moves it."""
        self._moved = -np.inf

    def close(self) -> None:
        """Let go of the driver inside, if any. Twice does no harm."""
        self._connected = False
        if self._inner is not None:
            self._inner.close()

    def _check_connected(self) -> None:
        if not self._connected:
            raise DriverError(f"{self.spec.name}: not connected; call `connect` first")

    def _describe(self, command: JointCommand) -> str:
        if isinstance(self.driver, VendorDriver):
            return self.driver.describe(command)
        return f"q {np.round(command.q_target, 4).tolist()} rad, gripper {command.gripper:.2f}"
