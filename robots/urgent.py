"""Real-time priority for the thread that keeps the time, and for those that it may have to wait for.

Python lets one thread of a process run at a time. One that the system has set aside while it was running,
for a browser or an encoder to have the processor, keeps all others waiting, however urgent they are. So
whatever runs all the time beside the control loop in its process has priority too, only less.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

LOOP, BESIDE = 20, 10  # of 1 to 99: above everything ordinary, below the kernel's own


def urgent(priority: int = BESIDE) -> bool:
    """Have the present thread run as soon as it can, whatever else wants the processor.

    Returns whether it may.

    Linux allows it to root and within a limit (`rtprio` in /etc/security/limits.conf), which those who drive
    real arms set anyway. Threads and processes that it starts run as others do.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except (AttributeError, OSError):  # another system, or not allowed
        return False
    return True


def may_be_urgent() -> bool:
    """Whether `urgent` would be allowed to; tried on a thread that ends with it."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(urgent).result()


@contextmanager
def urgent_meanwhile(priority: int = BESIDE) -> Iterator[bool]:
    """As `urgent`, until the end of the context: for a thread that looks on and does little."""
    before = (os.sched_getscheduler(0), os.sched_getparam(0)) if hasattr(os, "sched_getparam") else None
    had = urgent(priority)
    try:
        yield had
    finally:
        if had and before is not None:
            policy, parameter = before
            try:
                os.sched_setscheduler(0, policy, parameter)
            except PermissionError:  # back to ordinary anybody may go, but not take that flag away
                os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, parameter)
