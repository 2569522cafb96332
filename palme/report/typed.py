"""The part of a run's report about persons: what they typed, what became of it, and when they intervened."""

from __future__ import annotations

from html import escape

from palme.events import CorrectionRefused, HandedBack, TakenOver, Typed
from palme.report.parts import pill
from palme.report.record import Intervention, RunRecord

TONES = {"taken": "good", "refused": "bad", "lost": "bad", "replaced": "note", "waiting": "note"}
_WHY = {"taken": "control", "paused": "the pause", "stopped": "the stop", "told": "the typed line"}


def persons_section(record: RunRecord) -> str:
    """Every typed line and every intervention in the order of time; "" if there was none."""
    rows = [(line.typed_t, _line(line)) for line in record.lines.values()]
    rows += [(event.t, _intervention(event)) for event in record.interventions]
    if not rows:
        return ""
    rows.sort(key=lambda row: row[0])
    cells = "".join(f"<tr><td>{clock(t)}</td>{row}</tr>" for t, row in rows)
    return (
        "<h2>Instructions and interventions</h2><p class='lead'>All that persons typed, with what became of "
        "it, and what else they did; times since the run began.</p>"
        '<div class="scroll"><table class="persons"><tr><th>time</th><th class="text">who</th>'
        f'<th class="text">what</th><th class="text">result</th></tr>{cells}</table></div>'
    )


def clock(seconds: float) -> str:
    """Time since the run began, "1:05"."""
    whole = max(0, int(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def _line(line: Typed) -> str:
    note = f" {escape(line.note)}" if line.note else ""
    return _row(line.who, f"“{escape(line.words)}”", f"{pill(line.state, TONES[line.state])}{note}")


def _intervention(event: Intervention) -> str:
    if isinstance(event, TakenOver):
        during = "" if event.step is None else f"during “{escape(event.step.text)}”"
        return _row("", escape(event.reason.partition("; observe")[0]), during)
    if isinstance(event, HandedBack):
        ticks = len(event.commands)
        by_hand = f", {ticks} control tick{'s' if ticks != 1 else ''} by hand" if ticks else ""
        what = f"end of {_WHY.get(event.why, event.why)}: the agent observes and plans again"
        return _row(event.who, what, f"after {event.seconds:.1f} s{by_hand}")
    assert isinstance(event, CorrectionRefused)
    return _row("planner", escape(event.reason), f"the run continues with “{escape(event.instruction)}”")


def _row(who: str, what: str, result: str) -> str:
    return f'<td class="text">{escape(who)}</td><td class="text">{what}</td><td class="text">{result}</td>'
