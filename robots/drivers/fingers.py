"""Fingers: a gripper in a thread of its own, for vendors' grippers block, some until they arrive."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from robots.errors import DriverError

PERIOD = 0.05  # [s] between two looks at the gripper
STALE = 4.0  # [s] after which a measured opening is no longer one; a hand that blocks takes up to two
LEAD = 0.25  # of the opening: how far ahead of the fingers the vendor's own motion is aimed
CLOSE_ENOUGH = 0.02  # of the opening, that needs no motion


class Hand(Protocol):
    """A vendor's gripper. Openings are in [0, 1], 1 = open. Both raise what the vendor raises."""

    def measure(self) -> float: ...

    def move(self, opening: float) -> None: ...


class Fingers:
    """Moves a `Hand` after the newest wish, and keeps the last measured opening.

    A gated opening stays one tick ahead of the measured one, so that a gripper with a motion of its own
    would creep from stop to stop. While fingers have a way to go they are aimed `LEAD` further on.
    """

    def __init__(self, hand: Hand, name: str) -> None:
        self.hand, self.name = hand, name
        self.error: DriverError | None = None
        self._opening = self._look()
        self._seen = time.monotonic()
        self._wish: float | None = None
        self._aim: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name} gripper", daemon=True)
        self._thread.start()

    def want(self, opening: float) -> None:
        """The newest wish, in [0, 1]; returns at once."""
        self._wish = opening

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
                if self._wish is not None:
                    self._follow(self._wish)
        except Exception as error:  # a thread must not die unheard
            self.error = DriverError(f"{self.name}: gripper: {type(error).__name__}: {error}")

    def _follow(self, wish: float) -> None:
        way = wish - self._opening
        if abs(way) <= CLOSE_ENOUGH:
            aim = wish
        else:
            aim = min(max(wish + (LEAD if way > 0 else -LEAD), 0.0), 1.0)
        if aim == self._aim:
            return
        # the last hundredths to an end are gone as well, or the fingers would never quite close
        if self._aim is None or aim in (0.0, 1.0) or abs(aim - self._aim) > CLOSE_ENOUGH:
            self.hand.move(aim)
            self._aim = aim
