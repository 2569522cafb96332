"""Signals as a request to stop, which the training loop checks between steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
T = TypeVar("T")


class StopRequest:
    """A context in which the signals of `STOPS` only set `requested`; further ones change nothing.

    Outside a process's main thread signals never arrive, and the context does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._interruptible = False
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # under `nohup`
            heard = [s for s in STOPS if not (s == signal.SIGHUP and ignored)]
            self._before = {s: signal.signal(s, self._receive) for s in heard}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def interruptible(self, call: Callable[[], T]) -> T | None:
        """`call()`, which a signal ends at once; None where one came. For calls that change no state."""
        if self.requested:
            return None
        try:
            self._interruptible = True
            try:
                return call()
            finally:
                self._interruptible = False
        except KeyboardInterrupt:
            if not self.requested:  # raised by something else than these signals
                raise
            return None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if self._interruptible:
            self._interruptible = False
            raise KeyboardInterrupt
