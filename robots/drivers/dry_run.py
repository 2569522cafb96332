"""DryRunDriver: prints and records the commands that would be sent, and sends none."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from robots.drivers.base import Driver
from robots.drivers.vendor import VendorDriver, gated
from robots.errors import DriverError
from robots.motion.kinematics import fk
from robots.spec import ArmSpec
from robots.types import CameraFrame, JointCommand, RobotState


class DryRunDriver:
    """A virtual arm: its state follows the commands, one tick late and without dynamics.

    Args:
        spec: limits and kinematics; the same object as `driver.spec` where a driver is given.
        driver: the driver whose arm does not move; None = an arm at `spec.q_home`.
        reach: whether `connect` also connects `driver`, to start at the real posture and to use its cameras.
            False needs neither the arm nor the vendor's SDK.
        echo: called with a line for each command that differs from the previous one; None = no output.
        keep: how many of the last commands `sent` holds.
        clock: monotonic time in [s].

    Attributes:
        sent: the commands that would have been sent, oldest first.

    Raises:
        DriverError: `driver` has another spec.
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
        """Start at the arm's posture, or at `q_home` without an arm; nothing moves."""
        if self._connected:
            return
        if self._inner is not None:
            self._inner.connect()
            state = self._inner.read()
            self._q, self._gripper = np.array(state.q), state.gripper
        self._connected = True

    def read(self) -> RobotState:
        """The state that the commands lead to. Raises DriverError before `connect`."""
        self._check_connected()
        moving = self.clock() - self._moved <= 2 * self.spec.dt
        dq = self._dq.copy() if moving else np.zeros(self.spec.n_joints)
        return RobotState(self._q.copy(), dq, self._gripper, fk(self.spec, self._q))

    def send(self, command: JointCommand) -> None:
        """Print and record the command. Raises DriverError for one that a real driver refuses as well."""
        self._check_connected()
        q = gated(self.spec, command)
        self._dq = (q - self._q) * self.spec.control_hz
        self._q, self._gripper, self._moved = q, float(command.gripper), self.clock()
        self.sent.append(command)
        line = self._describe(command)
        if self.echo is not None and line != self._line:
            self.echo(f"dry run, {self.spec.name}, seq {command.seq}: {line}")
        self._line = line

    def picture(self, camera: str) -> CameraFrame:
        """The image of the real arm's camera. Raises DriverError without a connected driver."""
        if self._inner is None:
            raise DriverError(f"{self.spec.name}: no camera {camera!r} in a dry run without an arm")
        return self._inner.picture(camera)

    def stop(self) -> None:
        """Set the joint speeds to 0. The real arm is not stopped, for nothing moves it."""
        self._moved = -np.inf

    def close(self) -> None:
        """Disconnect; closes the driver inside, if any. Idempotent."""
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
