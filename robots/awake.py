"""Processors that do not fall asleep between two ticks, while something is moved by the clock.

Waking one takes up to some hundred microseconds, on a virtual machine milliseconds: whoever owns the cores
has given them to somebody else meanwhile. Linux lets a process ask for less, as it does for audio.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

DEVICE = "/dev/cpu_dma_latency"  # Linux: an open file holds what was written, the least of all holds


@contextmanager
def awake() -> Iterator[bool]:
    """Meanwhile no processor sleeps more deeply than it wakes at once; it costs the power of one that works.

    Yields whether that is allowed: to root, and to whom the device is given (`chmod` or a udev rule).
    """
    try:
        device = os.open(DEVICE, os.O_WRONLY)
    except OSError:  # another system, or not allowed
        yield False
        return
    try:
        try:
            os.write(device, struct.pack("i", 0))  # [us]
            allowed = True
        except OSError:
            allowed = False
        yield allowed
    finally:
        os.close(device)
