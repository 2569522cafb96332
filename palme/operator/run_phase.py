"""RunPhase: whether a run waits for a person to begin it, runs, or has ended, and how it ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from palme.events import Finished
from palme.report.outcome import outcome

WAITING, RUNNING, ENDED = "waiting", "running", "ended"
COUNTDOWN = 10.0  # [s] from the opening of a page until the run begins by itself


@dataclass(frozen=True)
class RunEnd:
    """How a run ended.

    Attributes:
        kind: one of `palme.report.outcome.KINDS`.
        title: the same for a person.
        reason: why, in a sentence.
        clock: local time, "14:05:12".
        t_mono: monotonic time in [s].
    """

    kind: str
    title: str
    reason: str
    clock: str
    t_mono: float


def run_end(kind: str, title: str, reason: str) -> RunEnd:
    """A run that ends now."""
    return RunEnd(kind, title, reason, time.strftime("%H:%M:%S"), time.monotonic())


def end_of(finished: Finished, truth: bool | None = None) -> RunEnd:
    """The end of an agent's run; `truth` is that of an independent check of the goal."""
    found = outcome(finished, truth)
    return run_end(found.kind, found.title, found.reason)


class RunPhase:
    """Waiting, running, or ended. Its methods may be called by any thread.

    Args:
        waits: whether a person must begin the run.
        clock: monotonic clock in [s].

    Attributes:
        phase: `WAITING`, `RUNNING` or `ENDED`.
        end: how it ended; None until then.
        held: whether a person asked that the run does not begin by itself.
    """

    def __init__(self, waits: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.phase = WAITING if waits else RUNNING
        self.end: RunEnd | None = None
        self.held = False
        self.begun_by = ""
        self._clock = clock
        self._pages: set[str] = set()
        self._opened_at: float | None = None
        self._changed = threading.Condition()

    @property
    def begins_in(self) -> float | None:
        """Time in [s] until the run begins by itself; None = it does not."""
        opened = self._opened_at
        if self.phase != WAITING or self.held or opened is None:
            return None
        return max(0.0, opened + COUNTDOWN - self._clock())

    def opened(self, who: str) -> None:
        """A page was opened."""
        with self._changed:
            self._pages.add(who)
            if self._opened_at is None:
                self._opened_at = self._clock()

    def left(self, who: str) -> None:
        """A page was closed; without any page the run does not begin by itself."""
        with self._changed:
            self._pages.discard(who)
            if not self._pages:
                self._opened_at = None

    def hold(self) -> None:
        """The run does not begin by itself."""
        with self._changed:
            self.held = True

    def begin(self, who: str) -> bool:
        """Begin the run. Whether it was waiting."""
        with self._changed:
            if self.phase != WAITING:
                return False
            self.phase, self.begun_by = RUNNING, who
            self._changed.notify_all()
            return True

    def wait(self, seconds: float) -> bool:
        """Wait for the beginning, at most `seconds`. Whether the run may begin now."""
        with self._changed:
            self._changed.wait_for(lambda: self.phase != WAITING, seconds)
            return self.phase == RUNNING

    def finish(self, end: RunEnd) -> None:
        """The run has ended; called again, it changes what is said of the end."""
        with self._changed:
            self.phase, self.end = ENDED, end
            self._changed.notify_all()
