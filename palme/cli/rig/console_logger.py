"""Prints a run, a line an event; coloured on a terminal."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from palme.events import (
    Asked,
    Corrected,
    CorrectionRefused,
    Event,
    Finished,
    HandedBack,
    Judged,
    Planned,
    Started,
    TakenOver,
    Typed,
    Understood,
)
from palme.report.outcome import success_probability

_CODES = {"bold": "1", "quiet": "2", "good": "32", "bad": "31", "now": "36"}


class ConsoleLogger:
    """Listener that prints to `stream`, by default to standard output."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._planned = 0
        self._colour = self._stream.isatty() and "NO_COLOR" not in os.environ

    def __call__(self, event: Event) -> None:
        """Print one event."""
        if isinstance(event, Started):
            self._say(self._ink(f"“{event.instruction}”", "bold"))
        elif isinstance(event, Understood):
            if event.understanding is not None:
                self._say(f"   {event.goal}")
        elif isinstance(event, Asked):
            if event.answer is not None:  # else the run ends with the question
                self._say(f"   {self._ink(f'“{event.answer}”', 'bold')} in answer to: {event.question}")
        elif isinstance(event, Planned):
            self._planned += 1  # as the report numbers them, interrupted ones included
            if event.rationale:
                self._say(self._ink(f"   {event.rationale}", "quiet"))
            if event.step.is_done:
                self._say(f"   {self._ink('done', 'good')}{self._ms(event.seconds)}")
            else:
                self._say(f"{self._planned:>2} {self._ink(event.step.text, 'now')}{self._ms(event.seconds)}")
        elif isinstance(event, Judged):
            sure = success_probability(event.probability)
            sure = f" ({sure})" if sure else ""
            word = "judged done" if event.success else "unsure" if event.unsure else "judged failed"
            verdict = self._ink(word, "good" if event.success else "bad")
            words = event.reason or event.found
            reason = f": {words}" if words else ""
            self._say(f"   {verdict}{sure}{reason}")
        elif isinstance(event, TakenOver):
            self._say(self._ink(f"   Interrupted: {event.reason}", "bad"))
        elif isinstance(event, HandedBack):
            by_hand = f", {len(event.commands)} ticks by hand" if event.commands else ""
            self._say(f"   {event.why} by {event.who} for {event.seconds:.1f} s{by_hand}; observing again")
        elif isinstance(event, Corrected):
            to = event.step.text if event.step is not None else event.instruction
            self._say(f"   {self._ink(f'“{event.words}”', 'bold')} → {to}")
        elif isinstance(event, CorrectionRefused):
            self._say(f"   continuing with “{event.instruction}”")
        elif isinstance(event, Typed):
            if event.number > 1 and event.state != "taken":  # a line that is taken is printed as a correction
                note = f": {event.note}" if event.note else ""
                self._say(self._ink(f"   {event.who} typed “{event.words}” · {event.state}{note}", "quiet"))
        elif isinstance(event, Finished):
            self._say(self._ink(f"   {event.reason}", "quiet" if event.done else "bad"))

    def _ms(self, seconds: float) -> str:
        return self._ink(f"  {1e3 * seconds:.0f} ms", "quiet")

    def _ink(self, text: str, name: str) -> str:
        return f"\033[{_CODES[name]}m{text}\033[0m" if self._colour else text

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)
