"""Verdicts as the format defines them; in doubt, wrong."""

from __future__ import annotations

import dataclasses

import pytest

from sim.judging.formula import Moments
from sim.judging.parser import indices_of, parse
from sim.suites.suite import Case
from sim.suites.verdict import Outcome, verdict
from tests.sim.judging.tables import IDS, moments, table

IN_BLUE = {"r": (0.50, 0.22, "B")}
ACT = Case("a", "x", "t", "put it in", want=parse({"in": ["r", "B"]}, indices_of(IDS), ["R"]))
ASK = Case("b", "x", "t", "how many?", answers=("2", "two"))
NO = Case("c", "x", "t", "coffee", refuse=True)
STILL, PUT, ASTRAY = moments(), moments(IN_BLUE), moments({"r": (0.55, -0.2, None)})


@pytest.mark.parametrize(
    ("case", "ending", "commanded", "said", "there", "plan", "grade"),
    [
        (ACT, "done", True, "", PUT, None, "right"),
        (ACT, "gave up", True, "", PUT, None, "right"),  # what counts is how it stands
        (ACT, "done", True, "", ASTRAY, None, "wrong"),
        (ACT, "done", True, "", ASTRAY, PUT, "failed"),
        (ACT, "done", True, "", ASTRAY, STILL, "wrong"),
        (ACT, "gave up", True, "", STILL, PUT, "failed"),
        (ACT, "gave up", True, "", STILL, None, "wrong"),
        (ACT, "refused", False, "I see no red block.", STILL, None, "refused"),
        (ACT, "asked", False, "Which?", STILL, None, "refused"),
        (ACT, "refused", True, "I cannot go on.", ASTRAY, None, "wrong"),
        (ACT, "answered", False, "There is nothing to do.", STILL, None, "wrong"),
        (ACT, "done", False, "", STILL, None, "wrong"),
        (ACT, "done", False, "", STILL, PUT, "wrong"),  # nothing was commanded: no arm failed
        (ASK, "answered", False, "There are 2.", STILL, None, "right"),
        (ASK, "answered", False, "There are 3.", STILL, None, "wrong"),
        (ASK, "answered", True, "There are 2.", PUT, None, "wrong"),
        (ASK, "refused", False, "I do not understand.", STILL, None, "refused"),
        (ASK, "refused", False, "You ask for 2, and I see one.", STILL, None, "refused"),
        (ASK, "asked", False, "Which?", STILL, None, "refused"),
        (ASK, "done", False, "", STILL, None, "wrong"),
        (NO, "refused", False, "I cannot do that.", STILL, None, "right"),
        (NO, "asked", False, "Which?", STILL, None, "right"),
        (NO, "answered", False, "No.", STILL, None, "right"),
        (NO, "refused", True, "I cannot go on.", STILL, None, "wrong"),
        (NO, "done", False, "", STILL, None, "wrong"),
        (NO, "done", True, "", PUT, None, "wrong"),
    ],
)
def test_the_grade(case, ending, commanded, said, there, plan, grade) -> None:
    found = verdict(case, Outcome(ending, commanded, said, there, plan))
    assert found.grade == grade
    assert bool(found.why) is (grade != "right")


def test_what_was_to_be_left_alone_counts() -> None:
    there = moments({**IN_BLUE, "R": (0.62, 0.10, None)})
    assert verdict(ACT, Outcome("done", True, "", there)).grade == "wrong"


def test_the_gripper_must_have_let_go() -> None:
    held = Moments(table(), dataclasses.replace(table(IN_BLUE), held=IDS["c"]))
    assert verdict(ACT, Outcome("done", True, "", held)).grade == "wrong"
