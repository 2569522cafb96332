"""Real-time operation of one process: sleeping to a deadline, CPU sleep states, thread priority.

Linux lets a process disable deep CPU sleep states and raise the priority of its threads. Both need permission
(docs/teleop.md, "Time"). Without it, and on other systems, everything works, with larger delays.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

# Of 1 to 99: above all ordinary threads, below the kernel's own.
CONTROL_PRIORITY = 20  # the thread that runs the control loop
HELPER_PRIORITY = 10  # threads beside it in its process, see `raise_priority`
LATENCY_DEVICE = "/dev/cpu_dma_latency"  # Linux: the smallest value in an open file of it binds the CPUs


def sleep_until(deadline: float) -> None:
    """Sleep until `time.monotonic()` reaches `deadline` in [s]; return at once where it has."""
    while (wait := deadline - time.monotonic()) > 0:
        time.sleep(wait)


@contextmanager
def no_cpu_sleep() -> Iterator[bool]:
    """Disables deep CPU sleep states within the context; costs the power of CPUs that are busy.

    A CPU takes up to some hundred microseconds to leave such a state, on a virtual machine milliseconds.

    Yields:
        Whether the system allows it: to root, and to users with access to `LATENCY_DEVICE`.
    """
    with ExitStack() as stack:
        try:
            device = stack.enter_context(open(LATENCY_DEVICE, "r+b", buffering=0))
            device.write(struct.pack("i", 0))  # largest wake-up latency in [us]
            allowed = True
        except OSError:  # another system, or no permission
            allowed = False
        yield allowed


class CpuSleepSwitch:
    """Enters and leaves `no_cpu_sleep` as a control loop's state changes. Not thread-safe."""

    def __init__(self) -> None:
        self._held: ExitStack | None = None

    def disable(self, disabled: bool) -> None:
        """Disable deep CPU sleep states, or allow them again. Idempotent."""
        if disabled and self._held is None:
            self._held = ExitStack()
            self._held.enter_context(no_cpu_sleep())
        elif not disabled and self._held is not None:
            self._held.close()
            self._held = None


def raise_priority(priority: int = HELPER_PRIORITY) -> bool:
    """Give the calling thread real-time priority (SCHED_FIFO).

    Python runs one thread of a process at a time: a thread that is preempted while it holds the interpreter
    delays the control loop too. So threads that run beside a control loop raise their priority as well.

    Linux allows it to root and within the limit `rtprio` of /etc/security/limits.conf. Threads and processes
    started by the thread do not inherit the priority.

    Args:
        priority: 1 to 99.

    Returns:
        Whether the system allows it.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except (AttributeError, OSError):  # another system, or no permission
        return False
    return True


def priority_allowed() -> bool:
    """Whether `raise_priority` would succeed; tried on a temporary thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(raise_priority).result()


@contextmanager
def raised_priority(priority: int = HELPER_PRIORITY) -> Iterator[bool]:
    """`raise_priority` within the context. Yields whether the system allows it."""
    before = (os.sched_getscheduler(0), os.sched_getparam(0)) if hasattr(os, "sched_getparam") else None
    allowed = raise_priority(priority)
    try:
        yield allowed
    finally:
        if allowed and before is not None:
            policy, parameter = before
            try:
                os.sched_setscheduler(0, policy, parameter)
            except PermissionError:  # any thread may return to SCHED_OTHER, but not clear the reset flag
                os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, parameter)
