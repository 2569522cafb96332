"""StateAge: how old a state is whose only stamp is the arm's own clock."""

from __future__ import annotations

import math

DRIFT = 2e-4  # clocks run apart by at most this; quartz does by 1e-4


class StateAge:
    """Age of what an arm reports, without comparing wall clocks.

    The smallest difference ever seen between our clock and the arm's is taken for the clocks' offset; what
    exceeds it is age. A stamp that stands still grows old at the rate time passes.
    """

    def __init__(self) -> None:
        self._offset = math.inf
        self._now = -math.inf

    def age(self, stamp: float, now: float) -> float:
        """[s] since `stamp` [s, the arm's clock], read at `now` [s, our monotonic clock]."""
        if math.isfinite(self._offset):
            self._offset += DRIFT * (now - self._now)
        self._now = now
        self._offset = min(self._offset, now - stamp)
        return now - stamp - self._offset
