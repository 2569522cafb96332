"""A token bucket that limits the messages of a socket."""

from __future__ import annotations

import time
from collections.abc import Callable


class RateLimit:
    """A bucket that refills at `rate` a second up to `burst`; each message takes one token."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with a full bucket."""
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._at = burst, clock()

    def take(self) -> bool:
        """Take a token; False if the bucket is empty."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
