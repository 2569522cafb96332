"""Progress: a bar on a terminal, plain lines in a log; bars of other packages are silent."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TextIO, TypeVar

T = TypeVar("T")

FIRST = 2.0  # [s] after which a log gets its first line: what is done sooner needs none
EVERY = 10.0  # [s] between lines of a log at first
SHARE = 0.05  # of the time so far, between lines later: a long run writes a few hundred lines, not thousands
_SILENCE = {
    "TQDM_DISABLE": "1",  # every bar that does not ask for itself, in worker processes too
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
}


def silence_others() -> None:
    """No bars and no log lines of other packages, here and in the processes started from here."""
    for name, value in _SILENCE.items():
        os.environ.setdefault(name, value)


class Progress:
    """How far a long task is; on standard error. A context manager.

    On a terminal a bar that is drawn over; elsewhere a line now and then, with a newline and no carriage
    return. An output that is closed or full ends the display, never the task.
    """

    def __init__(
        self,
        what: str,
        total: int,
        unit: str = "step",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin.

        Args:
            what: the task, such as "eval".
            total: number of units.
            unit: in the singular.
            stream: standard error by default.
            clock: [s], monotonic.
        """
        self.n, self._what, self._total, self._unit = 0, what, total, unit
        self._stream, self._clock, self._said = stream or sys.stderr, clock, ""
        self._began = self._written = clock()
        self._shown = 0
        self._bar: Any = self._drawn() if is_terminal(self._stream) else None

    def _drawn(self) -> Any:
        from tqdm import tqdm

        return tqdm(
            total=self._total, desc=self._what, unit=self._unit, file=self._stream, dynamic_ncols=True,
            mininterval=0.3, disable=False, leave=False,
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Return the display."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the last line, or take the bar away."""
        self.close()

    def update(self, n: int = 1) -> None:
        """`n` more units are done."""
        self.n += n
        if (bar := self._bar) is not None:
            self._quietly(lambda: bar.update(n))
            return
        now = self._clock()
        pause = max(EVERY, SHARE * (now - self._began)) if self._shown else FIRST
        if now - self._written >= pause:
            self._line(now)

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        """Say `text` beside the numbers; with `refresh` at once on a terminal."""
        self._said = text
        if (bar := self._bar) is not None:
            self._quietly(lambda: bar.set_postfix_str(text, refresh=refresh))

    def close(self) -> None:
        """End the display. Idempotent."""
        bar, self._bar = self._bar, None
        if bar is not None:
            self._quietly(bar.close)
        elif self._shown and self._shown != self.n:
            self._line(self._clock())

    def _line(self, now: float) -> None:
        self._written, self._shown = now, self.n
        spent = now - self._began
        parts = [f"{self._what}: {self.n} of {plural(self._total, self._unit)}"]
        if self._said:
            parts.append(self._said)
        if 0 < self.n < self._total:
            parts.append(f"{spent / self.n:.2g} s each, about {duration(spent / self.n * self.left)} left")
        else:
            parts.append(f"in {duration(spent)}")
        self._quietly(lambda: print(", ".join(parts), file=self._stream, flush=True))

    @property
    def left(self) -> int:
        """Number of units that are not done."""
        return max(0, self._total - self.n)

    def _quietly(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (OSError, ValueError):  # closed, full, or nobody reads it
            self._bar = None


def over(items: Iterable[T], what: str, unit: str = "step", total: int | None = None) -> Iterator[T]:
    """`items`, with progress; `total` where they have no length."""
    if total is None:
        total = len(items) if isinstance(items, Sequence) else 0
    with Progress(what, total, unit) as progress:
        for item in items:
            yield item
            progress.update()


def is_terminal(stream: TextIO) -> bool:
    """Whether lines can be drawn over."""
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # closed
        return False


def plural(n: int, unit: str) -> str:
    """Such as "1 episode", "2 episodes"."""
    return f"{n} {unit}" if n == 1 else f"{n} {unit}s"


def duration(seconds: float) -> str:
    """A rough time for a person: "4 s", "3 min", "2.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
