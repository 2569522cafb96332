"""Promises of `palme eval suite=FILE`: verdicts that an arm, a plan and a person's words deserve."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from palme.agent import AgentLimits
from palme.cli.config import load
from palme.cli.evaluation.suite import command
from palme.cli.evaluation.suite.case_result import CaseResult
from palme.cli.evaluation.suite.case_watch import located
from palme.cli.evaluation.suite.episode import run_case
from palme.cli.evaluation.suite.specs import CaseSpec
from palme.cli.evaluation.suite.threshold import sweep
from palme.cli.main import main
from palme.cli.paths import CONFIGS
from palme.cli.rig.baselines import ExpertPolicy
from palme.cli.rig.build import Rig, build_rig
from palme.cli.settings.run import EvalConfig
from palme.errors import Answer, NoMotion, Question, StepFailed
from palme.planners.base import Context, PlannedStep, Verdict
from palme.report.chain import read_chain
from palme.types import Goal
from robots.skills import DONE, Step
from robots.types import ActionChunk, Observation
from sim.suites.loading import suite_of
from sim.suites.verdict import GRADES
from sim.suites.verdict import Verdict as Graded
from sim.tasks.steps import indices

EXAMPLE = CONFIGS / "suites" / "example.yaml"
TOLD: dict[str, Any] = {
    "schema": 1,
    "tables": {
        "t": {
            "a": {"kind": "block", "colour": "red", "size": "small", "at": [0.45, -0.10]},
            "b": {"kind": "block", "colour": "blue", "size": "small", "at": [0.55, 0.00]},
            "g": {"kind": "bowl", "colour": "green", "at": [0.50, 0.20]},
            "h": {"kind": "bowl", "colour": "pink", "at": [0.50, -0.20]},
        }
    },
    "cases": [
        {"id": "two", "category": "x", "table": "t", "say": "both in",
         "want": {"all": [{"in": ["a", "g"]}, {"in": ["b", "g"]}]}},
        {"id": "ask", "category": "y", "table": "t", "say": "how many?", "answer": ["2"]},
        {"id": "no", "category": "z", "table": "t", "say": "coffee", "refuse": True},
    ],
}  # fmt: skip
SUITE = suite_of(TOLD, "s.yaml")
RED, BLUE = Step.put("red block", "green bowl"), Step.put("blue block", "green bowl")
ELSEWHERE = Step.put("blue block", "pink bowl")


class Scripted:
    """A planner of given steps; whether one succeeded it is told by the simulator."""

    def __init__(self, rig: Rig, *steps: Step, words: NoMotion | None = None, believes: bool = False) -> None:
        self._rig, self._steps, self._words, self._believes = rig, steps, words, believes

    def next_step(self, context: Context) -> PlannedStep:
        if self._words is not None:
            raise self._words
        done = sum(success for _, success in context.history)
        return PlannedStep(self._steps[done] if done < len(self._steps) else DONE)

    def was_successful(self, context: Context, step: Step) -> Verdict:
        assert self._rig.table is not None
        state = self._rig.table.truth()
        i, j = indices(state, step)
        return Verdict(self._believes or state.container(i) == j)


class Unable(ExpertPolicy):
    """Carries out the expert's motions, but fails at one thing."""

    def __init__(self, arm: Any, what: str) -> None:
        super().__init__(arm)
        self._what = what

    def act(self, observation: Observation, goal: Goal) -> ActionChunk:
        if isinstance(goal, Step) and goal.what == self._what:
            raise StepFailed("cannot")
        return super().act(observation, goal)


class Astray(ExpertPolicy):
    """Puts the blue block somewhere else than told."""

    def act(self, observation: Observation, goal: Goal) -> ActionChunk:
        return super().act(observation, ELSEWHERE if goal == BLUE else goal)


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    rig = build_rig(load(EvalConfig, ["planner=oracle", "policy=expert"]))
    yield rig
    rig.close()


