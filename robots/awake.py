"""Processors that do not fall asleep between two ticks, while something is moved by the clock.

Waking one takes up to some hundred microseconds, on a virtual machine milliseconds: whoever owns the cores
has given them to somebody else meanwhile. Linux lets a process ask for less, as it does for audio.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

DEVICE = "/dev/cpu_dma_latency"  # Linux: an open file holds what was written, the least of all holds


@contextmanager
def awake() -> Iterator[bool]:
    """Meanwhile no processor sleeps more deeply than it wakes at once; it costs the power of one that works.

    Yields whether that is allowed: to root, and to whom the device is given (`chmod` or a udev rule).
    """
    with ExitStack() as stack:
        try:
            device = stack.enter_context(open(DEVICE, "r+b", buffering=0))
            device.write(struct.pack("i", 0))  # [us]
            allowed = True
        except OSError:  # another system, or not allowed
            allowed = False
        yield allowed


class Wakefulness:
    """`awake` that comes and goes. For one thread, which ends it with `want(False)`."""

    def __init__(self) -> None:
        self._held: ExitStack | None = None

    def want(self, wanted: bool) -> None:
        """Whether processors should stay awake from now on; cheap where nothing changes."""
        if wanted and self._held is None:
            self._held = ExitStack()
            self._held.enter_context(awake())
        elif not wanted and self._held is not None:
            self._held.close()
            self._held = None
