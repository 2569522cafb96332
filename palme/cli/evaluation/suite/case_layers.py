"""Which layer a case failed in that something was to be done in, by fixed rules on the simulator's truth.

The layers are those of `palme.cli.evaluation.layers`, told from what the steps meant by identity instead of
an oracle. In this order:

    reading     nothing was begun, and the person was told or asked; or the program that the sentence was
                read as does not bring the goal about on the true scene at the start, its steps carried out
                ideally
    perception  nothing was begun because something was not seen; or a step names nothing near a true thing
    gate, policy, physics
                the last step that went wrong and was not put right by the same step later
    gate        the run was broken off by the arm
    plan        every step did what it said, and the run ended before the goal was reached
    perception  it was broken off although every step did what it said: steps were judged to have failed
"""

from __future__ import annotations

from collections.abc import Sequence

from palme.cli.evaluation.layers import Layer, StepTruth, motion_fault
from palme.cli.evaluation.suite.reading_only import run_program
from palme.language.programs.parser import BadProgram, parse
from sim.judging.formula import Formula, Moments
from sim.judging.ideal import Placement
from sim.judging.judge import verdict as judged
from sim.judging.snapshot import Snapshot

Truth = tuple[StepTruth, Placement | None]
NOT_BEGUN = ("refused", "asked", "answered")
ENDED = ("done", *NOT_BEGUN, "stuck", "error")


def layer_of(
    want: Formula, program: str, start: Snapshot, truths: Sequence[Truth], cause: str, reason: str
) -> tuple[Layer, str]:
    """The layer of a case that is not right, and the evidence in a few words.

    Args:
        program: what the sentence was read as; "" = not known.
        start: the table before the first command.
        truths: how each step went, see `CaseWatch`.
        cause, reason: with which the run ended.
    """
    if cause in NOT_BEGUN and not any(truth.during for truth, _ in truths):
        return ("perception" if "do not see" in reason else "reading"), reason
    if program and not reaches(want, program, start):
        return "reading", f"{program!r} does not bring it about"
    right: set[Placement] = set()
    for truth, placement in reversed(truths):
        found = _fault(truth, placement)
        if found is None and placement is not None:
            right.add(placement)
        elif found is not None and placement not in right:
            return found
    if cause == "rejected":
        return "gate", reason
    if cause in ENDED:
        return "plan", f"ended with {cause!r} before the goal was reached: {reason}"
    return "perception", f"steps that succeeded were judged to have failed: {reason}"


def reaches(want: Formula, program: str, start: Snapshot) -> bool:
    """Whether `program`, carried out ideally on the true scene, brings `want` about; true if it is none."""
    try:
        ran = run_program(parse(program), start)
    except BadProgram:
        return True
    return judged(want, Moments(start, ran.table)).holds


def _fault(truth: StepTruth, placement: Placement | None) -> tuple[Layer, str] | None:
    step = truth.step
    if placement is None:
        return "perception", f"{step.text!r} is near no true thing of its names, or near two"
    return motion_fault(truth, step, (placement.what,), () if placement.onto is None else (placement.onto,))
