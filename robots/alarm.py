"""Alarm: wakes a thread in time, on whichever processor runs.

The host of a virtual machine may keep one of its processors from it for some 10 ms, and the timer of a
thread that went to sleep there goes off when it is back. The other processors run on meanwhile. So a helper
waits on each of them: the first that finds the sleeper not up in time moves it to where it is itself.
"""

from __future__ import annotations

import math
import os
import select
import threading
import time

from robots.urgent import LOOP, urgent

GRACE = 0.0015  # [s] that the sleeper has to wake by itself
NAP = 0.01  # [s] at most between a helper's looks at when it is needed


class Alarm:
    """For the one thread that makes it and sleeps by it; `close` it there.

    Where there is one processor, or a system on which threads choose none, it sleeps as anybody does.

    Attributes:
        helped: how often the sleeper had to be woken.
    """

    def __init__(self) -> None:
        self.helped = 0
        self._until = math.inf  # [s] monotonic; the sleeper is not asleep
        self._running = True
        self._sleeper = threading.get_native_id()
        self._processors = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()
        self._bell, self._rope = os.pipe()
        self._helpers = [
            threading.Thread(target=self._help, args=(cpu,), name=f"alarm-{cpu}", daemon=True)
            for cpu in (sorted(self._processors) if len(self._processors) > 1 else ())
        ]
        for helper in self._helpers:
            helper.start()

    def sleep(self, until: float) -> None:
        """Until `time.monotonic()` is `until` [s]."""
        while (wait := until - time.monotonic()) > 0:
            if not self._helpers:
                time.sleep(wait)
                continue
            self._until = until
            rung, _, _ = select.select([self._bell], [], [], wait)
            self._until = math.inf
            if rung:  # for this sleep, or just too late for the last one
                os.read(self._bell, 64)
                os.sched_setaffinity(0, self._processors)

    def close(self) -> None:
        """No helper any more. Twice does no harm."""
        if not self._running:
            return
        self._running = False
        for helper in self._helpers:
            helper.join()
        os.close(self._bell)
        os.close(self._rope)

    def _help(self, processor: int) -> None:
        try:
            os.sched_setaffinity(0, {processor})
        except OSError:  # taken from us since: nobody sleeps there
            return
        urgent(LOOP)
        while self._running:
            left = self._until + GRACE - time.monotonic()
            if left > 0:
                time.sleep(min(left, NAP))
                continue
            self._until = math.inf  # so no other helper does
            os.sched_setaffinity(self._sleeper, {processor})
            self.helped += 1
            os.write(self._rope, b"!")
