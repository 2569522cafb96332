"""The verdict on a run: does the formula hold, and has the gripper let go?"""

from __future__ import annotations

from dataclasses import dataclass

from sim.judging.formula import Formula, Moments


@dataclass(frozen=True)
class Verdict:
    """What came of a goal.

    Attributes:
        holds: whether it is reached.
        failures: what is not true of it, in the language of formulas; () where it is reached.
    """

    holds: bool
    failures: tuple[str, ...] = ()


def verdict(formula: Formula, moments: Moments) -> Verdict:
    """Whether `formula` holds at the end and the gripper has let go."""
    failures = formula.failures(moments)
    if moments.end.held is not None:
        failures = (*failures, f"the gripper holds the {moments.end.specs[moments.end.held].name}")
    return Verdict(not failures, failures)
