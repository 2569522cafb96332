"""TypedLines: every line that a person typed, with what became of it.

A line is `waiting` until the agent acts on it; then it is `taken` (into a step), or `refused` (and why). One
line waits at a time: a newer one makes it `replaced`, so that no two lines are ever joined. What still waits
when the run ends is `lost`. Each line reaches exactly one final state.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from palme.events import Corrected, CorrectionRefused, Event, Finished, Planned, Started, Typed
from robots.skills import Step

log = logging.getLogger(__name__)

WAITING, TAKEN, REFUSED, REPLACED, LOST = "waiting", "taken", "refused", "replaced", "lost"
COMMAND_LINE = "command line"
SHOWN = 60  # characters of a newer line
CLOSE_TIMEOUT = 2.0  # [s] that `close` waits for slow listeners


@dataclass(frozen=True)
class Waiting:
    """A line that the agent has not read.

    Attributes:
        number: of the line.
        who, words: who typed it, and what.
        step: done at once; None = the planner decides.
        instruction: of the planner from now on; None = it stays as it is.
    """

    number: int
    who: str
    words: str
    step: Step | None
    instruction: str | None


class TypedLines:
    """Keeps the lines of one run; a listener of the agent's events. Its methods may be called by any thread.

    The instruction that the run was started with is line 1, typed at the command line.

    Attributes:
        listeners: called with each `Typed` event, in order, in a thread of their own: one that blocks delays
            neither the agent nor a console.
    """

    def __init__(self, instruction: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        """Start with the instruction of the command line, if there is one."""
        self.listeners: list[Callable[[Typed], None]] = []
        self._clock, self._start = clock, clock()
        self._lock = threading.Lock()
        self._lines: list[Typed] = []
        self._waiting: Waiting | None = None
        self._read: int | None = None  # the line that the agent has read, but not acted on
        self._adopted = False  # whether the planner works on it
        self._steps = 0  # planned so far
        self._end = ""  # why no line is accepted any more
        self._closed = False
        self._events: queue.SimpleQueue[Typed | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if instruction:
            self._read, self._adopted = self._type(COMMAND_LINE, instruction), True

    @property
    def lines(self) -> tuple[Typed, ...]:
        """Every line in its newest state, in the order of typing."""
        with self._lock:
            return tuple(self._lines)

    # -- by the console -------------------------------------------------------------------

    def add(self, who: str, words: str, step: Step | None, instruction: str | None) -> bool:
        """A line that waits for the agent; the one that waits already is replaced. False after the end.

        Args:
            who, words: who typed it, and what.
            step, instruction: what it means, see `Waiting`.
        """
        with self._lock:
            number = self._type(who, words)
            if self._end:
                self._settle(number, REFUSED, self._end)
                return False
            self._replace_waiting(words)
            self._waiting = Waiting(number, who, words, step, instruction)
            return True

    def settle(self, who: str, words: str, state: str, note: str) -> None:
        """A line whose state is known at once: refused, or taken by the console itself ("stop")."""
        with self._lock:
            self._settle(self._type(who, words, waits=False), state, note)

    # -- by the agent's side --------------------------------------------------------------

    def read(self) -> Waiting | None:
        """The waiting line, which the agent acts on from now on; None = none waits."""
        with self._lock:
            found, self._waiting = self._waiting, None
            if found is not None:
                if self._read is not None and not self._adopted:
                    self._settle(self._read, REPLACED, _by(found.words))
                self._read, self._adopted = found.number, False
            return found

    def __call__(self, event: Event) -> None:
        """Follow the agent."""
        with self._lock:
            if isinstance(event, Started):
                self._start = self._clock() - event.t
                if not self._lines:
                    self._read, self._adopted = self._type(COMMAND_LINE, event.instruction), True
            elif isinstance(event, Corrected):
                self._adopted = self._read is not None
            elif isinstance(event, Planned):
                self._steps += 1
                done = "nothing left to do" if event.step.is_done else event.step.text
                self._act(TAKEN, f"step {self._steps}: {done}")
            elif isinstance(event, CorrectionRefused):
                self._act(REFUSED, event.reason)
            elif isinstance(event, Finished):
                if event.done:
                    self._act(TAKEN, event.reason)
                elif event.cause == "answered":
                    self._act(TAKEN, event.reason)
                elif event.cause in ("refused", "asked"):
                    self._act(REFUSED, event.reason)
                self._close(f"the run ended: {event.reason}")

    def close(self, why: str = "the run ended") -> None:
        """No more lines: what waits is lost. Returns when the listeners have been told. Idempotent."""
        with self._lock:
            self._close(why)
            self._closed = True
        if self._thread is not None and self._thread is not threading.current_thread():
            self._events.put(None)
            self._thread.join(CLOSE_TIMEOUT)
            self._thread = None

    # -- inside, under the lock -----------------------------------------------------------

    def _type(self, who: str, words: str, waits: bool = True) -> int:
        number, now = len(self._lines) + 1, max(0.0, self._clock() - self._start)
        self._lines.append(Typed(now, number, who, words, now, WAITING))
        if waits:
            self._tell(self._lines[-1])
        return number

    def _settle(self, number: int, state: str, note: str) -> None:
        line = self._lines[number - 1]
        if line.state == WAITING:
            self._lines[number - 1] = replace(
                line, t=max(0.0, self._clock() - self._start), state=state, note=note
            )
            self._tell(self._lines[number - 1])

    def _act(self, state: str, note: str) -> None:
        """What the agent did with the line that it has adopted."""
        if self._read is not None and self._adopted:
            self._settle(self._read, state, note)
            self._read, self._adopted = None, False

    def _replace_waiting(self, newer: str) -> None:
        if self._waiting is not None:
            self._settle(self._waiting.number, REPLACED, _by(newer))
            self._waiting = None

    def _close(self, why: str) -> None:
        self._end = self._end or why
        for line in list(self._lines):
            self._settle(line.number, LOST, self._end)
        self._waiting = self._read = None

    def _tell(self, event: Typed) -> None:
        if self.listeners and not self._closed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="typed lines", daemon=True)
                self._thread.start()
            self._events.put(event)

    def _run(self) -> None:
        while (event := self._events.get()) is not None:
            for listener in self.listeners:
                try:
                    listener(event)
                except Exception:  # a listener's failure must not lose the lines after it
                    log.exception("a listener of typed lines failed")


def _by(newer: str) -> str:
    """What replaced a line."""
    return f"by the newer “{newer if len(newer) <= SHOWN else newer[:SHOWN] + '…'}”"
