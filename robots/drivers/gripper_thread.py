"""GripperThread: a gripper in a thread of its own, for vendors' grippers block, some until they arrive."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from robots.errors import DriverError

PERIOD = 0.05  # [s] between two looks at the gripper
STALE = 4.0  # [s] after which a measured opening is no longer one; a hand that blocks takes up to two
LEAD = 0.25  # of the opening: how far ahead of a moving wish the vendor's own motion is aimed
SETTLED = 0.15  # [s] after which a wish that has not moved is meant as it is
CLOSE_ENOUGH = 0.02  # of the opening, that is no motion: noise of a measured opening
DEAF = 0.2  # [s] after a motion that blocked: wishes until then were made from the opening before it


class Hand(Protocol):
    """A vendor's gripper. Openings are in [0, 1], 1 = open. Both raise what the vendor raises."""

    def measure(self) -> float: ...

    def move(self, opening: float) -> None: ...


class GripperThread:
    """Moves a `Hand` after the newest wish, and keeps the last measured opening.

    A gated opening stays one tick ahead of the *measured* one, which itself is some looks old. Followed to
    the letter, a gripper with a motion of its own would creep from stop to stop, and turn back whenever it
    is faster than the wish. So a wish that moves tells a direction, and the fingers are aimed `LEAD` further
    that way; one that rests is gone to exactly.

    Args:
        hand: the gripper; read once here, which moves nothing.
        name: of the arm, for errors.
    """

    def __init__(self, hand: Hand, name: str) -> None:
        self.hand, self.name = hand, name
        self.error: DriverError | None = None
        self._opening = self._look()
        self._aim = self._opening
        self._seen = time.monotonic()
        self._lock = threading.Lock()  # over the four below
        self._wish = self._mark = self._opening  # the newest wish, and the one that last counted as a motion
        self._trend, self._changed, self._wished = 0.0, 0.0, 0.0
        self._deaf_until = self._seen
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name} gripper", daemon=True)
        self._thread.start()

    def want(self, opening: float) -> None:
        """The newest wish, in [0, 1]; returns at once."""
        now = time.monotonic()
        with self._lock:
            self._wish, self._wished = opening, now
            if abs(opening - self._mark) > CLOSE_ENOUGH:
                self._trend = 1.0 if opening > self._mark else -1.0
                self._mark, self._changed = opening, now

    def opening(self) -> float:
        """Last measured, in [0, 1]. Raises DriverError when the gripper is silent or has failed."""
        if self.error is not None:
            raise self.error
        age = time.monotonic() - self._seen
        if not age <= STALE:
            raise DriverError(f"{self.name}: gripper silent for {age:.1f} s, limit {STALE}")
        return self._opening

    def halt(self) -> None:
        self._ended.set()
        self._thread.join(timeout=2.0)

    def _look(self) -> float:
        return min(max(self.hand.measure(), 0.0), 1.0)

    def _run(self) -> None:
        try:
            while not self._ended.wait(PERIOD):
                self._opening = self._look()
                self._seen = time.monotonic()
                self._follow()
        except Exception as error:  # a thread must not die unheard
            self.error = DriverError(f"{self.name}: gripper: {type(error).__name__}: {error}")

    def _follow(self) -> None:
        began = time.monotonic()
        with self._lock:
            if self._wished <= self._deaf_until:
                return
            settled = began - self._changed > SETTLED
            aim = self._wish if settled else min(max(self._wish + self._trend * LEAD, 0.0), 1.0)
        # the last hundredths to an end are gone as well, or the fingers would never quite close
        if aim == self._aim or not (aim in (0.0, 1.0) or abs(aim - self._aim) > CLOSE_ENOUGH):
            return
        self._aim = aim
        self.hand.move(aim)
        if (now := time.monotonic()) - began > 2 * PERIOD:
            self._opening, self._seen = self._look(), now
            with self._lock:
                self._deaf_until = now + DEAF