def test_the_log_of_a_case_tells_why(rig: Rig, tmp_path: Path) -> None:
    rig.planner, rig.policy = Scripted(rig, RED, BLUE), ExpertPolicy(rig.arm)
    case = SUITE.cases[0]
    spec = CaseSpec(0, case, SUITE.tables["t"], case.say, 0)
    result = run_case(rig, spec, AgentLimits(max_replans=1), logs=tmp_path / "two")
    assert result.verdict.grade == "right"
    chain = read_chain(tmp_path / "two", 2)
    assert chain.instruction == "both in" and chain.judged["success"] and chain.gate.accepted > 0
    assert "blue block" in chain.text


def played(rig: Rig, id: str, planner: Any, policy: Any = None) -> CaseResult:
    k, case = next((k, case) for k, case in enumerate(SUITE.cases) if case.id == id)
    rig.planner, rig.policy = planner, policy or ExpertPolicy(rig.arm)
    return run_case(rig, CaseSpec(k, case, SUITE.tables["t"], case.say, 0), AgentLimits(max_replans=1))


def test_a_right_plan_that_is_carried_out_is_right(rig: Rig) -> None:
    result = played(rig, "two", Scripted(rig, RED, BLUE))
    assert result.verdict == Graded("right") and result.steps == ((RED.text, True), (BLUE.text, True))
    assert result.pictures is not None and all(jpeg[:2] == b"\xff\xd8" for jpeg in result.pictures)
    assert result.read_ms is not None and len(result.replan_ms) == 2


def test_a_wrong_plan_is_wrong_whatever_the_arm_does(rig: Rig) -> None:
    for policy in (ExpertPolicy(rig.arm), Unable(rig.arm, "red block")):
        assert played(rig, "two", Scripted(rig, RED, ELSEWHERE), policy).verdict.grade == "wrong"
    assert played(rig, "two", Scripted(rig, RED)).verdict.grade == "wrong"


def test_a_right_plan_that_the_arm_cannot_carry_out_is_failed(rig: Rig) -> None:
    for policy in (Unable(rig.arm, "red block"), Unable(rig.arm, "blue block")):
        result = played(rig, "two", Scripted(rig, RED, BLUE), policy)
        assert (result.verdict.grade, result.ending) == ("failed", "gave up")


def test_a_thing_put_elsewhere_than_planned_is_failed(rig: Rig) -> None:
    result = played(rig, "two", Scripted(rig, RED, BLUE, believes=True), Astray(rig.arm))
    assert (result.verdict.grade, result.ending) == ("failed", "done")


def test_words_without_motion(rig: Rig) -> None:
    grades = {
        (id, type(words).__name__): played(rig, id, Scripted(rig, words=words)).verdict.grade
        for id in ("two", "ask", "no")
        for words in (Answer("There are 2."), Question("Which?"), NoMotion("I cannot."))
    }
    assert grades == {
        ("two", "Answer"): "wrong", ("two", "Question"): "refused", ("two", "NoMotion"): "refused",
        ("ask", "Answer"): "right", ("ask", "Question"): "refused", ("ask", "NoMotion"): "refused",
        ("no", "Answer"): "right", ("no", "Question"): "right", ("no", "NoMotion"): "right",
    }  # fmt: skip
    assert played(rig, "ask", Scripted(rig, words=Answer("There are 3."))).verdict.grade == "wrong"
    for id in ("ask", "no"):
        assert played(rig, id, Scripted(rig, RED)).verdict.grade == "wrong"
        assert played(rig, id, Scripted(rig)).verdict.grade == "wrong"  # "done", and nothing said


def test_a_crash_is_wrong_and_ends_no_evaluation(rig: Rig) -> None:
    class Broken(Scripted):
        def next_step(self, context: Context) -> PlannedStep:
            raise ZeroDivisionError

    result = played(rig, "two", Broken(rig))
    assert (result.verdict.grade, result.ending) == ("wrong", "gave up")


def test_obj_k_means_the_thing_where_it_was_seen() -> None:
    class Objects:
        xyz = np.array([[0.4, 0.1, 0.03], [0.5, 0.2, 0.0], [0.4, 0.3, 0.03]])

        def __len__(self) -> int:
            return 3

        def name(self, i: int) -> str:
            return ("red block", "green bowl", "red block")[i]

    step = located(Step.put("obj_3", "green bowl"), Objects())
    assert (step.what, step.what_at, step.target_at) == ("red block", (0.4, 0.3, 0.03), None)


