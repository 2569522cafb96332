"""The verdict on one case: right, wrong, refused or failed (docs/suites.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sim.judging.formula import Moments
from sim.judging.judge import verdict as judged
from sim.suites.answers import contains_one
from sim.suites.suite import Case

Grade = Literal["right", "wrong", "refused", "failed"]
GRADES: tuple[Grade, ...] = get_args(Grade)
Ending = Literal["done", "answered", "asked", "refused", "gave up"]


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Attributes:
        ending: "done" (nothing is left to do), "answered" a question, "asked" which thing was meant,
            "refused", or "gave up": at a limit, stuck, rejected by the arm, or with an error.
        commanded: whether anything was commanded.
        said: what the person was told.
        moments: the table at the start and at the end.
        plan: the table at the start and as it would be had each step been carried out; None = it cannot be
            said, or the steps are not a plan that the planner ended itself.
    """

    ending: Ending
    commanded: bool
    said: str
    moments: Moments
    plan: Moments | None = None


@dataclass(frozen=True)
class Verdict:
    """What came of a case, and why, for a person; "" where it is right."""

    grade: Grade
    why: str = ""


def verdict(case: Case, outcome: Outcome) -> Verdict:
    """Grade of `outcome`. In doubt it is wrong."""
    if case.want is not None:
        return _of_action(case, outcome)
    if outcome.commanded:
        wanted = "a refusal" if case.refuse else "an answer"
        return Verdict("wrong", f"something was moved where {wanted} was wanted")
    if case.refuse:
        if outcome.ending in ("answered", "asked", "refused"):
            return Verdict("right")
        return Verdict("wrong", "nothing was moved, and the person was not told that it cannot be done")
    return _of_answer(case, outcome)


def _of_action(case: Case, outcome: Outcome) -> Verdict:
    assert case.want is not None
    found = judged(case.want, outcome.moments)
    if found.holds:
        return Verdict("right")
    why = f"not so: {'; '.join(found.failures)}"
    if not outcome.commanded and outcome.ending in ("asked", "refused"):
        return Verdict("refused", outcome.said)
    if outcome.commanded and outcome.plan is not None and judged(case.want, outcome.plan).holds:
        return Verdict("failed", why)
    return Verdict("wrong", why)


def _of_answer(case: Case, outcome: Outcome) -> Verdict:
    if outcome.ending == "answered" and contains_one(outcome.said, case.answers):
        return Verdict("right")
    if outcome.ending in ("asked", "refused"):
        return Verdict("refused", outcome.said)
    right = " or ".join(repr(answer) for answer in case.answers)
    return Verdict("wrong", f"said {outcome.said!r}; right is {right}")
