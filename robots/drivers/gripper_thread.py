"""GripperThread: moves a gripper from its own thread, since vendors' calls block, some until arrival."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from robots.errors import DriverError

PERIOD = 0.05  # [s] between two measurements of the opening
STALE = 4.0  # [s] after which a measured opening is an error; a blocking motion takes up to two
LEAD = 0.25  # share of the opening by which the vendor's motion leads a moving target
SETTLED = 0.15  # [s] without a change after which a target is approached exactly
CLOSE_ENOUGH = 0.02  # share of the opening that counts as no motion: measurement noise
IGNORED = 0.2  # [s] after a blocking motion: targets until then follow from the opening before it


class Gripper(Protocol):
    """A vendor's gripper. Openings are in [0, 1], 1 = open. Both methods raise the SDK's own exceptions."""

    def measure(self) -> float:
        """The opening now."""
        ...

    def move(self, opening: float) -> None:
        """Start a motion to `opening`; may block until arrival."""
        ...


class GripperThread:
    """Moves a gripper to the newest target, and keeps the last measured opening.

    A gated target stays one tick ahead of the *measured* opening, which is itself up to some `PERIOD`s old.
    Sent as they are, such targets would make a gripper with its own motion profile creep from stop to stop,
    and reverse whenever it is faster than the target. So a moving target is extended by `LEAD` in its
    direction; a target at rest is approached exactly.

    Args:
        gripper: read once here, which moves nothing.
        name: of the arm, for errors.

    Attributes:
        error: the exception that ended the thread, or None.
    """

    def __init__(self, gripper: Gripper, name: str) -> None:
        self.gripper, self.name = gripper, name
        self.error: DriverError | None = None
        self._opening = self._read()
        self._aim = self._opening
        self._measured_at = time.monotonic()
        self._lock = threading.Lock()  # for the next three lines
        self._target = self._mark = self._opening  # the newest, and the last that counted as a motion
        self._direction, self._changed, self._target_at = 0.0, 0.0, 0.0
        self._ignored_until = self._measured_at
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name} gripper", daemon=True)
        self._thread.start()

    def set_target(self, opening: float) -> None:
        """Set the target, in [0, 1]; returns at once."""
        now = time.monotonic()
        with self._lock:
            self._target, self._target_at = opening, now
            if abs(opening - self._mark) > CLOSE_ENOUGH:
                self._direction = 1.0 if opening > self._mark else -1.0
                self._mark, self._changed = opening, now

    def opening(self) -> float:
        """The last measured opening in [0, 1]. Raises DriverError if the gripper is silent or failed."""
        if self.error is not None:
            raise self.error
        age = time.monotonic() - self._measured_at
        if not age <= STALE:
            raise DriverError(f"{self.name}: gripper silent for {age:.1f} s, limit {STALE}")
        return self._opening

    def halt(self) -> None:
        """End the thread; the gripper finishes its motion."""
        self._ended.set()
        self._thread.join(timeout=2.0)

    def _read(self) -> float:
        opening = self.gripper.measure()
        if not 0.0 <= opening <= 1.0:  # False for NaN as well
            raise DriverError(f"{self.name}: gripper: measured opening {opening} is not in [0, 1]")
        return opening

    def _run(self) -> None:
        try:
            while not self._ended.wait(PERIOD):
                self._opening = self._read()
                self._measured_at = time.monotonic()
                self._follow()
        except Exception as error:  # report it to the caller: a thread's exception is lost
            self.error = DriverError(f"{self.name}: gripper: {type(error).__name__}: {error}")

    def _follow(self) -> None:
        began = time.monotonic()
        with self._lock:
            if self._target_at <= self._ignored_until:
                return
            settled = began - self._changed > SETTLED
            aim = self._target if settled else min(max(self._target + self._direction * LEAD, 0.0), 1.0)
        # a full stroke ignores CLOSE_ENOUGH, or the gripper would never close completely
        if aim == self._aim or not (aim in (0.0, 1.0) or abs(aim - self._aim) > CLOSE_ENOUGH):
            return
        self._aim = aim
        self.gripper.move(aim)
        if (now := time.monotonic()) - began > 2 * PERIOD:
            self._opening, self._measured_at = self._read(), now
            with self._lock:
                self._ignored_until = now + IGNORED
