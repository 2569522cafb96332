"""What else moved is seen in simulation and over the bridge; the last words say no more than is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from palme.cli.evaluation.episode import EpisodeResult, EpisodeSpec
from palme.cli.evaluation.results import summary
from palme.cli.rig.run_judge import CAMERA, SIMULATOR, Judgement, RunJudge, closing
from palme.events import Planned
from palme.report.eval_page import eval_page
from palme.report.results import EvalResults
from robots.skills import DONE, Step
from sim.judging.bystanders import Bystander
from sim.judging.goal_file import GoalFile
from sim.judging.judge import Verdict
from tests.planner_fakes import scene, seen
from tests.sim.judging.tables import table

PUT = Step.put("green block", "blue bowl")
CYLINDER = "orange cylinder"
IN_BLUE = (0.50, 0.22, "B")
NAMES = ("green block", "blue bowl", "pink block", "red block")


def judged(changes, goal=None, steps=(PUT,)):
    tables = [table(), table(changes)]
    judge = RunJudge(SimpleNamespace(snapshot=lambda: tables.pop(0)), goal)
    return judge.judgement(steps)


@pytest.mark.parametrize(
    ("changes", "moved"),
    [
        ({"g": IN_BLUE}, []),
        ({"g": IN_BLUE, "c": (0.52, -0.20, None)}, [(CYLINDER, 0.04)]),
        ({"g": IN_BLUE, "c": (0.52, -0.225, None)}, []),
        ({"g": IN_BLUE, "B": (0.50, 0.25, None)}, [("blue bowl", 0.03)]),
        ({"c": (0.52, -0.20, None), "R": (0.65, 0.05, None)}, [(CYLINDER, 0.04), ("red block", 0.03)]),
    ],
)  # fmt: skip
def test_what_else_moved_is_measured_in_simulation(changes, moved):
    judgement = judged(changes)
    assert sorted((b.name, round(b.metres, 3)) for b in judgement.bystanders) == moved
    assert judgement.measured == SIMULATOR and judgement.goal is None
    assert [b["name"] for b in judgement.fields()["bystanders_moved"]] == [
        b.name for b in judgement.bystanders
    ]
    assert bool(moved) == judgement.moved_besides().startswith("Also moved, though no step was about it")


def test_a_stated_goal_is_judged_on_the_true_table():
    goal = GoalFile("goal.yaml", {"in": ["green block", "blue bowl"]}, ("orange cylinder",))
    assert judged({"g": IN_BLUE}, goal).goal == Verdict(True)
    spoilt = judged({"g": IN_BLUE, "c": (0.52, -0.20, None)}, goal)
    assert spoilt.goal == Verdict(False, ("unmoved: orange cylinder",))
    assert spoilt.fields()["goal_reached"] is False


def planned(shift=None, names=NAMES):
    objects = seen(scene(*names))
    for name, by in (shift or {}).items():
        objects.xyz[names.index(name), 1] += by
    return Planned(0.0, 0, DONE, "", 0.0, None, None, objects)


@pytest.mark.parametrize(
    ("last", "moved"),
    [
        (planned(), []),
        (planned({"green block": 0.3}), []),
        (planned({"green block": 0.3, "pink block": 0.05}), ["pink block"]),
        (planned({"pink block": 0.015}), []),
        (
            planned({"pink block": 0.05}, ("green block", "blue bowl", "pink block", "red block")),
            ["pink block"],
        ),
    ],
)
def test_over_the_bridge_it_is_what_the_detector_saw_first_and_last(last, moved):
    judge = RunJudge(None, None)
    for event in (planned(), planned({"red block": 0.5}), last):
        judge(event)
    judgement = judge.judgement((PUT,))
    assert [b.name for b in judgement.bystanders] == moved and judgement.measured == CAMERA
    assert not moved or "as the camera saw it" in judgement.moved_besides()


def test_what_is_seen_twice_or_once_only_is_not_called_moved():
    judge = RunJudge(None, None)
    judge(planned())
    assert judge.judgement(()).bystanders == ()
    judge(planned({"pink block": 0.4}, ("green block", "pink block", "pink block")))
    assert "pink block" not in [b.name for b in judge.judgement(()).bystanders]


@pytest.mark.parametrize(
    ("done", "goal", "stated", "achieved", "text"),
    [
        (True, Verdict(True), True, True, "achieved"),
        (True, Verdict(False, ("in: [r, B]",)), True, False, "not achieved: in: [r, B]"),
        (False, Verdict(True), True, False, "not achieved: the goal is reached, but"),
        (False, Verdict(False, ("in: [r, B]",)), True, False, "not achieved: in: [r, B]"),
        (True, None, True, False, "not achieved: the table cannot be asked"),
        (True, None, False, None, "done, as far as the model can see"),
        (False, None, False, None, "not achieved"),
    ],
)
def test_achieved_is_said_only_of_a_stated_goal_that_is_reached(done, goal, stated, achieved, text):
    said = closing(done, Judgement(goal, (), SIMULATOR), achieved)
    assert said.startswith(text) and (said == "achieved") == (stated and achieved is True)
    moved = closing(done, Judgement(goal, (Bystander("red block", 0.031),), SIMULATOR), achieved)
    assert moved.splitlines()[1:] == ["Also moved, though no step was about it: the red block by 3 cm."]


def test_an_evaluation_lists_what_else_moved_by_episode_and_counts_it():
    def result(index, *moved):
        spec = EpisodeSpec("put_in_bowl", index, 7)
        return EpisodeResult(
            spec, "put", True, True, True, "done", "", (), 0, 1.0, 1.0, {"plan": 1.0}, bystanders=moved
        )

    thing = Bystander("red block", 0.05)
    content = summary(
        [result(0), result(1, thing, Bystander("pink bowl", 0.03)), result(2, thing)], ["put_in_bowl"], {}
    )
    row = content["tasks"]["put_in_bowl"]
    assert row["bystanders_moved_n"] == 3 == content["overall"]["bystanders_moved_n"]
    assert [e["index"] for e in row["bystanders_moved"]] == [1, 2]
    assert row["bystanders_moved"][1] == {
        "index": 2,
        "seed": 7,
        "moved": [{"name": "red block", "metres": 0.05}],
    }
    settings = {"seed": 7, "split": "test", "planner": "p", "policy": "q", "complete": True, "episodes": 3}
    page = eval_page(EvalResults.from_json({**content, "settings": settings}))
    assert "3 things moved by more than 2 cm" in page and "pink bowl 3 cm" in page
    assert np.isfinite(row["bystanders_moved"][0]["moved"][0]["metres"])
