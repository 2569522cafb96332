"""Session: one arm's command numbers, stamps and commanded state, continuous whoever commands."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from robots.errors import LeaseMissing, RobotError
from robots.robot import Leased, Rearmable, Remote, Robot
from robots.teleop.braking import Commanded
from robots.types import JointCommand


class Session:
    """Sends commands and keeps what was sent. Begins where the arm is, and again after every `rearm`.

    Attributes:
        latched: whether the arm is stopped, so that nothing is sent.
        state: as measured last; measured_at: [s] when that was.
    """

    def __init__(self, arm: Robot, latched: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.arm, self.latched = arm, latched
        self._remote = arm.capability(Remote)
        self.trouble = ""  # the last error of the arm's own `stop` or `observe`
        self._clock = clock
        self._commanded: Commanded | None = None
        self._opening: float | None = (
            None  # commanded last, in [0, 1]: kept over a stop, with what is grasped
        )
        self._seq, self._stamp = -1, 0.0
        self._measure()

    def begin(self) -> Commanded:
        """The commanded state; at the start of a session, where the arm is, at rest."""
        if self._commanded is None:
            self.look()
            opening = self.state.gripper if self._opening is None else self._opening
            self._commanded = Commanded(self.arm.spec, self.state.q, opening)
        return self._commanded

    def numbered(self, q_target: np.ndarray, gripper: float, stamp: float | None = None) -> JointCommand:
        """The next command, stamped with the arm's own last time: no two clocks are compared."""
        return JointCommand(q_target, gripper, self._seq + 1, self._stamp if stamp is None else stamp)

    def send(self, asked: JointCommand) -> JointCommand:
        """One target through the arm's gate. Raises what the arm raises."""
        arm = self.begin()
        sent = self.arm.command(asked)
        self._seq, self._stamp = max(asked.seq, sent.seq), sent.t_mono
        self._opening = arm.gripper = min(max(float(asked.gripper), 0.0), 1.0)
        arm.sent(sent.q_target)
        return sent

    def refused(self) -> None:
        """A command was refused: the arm braked in its tick."""
        arm = self.begin()
        arm.sent(arm.slower())

    def lost(self) -> None:
        """The arm accepts no commands any more, and brakes by itself."""
        self._commanded, self.latched = None, True

    def latch(self, reason: str) -> bool:
        """Stop the arm once it is at rest, or at once where it has a control loop of its own.

        Returns whether it is stopped, so that nothing is sent.
        """
        still = self._commanded is None or self._commanded.at_rest
        if not self.latched and (still or (self._remote is not None and self._remote.realtime)):
            self.abandon(reason)
        return self.latched

    def abandon(self, reason: str) -> None:
        """Have the arm stop by itself, now."""
        try:
            self.arm.stop(reason)
        except RobotError as error:
            self.trouble = f"{type(error).__name__}: {error}"
        self.lost()

    def rearm(self) -> None:
        """Rearm the arm; one that is leased acquires the lease again where it moved.

        Raises LeaseHeld and what else the arm raises.
        """
        if (arm := self.arm.capability(Rearmable)) is not None:
            try:
                arm.rearm()
            except LeaseMissing:
                if (leased := self.arm.capability(Leased)) is None:
                    raise
                leased.acquire()
                arm.rearm()
        self._commanded, self.latched, self.trouble = None, False, ""

    def release(self) -> bool:
        """Release the lease, so that a policy may continue. Returns whether the arm has one."""
        if (leased := self.arm.capability(Leased)) is None:
            return False
        try:
            leased.release()
        except RobotError as error:
            self.trouble = f"{type(error).__name__}: {error}"
        self.lost()
        return True

    def look(self) -> None:
        """Measure `state`; unchanged where the arm does not answer."""
        try:
            self._measure()
        except RobotError as error:
            self.trouble = f"{type(error).__name__}: {error}"

    def _measure(self) -> None:
        self.state = self.arm.observe(()).robot
        self.measured_at = self._clock()
