"""StateAge: the age of a state that is stamped by the arm's own clock."""

from __future__ import annotations

import math

DRIFT = 2e-4  # largest relative drift of the two clocks; that of quartz is 1e-4


class StateAge:
    """Estimates ages without comparing wall clocks.

    The smallest difference observed between our clock and the arm's is the offset of the clocks; any excess
    is age. A stamp that does not change ages at the rate of our clock.
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
