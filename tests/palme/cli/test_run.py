"""`palme run` end to end, with the privileged baselines so that no weights are needed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from palme.cli.main import main
from palme.cli.rig.policies import ExpertConfig
from palme.cli.rig.scene_from_text import scene_for
from robots.types import ActionChunk

PRIVILEGED = ["planner=oracle", "policy=expert", "look=fast"]
PUT = "put the red block in the blue bowl"


def events(out):
    return [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]


@pytest.fixture
def goal(tmp_path):
    path = tmp_path / "goal.yaml"
    path.write_text("want: {in: [red block, blue bowl]}")
    return path


def test_a_run_writes_log_film_and_page(tmp_path, capsys, monkeypatch, goal):
    # one frame a second: the film itself is tested elsewhere
    monkeypatch.setattr("palme.cli.rig.filming.FPS", 1)
    assert main(["run", PUT, *PRIVILEGED, "seed=3", f"goal={goal}", f"out={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert PUT in said and "judged done" in said and "\nachieved" in said
    assert events(tmp_path)[-1]["achieved"] is True
    page = (tmp_path / "report.html").read_text()
    assert "data:video/mp4" in page and "privileged" in page and "Achieved" in page
    assert (tmp_path / "video.mp4").stat().st_size > 1000


def test_without_a_stated_goal_nothing_is_called_achieved(tmp_path, capsys):
    assert main(["run", PUT, *PRIVILEGED, "seed=3", "video=false", f"out={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert "done, as far as the model can see" in said and "achieved" not in said
    assert events(tmp_path)[-1]["achieved"] is None and events(tmp_path)[-1]["done"] is True
    assert "Achieved" not in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    "want",
    ["not: {in: [red block, blue bowl]}", "in: [blue bowl, red block]", "all: [{unmoved: red block}]"],
)
def test_a_stated_goal_is_judged_and_not_the_sentence(tmp_path, capsys, want):
    path = tmp_path / "goal.yaml"
    path.write_text(f"want: {{{want}}}")
    assert main(["run", PUT, *PRIVILEGED, "seed=3", "video=false", f"goal={path}", f"out={tmp_path}"]) == 1
    said = capsys.readouterr().out
    assert "not achieved: " in said and "\nachieved" not in said
    judged = next(line for line in events(tmp_path) if line["event"] == "judgement")
    assert judged["goal_reached"] is False and len(judged["failures"]) == 1
    assert events(tmp_path)[-1]["achieved"] is False
    assert "Not achieved" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("want: {inn: [red block, blue bowl]}", "did you mean 'in'"),
        ("want: {on_table: pink bow}", "pink bow"),
    ],
)
def test_a_goal_that_cannot_be_read_moves_nothing(tmp_path, capsys, text, message):
    path = tmp_path / "goal.yaml"
    path.write_text(text)
    out = tmp_path / "out"
    assert main(["run", PUT, *PRIVILEGED, "video=false", f"goal={path}", f"out={out}"]) == 2
    assert message in capsys.readouterr().err
    assert main(["run", PUT, *PRIVILEGED, f"goal={tmp_path / 'none'}", f"out={out}"]) == 2


@pytest.mark.parametrize("robot", ["ur5e", "xarm6", "iiwa7", "iiwa14"])
def test_any_arm_of_the_configuration_achieves_the_task(robot, tmp_path, monkeypatch, goal):
    monkeypatch.setattr("palme.cli.rig.filming.FPS", 1)
    film = f"video={str(robot == 'ur5e').lower()}"
    assert main(["run", PUT, *PRIVILEGED, f"robot={robot}", film, f"goal={goal}", f"out={tmp_path}"]) == 0
    assert events(tmp_path)[-1]["achieved"] is True
    assert (tmp_path / "video.mp4").exists() == (robot == "ur5e")


def test_an_arm_of_six_joints_is_run_from_pixels(tmp_path):
    main(
        [
            "run",
            PUT,
            "robot=ur5e",
            "video=false",
            "limits.max_steps=1",
            "limits.max_replans=0",
            f"out={tmp_path}",
        ]
    )
    log = events(tmp_path)
    assert any(line["event"] == "acted" for line in log)
    assert next(line for line in log if line["event"] == "finished")["cause"] != "error"


@pytest.mark.parametrize(
    ("sentence", "named"),
    [
        ("sing a song", '"sing"'),
        ("do not put the red block in the blue bowl", '"not" (negation)'),
        ("take the yellow block out of the blue bowl", '"out"'),
        ("put the big red block in the blue bowl", '"big" (a size)'),
        ("put teh red blcok in the bleu bowl", 'did you mean "block"?'),
        ("is the red block in the blue bowl?", "what they ask for"),
        ("put the blue bowl in the red block", "what they ask for"),
        ("把红色的积木放进蓝色的碗里", "把红色的积木放进蓝色的碗里"),
    ],
)
@pytest.mark.parametrize("where", ["generated", "scene", "bridge"])
def test_words_that_are_not_understood_move_nothing(tmp_path, capsys, monkeypatch, sentence, named, where):
    def built(*_):
        raise AssertionError("an arm was connected for a sentence that is refused")

    monkeypatch.setattr("palme.cli.rig.build.build_rig", built)
    more = {"generated": PRIVILEGED, "bridge": ["robot=bridge"]}.get(where)
    if more is None:
        path = tmp_path / "scene.yaml"
        path.write_text(scene_for(PUT, 1, 2).to_yaml())
        more = [*PRIVILEGED, f"scene={path}"]
    assert main(["run", sentence, *more, "video=false", f"out={tmp_path}"]) == 1
    said = capsys.readouterr().out
    assert named in said and "I can put a block" in said and "not achieved: refused" in said
    finished = next(line for line in events(tmp_path) if line["event"] == "finished")
    assert finished["cause"] == "refused" and named in finished["reason"] and not finished["done"]
    assert events(tmp_path)[-1]["achieved"] is False
    page = (tmp_path / "report.html").read_text()
    assert "No command was sent" in page and "Refused" in page


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_nan_from_a_policy_never_reaches_the_simulator(tmp_path, capsys, monkeypatch, poison):
    class Poisoned:
        done, cameras, localisations = False, (), ()

        def __init__(self, arm):
            self.arm = arm

        def reset(self):
            pass

        def act(self, observation, step):
            targets = np.repeat(observation.robot.q[None], 4, 0)
            targets[2, 3] = poison
            return ActionChunk(targets, np.ones(4), 20.0)

    monkeypatch.setattr(ExpertConfig, "build", lambda config, parts: Poisoned(parts.arm))
    assert main(["run", PUT, *PRIVILEGED, "video=false", f"out={tmp_path}"]) == 1
    log = events(tmp_path)
    acted = next(line for line in log if line["event"] == "acted")
    assert len(acted["q_sent"]) == 2 and np.isfinite(acted["q_sent"]).all()
    finished = next(line for line in log if line["event"] == "finished")
    assert finished["cause"] == "rejected" and "CommandNotFinite" in finished["reason"]
    assert "CommandNotFinite" in (tmp_path / "report.html").read_text()


def test_ctrl_c_leaves_a_readable_report(tmp_path, capsys, monkeypatch):
    from palme.cli.rig.baselines import ExpertPolicy

    act = ExpertPolicy.act

    def interrupted(self, observation, step):
        if hasattr(self, "once"):
            raise KeyboardInterrupt
        self.once = True
        return act(self, observation, step)

    monkeypatch.setattr(ExpertPolicy, "act", interrupted)
    assert main(["run", PUT, *PRIVILEGED, "video=false", f"out={tmp_path}"]) == 1
    assert "Stopped by Ctrl-C" in (tmp_path / "report.html").read_text()
    assert any(line["event"] == "finished" and line["cause"] == "stopped" for line in events(tmp_path))


def test_the_scene_of_a_run_can_be_used_again(tmp_path, capsys):
    first, second = tmp_path / "a", tmp_path / "b"
    assert main(["run", PUT, *PRIVILEGED, "video=false", "seed=4", f"out={first}"]) == 0
    scene = first / "scene.yaml"
    assert main(["run", PUT, *PRIVILEGED, "video=false", f"scene={scene}", f"out={second}"]) == 0
    assert (second / "scene.yaml").read_text() == scene.read_text()
