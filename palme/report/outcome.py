"""How a run ended, in the words that report, console and terminal share."""

from __future__ import annotations

from dataclasses import dataclass

from palme.events import Finished

KINDS = {
    "achieved": "good",
    "done": "note",
    "answered": "good",
    "asked": "note",
    "refused": "note",
    "stopped": "note",
    "failed": "bad",
    "crashed": "bad",
}
"""Every kind of outcome, and its tone on a page."""

_CAUSES = {
    "done": ("done", "Done, as far as the model can see"),
    "answered": ("answered", "Answered"),
    "asked": ("asked", "Asked back"),
    "refused": ("refused", "Refused"),
    "stopped": ("stopped", "Stopped"),
    "error": ("crashed", "Crashed"),
}
_FIRST = {"read": "reading", "look": "looking", "plan": "planning", "policy": "the policy"}
_FAILED = ("failed", "Failed")  # stuck, at a limit, or rejected by the arm


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        kind: one of `KINDS`; "done" is by the model's own verdict alone.
        title: the same for a person.
        reason: why, in plain words.
    """

    kind: str
    title: str
    reason: str


def outcome(finished: Finished, truth: bool | None = None) -> Outcome:
    """The outcome of a run; `truth` is the result of an independent check of the goal, None = not checked."""
    kind, title = _CAUSES.get(finished.cause, _FAILED)
    if kind == "done" and truth:
        return Outcome("achieved", "Achieved", "the goal is reached")
    if kind == "done" and truth is False:
        return Outcome("failed", "Not achieved", "the planner reports success, but the goal is not reached")
    return Outcome(kind, title, finished.reason)


def success_probability(probability: float | None) -> str:
    """ "success probability 1 %", or "" where the planner has none."""
    if probability is None or not 0.0 <= probability <= 1.0:
        return ""
    return f"success probability {100 * probability:.0f} %"


def first_command(finished: Finished) -> str:
    """How long it took from the sentence to the first joint command, by part; "" where none was sent.

    What is loaded before, once, is not part of it.
    """
    first = finished.first
    if not first:
        return ""
    parts = ", ".join(f"{word} {first[part]:.2f}" for part, word in _FIRST.items())
    return f"first joint command {first['total']:.2f} s after the sentence ({parts})"
