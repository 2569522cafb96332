"""Session: sequence numbers, timestamps and commanded state of one arm, continuous across commanders."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from robots.errors import LeaseMissing, RobotError
from robots.robot import Leased, Rearmable, Remote, Robot
from robots.teleop.braking import CommandedState
from robots.types import JointCommand


class Session:
    """Sends commands and keeps the commanded state. Begins at the measured joints, and again after `rearm`.

    Args:
        arm: receives the commands.
        latched: whether the arm is stopped at the start.
        clock: monotonic clock in [s].

    Attributes:
        latched: whether the arm is stopped, so that nothing is sent.
        state: last measured state.
        measured_at: [s] time of `state` on the clock.
        last_error: of the arm's `stop`, `observe` or `release`; "" = none.
    """

    def __init__(self, arm: Robot, latched: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.arm, self.latched = arm, latched
        self._remote = arm.capability(Remote)
        self.last_error = ""
        self._clock = clock
        self._commanded: CommandedState | None = None
        self._last_opening: float | None = None  # in [0, 1]; kept across stops, so that a grasp holds
        self._seq, self._stamp = -1, 0.0
        self._measure()

    @property
    def at_rest(self) -> bool:
        """Whether the last command sent is at rest, or there is none."""
        return self._commanded is None or self._commanded.at_rest

    def begin(self) -> CommandedState:
        """The commanded state; at the start of a session, the measured joints at rest."""
        if self._commanded is None:
            self.measure()
            opening = self.state.gripper if self._last_opening is None else self._last_opening
            self._commanded = CommandedState(self.arm.spec, self.state.q, opening)
        return self._commanded

    def make_command(self, q_target: np.ndarray, gripper: float, stamp: float | None = None) -> JointCommand:
        """The next command, by default with the arm's last timestamp: no two clocks are compared.

        Args:
            q_target: (n_joints,) in [rad].
            gripper: opening in [0, 1].
            stamp: [s] on the arm's clock.
        """
        return JointCommand(q_target, gripper, self._seq + 1, self._stamp if stamp is None else stamp)

    def send(self, asked: JointCommand) -> JointCommand:
        """Send one target. Returns the command really sent.

        Raises:
            RobotError: from the arm.
        """
        arm = self.begin()
        sent = self.arm.command(asked)
        self._seq, self._stamp = max(asked.seq, sent.seq), sent.t_mono
        self._last_opening = arm.gripper = min(max(float(asked.gripper), 0.0), 1.0)
        arm.update(sent.q_target)
        return sent

    def command_refused(self) -> None:
        """Update the state after a refused command: the arm braked for one tick."""
        arm = self.begin()
        arm.update(arm.braking_target())

    def end(self) -> None:
        """End the session: the arm accepts no commands and brakes by itself."""
        self._commanded, self.latched = None, True

    def latch(self, reason: str) -> bool:
        """Stop the arm once it is at rest, or at once if it has its own real-time control loop.

        Returns:
            Whether it is stopped, so that nothing is sent.
        """
        if not self.latched and (self.at_rest or (self._remote is not None and self._remote.realtime)):
            self.stop_arm(reason)
        return self.latched

    def stop_arm(self, reason: str) -> None:
        """Stop the arm now; it brakes by itself."""
        try:
            self.arm.stop(reason)
        except RobotError as error:
            self.last_error = f"{type(error).__name__}: {error}"
        self.end()

    def rearm(self) -> None:
        """Rearm the arm; acquires its lease again if another client had it.

        Raises:
            LeaseHeld: another client holds the lease.
            RobotError: from the arm.
        """
        if (arm := self.arm.capability(Rearmable)) is not None:
            try:
                arm.rearm()
            except LeaseMissing:
                if (leased := self.arm.capability(Leased)) is None:
                    raise
                leased.acquire()
                arm.rearm()
        self._commanded, self.latched, self.last_error = None, False, ""

    def release(self) -> bool:
        """Release the lease, so that a policy may acquire it. Returns whether the arm has a lease."""
        if (leased := self.arm.capability(Leased)) is None:
            return False
        try:
            leased.release()
        except RobotError as error:
            self.last_error = f"{type(error).__name__}: {error}"
        self.end()
        return True

    def measure(self) -> None:
        """Update `state`; unchanged if the arm does not answer."""
        try:
            self._measure()
        except RobotError as error:
            self.last_error = f"{type(error).__name__}: {error}"

    def _measure(self) -> None:
        self.state = self.arm.observe(()).robot
        self.measured_at = self._clock()
