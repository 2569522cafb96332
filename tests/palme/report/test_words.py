"""No page shows the values of a program: figures are numbers, everything else is words."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from palme.events import Finished
from palme.report.corrections_page import corrections_page
from palme.report.eval_page import eval_page
from palme.report.outcome import KINDS, first_command, outcome, success_probability
from palme.report.parts import footer, worded
from palme.report.results import (
    CameraKnock,
    Collected,
    CorrectionResults,
    CorrectionTraining,
    EvalResults,
    EvalTiming,
    Failure,
    Gain,
    Quantiles,
    TaskResult,
    Trial,
)
from palme.report.run_page import run_page
from tests.palme.report.test_run_page import ReadingPlanner, a_run

RAW = re.compile(r"\b(?:None|True|False|nan|NaN|inf|Infinity|null)\b")
SETTINGS = {
    "seed": 1, "episodes": 50, "split": "test", "distractors": None, "robot": "panda", "planner": "palme",
    "policy": "keypose", "phrasings": None, "workers": 2, "complete": True, "controls": False, "record": "",
}  # fmt: skip
NUMBERS = (None, 0.0, 1.234, math.nan, math.inf)


def visible(page):
    """What a person reads, titles and labels included."""
    page = re.sub(r"<style>.*?</style>|data:[\w/;,+=\-]*", "", page, flags=re.DOTALL)
    labels = re.findall(r'(?:title|aria-label|alt)="([^"]*)"', page)
    return unescape(" ".join([re.sub(r"<[^>]*>", " ", page), *labels]))


def counts(episodes=0, won=0, **more):
    interval = (won / max(episodes, 1), 1.0)
    return TaskResult(episodes, won, won, interval, 0, **more)


def evaluations():
    rows = [counts(), counts(3, 2, steps_mean=1.5, replans_mean=0.0), counts(50, 0)]
    rows += [counts(2, 1, steps_mean=a, replans_mean=b) for a, b in itertools.product(NUMBERS, NUMBERS)]
    rows += [
        counts(1, 0, failures=(Failure(0, "do <it>", "", ()), Failure(1, "", "gave up", (("put", False),))))
    ]
    rows += [replace(counts(1, 1), wilson95=(math.nan, math.nan))]
    timings = [
        EvalTiming(0.0, 0.0, {}),
        EvalTiming(2.0, 4.0, {"plan": 1.0}, Quantiles(math.nan, 1.0), None, math.nan),
        EvalTiming(math.nan, math.inf, {"plan": 1.0}, None, Quantiles(20.0, 30.0), 2.0),
        EvalTiming(1.0, 1.0, {"plan": math.nan}),
    ]  # fmt: skip
    settings = [SETTINGS, {}, {"complete": False}, {key: None for key in SETTINGS}]
    settings += [{"complete": True, key: value} for key in SETTINGS for value in (None, False, math.nan, "")]
    for k, (row, timing) in enumerate(itertools.product(rows, timings)):
        controls = {"blanked": {"put_in_bowl": row}} if k % 2 else {}
        yield EvalResults("", settings[k % len(settings)], {"put_in_bowl": row}, row, timing, controls)
    for some in settings:
        yield EvalResults("abc", some, {"a": rows[1], "b": rows[0]}, rows[1], timings[1], {})


@pytest.mark.parametrize("results", evaluations())
def test_no_evaluation_shows_a_program_s_value(results) -> None:
    text = visible(eval_page(results))
    assert not RAW.findall(text)
    assert "tasks achieved" not in text
    assert re.search(r"\d+ of \d+ episodes achieved", text) or "No episode was run" in text


def trainings():
    for value in NUMBERS:
        yield CorrectionTraining(None, 3, value, value, None, value, ((0.1, 0.1, 0.1, 0.1, 0.2, 0.2),))
    yield CorrectionTraining()


@pytest.mark.parametrize("training", trainings())
def test_no_page_of_corrections_shows_a_program_s_value(training) -> None:
    trial = Trial(10, 5, (0.2, 0.8))
    results = CorrectionResults(
        "", {"seed": None, "arm": True, "x": math.nan}, CameraKnock("front", 10.0, 2.0), Collected(5, 3, 2),
        {"taught": training, "own": training}, {"before": trial, "after": trial},
        Gain(0.0, (-0.1, 0.1), 5, 1, 1, 3),
    )  # fmt: skip
    assert not RAW.findall(visible(corrections_page(results)))


@pytest.mark.parametrize("probability", [None, math.nan, 0.0, 0.014, 1.0])
@pytest.mark.parametrize("truth", [None, True, False])
@pytest.mark.parametrize(
    "details", [{}, {"commit": None, "seed": math.nan, "dry": True, "x": "", "y": (1, None)}]
)
def test_no_run_shows_a_program_s_value(probability, truth, details) -> None:
    planner = ReadingPlanner(["put the red block in the blue bowl"], [False, True])
    judge = planner.was_successful
    planner.was_successful = lambda context, step: replace(judge(context, step), probability=probability)
    record, limits = a_run(planner, **details)
    record.truth = truth
    text = visible(run_page(record, limits, 20.0))
    assert not RAW.findall(text)
    if probability == 0.014:
        assert "judged failed success probability 1 %" in re.sub(r"\s+", " ", text)
    assert not re.search(r"(?:failed|done) [·(]? ?\d+ %", text)  # never a bare share beside a verdict


@pytest.mark.parametrize(
    "cause",
    "done answered asked refused stuck replans steps rejected stopped error other".split(),
)
@pytest.mark.parametrize("truth", [None, True, False])
def test_a_run_is_achieved_only_by_an_independent_check(cause, truth) -> None:
    found = outcome(Finished(1.0, cause == "done", cause, "because", 1, 0), truth)
    assert found.kind in KINDS and found.title and found.reason
    assert (found.title == "Achieved") == (cause == "done" and truth is True)
    assert ("model can see" in found.title) == (cause == "done" and truth is None)


def test_words_for_every_kind_of_value() -> None:
    assert [worded(x) for x in (None, True, False, np.bool_(True), "", (), math.nan, 0.5, np.float64(2))] == [
        "not set", "yes", "no", "yes", "not set", "none", "unknown", "0.5", "2",
    ]  # fmt: skip
    assert footer({"success_at": None}) == "<footer>success at not set</footer>"
    assert success_probability(0.009) == "success probability 1 %" and success_probability(math.nan) == ""


def test_the_time_to_the_first_command_is_said_with_its_parts():
    first = {"total": 0.914, "read": 0.5, "look": 0.1, "plan": 0.2, "policy": 0.11}
    said = first_command(Finished(1.0, True, "done", "", 1, 0, {}, first))
    assert "0.91 s" in said and "reading 0.50" in said and "policy 0.11" in said
    assert first_command(Finished(1.0, True, "done", "", 1, 0)) == ""