def test_the_command_plays_the_example_from_pixels(tmp_path: Path) -> None:
    told = yaml.safe_load(EXAMPLE.read_text())
    told["cases"] = [case for case in told["cases"] if case["table"] == "bench"]
    file = tmp_path / "bench.yaml"
    file.write_text(yaml.safe_dump(told))
    words = [f"suite={file}", "planner=palme", "policy=keypose", "controls=true", f"out={tmp_path}"]
    assert main(["eval", *words]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    n = len(told["cases"])
    assert results["suite"]["n"] == n == sum(results["suite"][grade] for grade in GRADES)
    verdicts = {case["id"]: case["verdict"] for case in results["cases"]}
    assert verdicts["plain"] == "right" and verdicts["beyond"] == "right"
    assert results["suite"]["wrong"] == 0  # what the small model does not understand it refuses
    assert results["controls"]["blanked"]["n"] == n
    assert results["controls"]["blanked"]["right"] < results["suite"]["right"]
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2 * n


def test_the_same_seed_gives_the_same_numbers_however_many_work(tmp_path: Path) -> None:
    contents, file = [], tmp_path / "s.yaml"
    file.write_text(yaml.safe_dump(TOLD))
    for workers in (1, 2):
        out = tmp_path / str(workers)
        words = [f"suite={file}", "planner=oracle", "policy=expert", f"workers={workers}", f"out={out}"]
        assert main(["eval", *words]) == 0
        content = json.loads((out / "results.json").read_text())
        contents.append({k: v for k, v in content.items() if k not in ("timing", "settings")})
    assert contents[0] == contents[1]


def interrupted(after: int) -> Any:
    def play(config: EvalConfig, specs: Sequence[CaseSpec]) -> Iterator[CaseResult]:
        for spec in specs[:after]:
            yield CaseResult(spec.case, spec.said, "", Graded("right"), "done", "", probability=0.5)
        if after < len(specs):
            raise KeyboardInterrupt

    return play


def test_ctrl_c_keeps_what_was_played_and_spares_what_is_finished(tmp_path: Path, monkeypatch: Any) -> None:
    def evaluated(after: int) -> int:
        monkeypatch.setattr(command, "play", interrupted(after))
        return main(["eval", f"suite={EXAMPLE}", f"out={tmp_path}"])

    def n(name: str) -> int:
        return int(json.loads((tmp_path / name).read_text())["suite"]["n"])

    assert evaluated(2) != 0 and n("results.json") == 2
    assert evaluated(3) != 0 and n("results.json") == 3  # more than the unfinished one before
    assert evaluated(16) == 0 and n("results.json") == 16
    assert evaluated(5) != 0 and n("results.json") == 16 and n("results.partial.json") == 5
    assert (tmp_path / "report.partial.html").exists() and (tmp_path / "threshold.png").exists()
    assert evaluated(0) != 0 and n("results.json") == 16


def test_a_higher_threshold_turns_readings_into_refusals() -> None:
    ask, no = SUITE.cases[1], SUITE.cases[2]
    results = [
        CaseResult(ask, "", "", Graded("right"), "answered", "", probability=0.9),
        CaseResult(ask, "", "", Graded("wrong", "x"), "answered", "", probability=0.6),
        CaseResult(no, "", "", Graded("wrong", "x"), "done", "", probability=0.3),
        CaseResult(no, "", "", Graded("right"), "refused", ""),
    ]
    found = {point.threshold: (point.right, point.wrong, point.acted) for point in sweep(results)}
    assert found[0.0] == (0.5, 0.5, 0.75)
    assert found[0.5] == (0.75, 0.25, 0.5)
    assert found[0.7] == (0.75, 0.0, 0.25)
    assert found[1.0] == (0.5, 0.0, 0.0)
    assert sweep(results[3:]) == ()
    unsure = CaseResult(
        ask, "", "", Graded("refused", "?"), "refused", "", confidence=0.4, if_acted_on=Graded("wrong", "x")
    )
    found = {point.threshold: (point.right, point.wrong) for point in sweep([unsure])}
    assert found[0.4] == (0.0, 1.0) and found[0.5] == (0.0, 0.0)
