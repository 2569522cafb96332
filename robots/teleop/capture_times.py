"""CaptureTimes: predicts whether an image capture ends before the next tick, from earlier captures."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
MARGIN = 0.004  # [s] kept free before the next tick
PREEMPTION = 1.4  # largest ratio of wall to CPU time; beyond it other processes delayed the capture
DECAY = 0.98  # factor a capture on the longest recent time
RETRY = 0.93  # factor a tick on a time longer than a tick: after 0.2 s, the next attempt is 1 s later


class CaptureTimes:
    """The longest recent capture time of each camera.

    Args:
        dt: control period in [s].
    """

    def __init__(self, dt: float) -> None:
        self._dt = dt
        self._longest: dict[str, float] = {}

    def expected(self, camera: str) -> float:
        """[s] that a capture is expected to take, including `MARGIN`."""
        return self._longest.get(camera, 0.0) + MARGIN

    def measure(self, camera: str, capture: Callable[[], T]) -> T:
        """The result of `capture()`, whose duration is recorded."""
        begin, work = time.monotonic(), time.thread_time()
        result = capture()
        took = min(time.monotonic() - begin, PREEMPTION * (time.thread_time() - work))
        self._longest[camera] = max(self._longest.get(camera, 0.0) * DECAY, took)
        return result

    def skipped(self, camera: str) -> None:
        """A capture longer than a tick was not tried: expect less next time, so that it is tried again."""
        self._longest[camera] *= RETRY

    def failed(self, camera: str) -> None:
        """A capture failed: its camera is tried rarely."""
        self._longest[camera] = 4 * self._dt
