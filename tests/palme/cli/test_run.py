"""`palme run` end to end, with the privileged baselines so that no weights are needed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from palme.cli.main import main
from palme.cli.rig.policies import ExpertConfig
from robots.types import ActionChunk

PRIVILEGED = ["planner=oracle", "policy=expert", "look=fast"]
PUT = "put the red block in the blue bowl"


def events(out):
    return [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]


def test_a_run_writes_log_film_and_page(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "palme.cli.rig.filming.FPS", 1
    )  # one frame a second: the film itself is tested elsewhere
    assert main(["run", PUT, *PRIVILEGED, "seed=3", f"out={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert PUT in said and "judged done" in said and "achieved" in said
    assert events(tmp_path)[-1]["achieved"] is True
    page = (tmp_path / "report.html").read_text()
    assert "data:video/mp4" in page and "privileged" in page
    assert (tmp_path / "video.mp4").stat().st_size > 1000


@pytest.mark.parametrize("robot", ["ur5e", "xarm6", "iiwa7", "iiwa14"])
def test_any_arm_of_the_configuration_achieves_the_task(robot, tmp_path, monkeypatch):
    monkeypatch.setattr("palme.cli.rig.filming.FPS", 1)
    film = f"video={str(robot == 'ur5e').lower()}"
    assert main(["run", PUT, *PRIVILEGED, f"robot={robot}", film, f"out={tmp_path}"]) == 0
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


def test_a_sentence_outside_the_skills_gets_an_answer_and_no_motion(tmp_path, capsys):
    assert main(["run", "sing a song", *PRIVILEGED, "video=false", f"out={tmp_path}"]) == 1
    kinds = [line["event"] for line in events(tmp_path)]
    assert "acted" not in kinds and "not achieved" in capsys.readouterr().out
    assert "No command was sent" in (tmp_path / "report.html").read_text()


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
    assert finished["cause"] == "refused" and "CommandNotFinite" in finished["reason"]
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
    assert main(["run", "sing", *PRIVILEGED, "video=false", "seed=4", f"out={first}"]) == 1
    scene = first / "scene.yaml"
    assert main(["run", "sing", *PRIVILEGED, "video=false", f"scene={scene}", f"out={second}"]) == 1
    assert (second / "scene.yaml").read_text() == scene.read_text()
