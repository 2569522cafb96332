"""Signals that ask a command to stop, held while something is being saved.

SIGINT (Ctrl-C), SIGTERM, SIGHUP (a terminal closed, a line dropped) and SIGQUIT raise `Stopped`, a
KeyboardInterrupt, in the main thread. A command that has something to lose runs `held`: there a signal is
only noted, and raises once, in a region that the command declares `interruptible`. So a second Ctrl-C, or a
fourth, finds nothing to break while an episode is saved. A signal that the parent told us to ignore (`nohup`)
stays ignored.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from robots.output import say_at_once

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
TERMINAL = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_NAMES = {
    signal.SIGINT: "Ctrl-C",
    signal.SIGTERM: "SIGTERM",
    signal.SIGHUP: "SIGHUP: the terminal was closed",
    signal.SIGQUIT: "SIGQUIT",
}


class Stopped(KeyboardInterrupt):
    """A signal asked the command to stop; the text says which."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {_NAMES.get(signal.Signals(number), number)}")
        self.number = number


class _State:
    """Of the main thread, the only one that receives signals."""

    def __init__(self) -> None:
        self.raising = True  # whether a signal raises at once
        self.window = (
            False  # whether it does so in an `interruptible` region: there only the first one raises
        )
        self.pending: int | None = None  # noted while held
        self.raised: int | None = None  # outside of `held`: nothing but the end of the command comes after
        self.first: int | None = None  # of this command
        self.what = ""  # what is being done while held


_state = _State()


@contextmanager
def stoppable() -> Iterator[None]:
    """The signals of `STOPS` raise `Stopped` in the context; only the main thread receives signals."""
    global _state
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    outer, _state = _state, _State()
    before: dict[int, Any] = {}
    number: int
    for number in STOPS:
        if signal.getsignal(number) != signal.SIG_IGN:  # `nohup`, or a shell's background
            before[number] = signal.signal(number, _receive)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _state = outer


@contextmanager
def held(what: str = "") -> Iterator[None]:
    """Signals are noted in the context. Within an `interruptible` region the last of them raises at its end.

    At the end of the outermost context there is nothing left to stop, and a noted signal has no effect.

    Args:
        what: is being done, such as "saving the episode": said when a signal comes.
    """
    state, main = _state, threading.current_thread() is threading.main_thread()
    if not main:
        yield
        return
    before = state.raising, state.what
    state.raising, state.what = False, what or state.what
    try:
        yield
    finally:
        state.raising, state.what = before
    if before[0] and state.window and state.pending is not None:
        _raise(state, state.pending)
    if before[0]:
        state.pending = None


@contextmanager
def interruptible() -> Iterator[None]:
    """Within `held`: a signal raises `Stopped` here, also one noted before. Only the first one does.

    So does one that raised before `held` in vain: Python drops what is raised in a callback of its own, as
    while modules are imported.
    """
    state = _state
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = state.raising, state.window
    state.raising = state.window = True
    try:
        if (number := state.pending or state.raised) is not None:
            _raise(state, number)
        yield
    finally:
        state.raising, state.window = before


def first_signal() -> int | None:
    """The number of the first signal of this command, None if none came."""
    return _state.first


@contextmanager
def postponed(what: str) -> Iterator[None]:
    """A signal raises `Stopped` after the context; a terminal's never reach a process started in it.

    For calls that make an error of their own of an interrupt, and for the start of worker processes.

    Args:
        what: is being done, said when a signal comes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    state, mask = _state, signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL)
    before = state.raising, state.what
    state.raising, state.what = False, what
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        state.raising, state.what = before
    if state.raising and state.pending is not None:
        _raise(state, state.pending)


def leave_to_parent() -> None:
    """In a worker process: a terminal's signals reach every process, and the parent ends its workers."""
    for number in TERMINAL:
        signal.signal(number, signal.SIG_IGN)


def until_asked(server: Any, what: str) -> int:
    """Serve until a signal (see `stoppable`), then close the server, also after an error. Returns 0."""
    with held("closing the server"):
        try:
            with interruptible():
                print(what, flush=True)
                server.wait()
        except KeyboardInterrupt:
            print("stopped")
        finally:
            server.close()
    return 0


def _receive(number: int, frame: FrameType | None) -> None:
    state = _state
    state.first = state.first or number
    if state.raising:
        _raise(state, number)
    if state.pending is None:
        doing = state.what or "finishing"
        say_at_once(f"palme: {signal.Signals(number).name} received; {doing} first\n")
    state.pending = number


def _raise(state: _State, number: int) -> None:
    state.pending = state.raised = None
    if state.window:
        state.raising = False  # what follows is the arm's stop and the saving: later signals are noted
    else:
        state.raised = number
    raise Stopped(number)
