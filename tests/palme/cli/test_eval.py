"""Promises of `palme eval`: counts anyone can reproduce, and controls that show what they should."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from palme.cli.commands.eval import main
from palme.cli.config import load
from palme.cli.evaluation import workers
from palme.cli.evaluation.episode import CONTROLS, Blanked, EpisodeSpec, draw
from palme.cli.settings.run import EvalConfig
from palme.report.chain import read_chain
from palme.report.stats import wilson
from sim.data.scene_sampler import layout
from sim.tasks import TASKS, sample

ORACLE = ["planner=oracle", "policy=expert", "robot=panda"]  # what is tested is the evaluation, not a model


def evaluated(out, *more: str) -> dict:
    assert main([*ORACLE, f"out={out}", *more]) == 0
    assert "<html" in (out / "report.html").read_text().lower()
    return json.loads((out / "results.json").read_text())


def without_timing(results: dict) -> dict:
    settings = {k: v for k, v in results["settings"].items() if k != "workers"}
    return {k: v for k, v in results.items() if k not in ("timing", "settings", "commit")} | settings


@pytest.fixture(scope="module")
def controlled(tmp_path_factory):
    out = tmp_path_factory.mktemp("eval")
    ask = ["episodes=1", "tasks=[put_in_bowl,stack_tower]", "controls=true", "seed=3", "logs=true"]
    return evaluated(out, *ask) | {"out": out}


def test_results_are_counts_with_their_interval(controlled):
    assert controlled["schema"] == "palme-eval/1"
    for name in ("put_in_bowl", "stack_tower"):
        row = controlled["tasks"][name]
        assert row["episodes"] == 1
        assert 0 <= row["success_at_end"] <= row["success_ever"] <= 1
        assert row["wilson95"] == [round(x, 4) for x in wilson(row["success_at_end"], 1)]
        assert row["steps_mean"] >= 1
    assert controlled["overall"]["episodes"] == 2
    assert controlled["timing"]["arm_s"] > 0


def test_the_oracle_achieves_its_instruction(controlled):
    assert controlled["overall"]["success_at_end"] == 2


def test_words_are_followed_done_is_measured_and_failures_have_a_layer(controlled):
    follow, done = controlled["follow"]["overall"], controlled["done"]
    assert follow["followed"] == follow["pairs"] and follow["goes_where_told"] == 2 * follow["pairs"] > 0
    assert (follow["unsaid"], follow["moved_unsaid"]) == (2, 0)
    assert (done["said"], done["false"], done["missed"]) == (2, 0, 0) and done["late_s"]["median"] >= 0
    assert sum(controlled["failed_by_layer"].values()) == 0


def test_the_log_of_an_episode_tells_why(controlled):
    chain = read_chain(controlled["out"] / "episodes" / "put_in_bowl-0", 1)
    assert chain.instruction and chain.acted and chain.gate.accepted > 0 and chain.judged["success"]


def test_every_control_is_played_on_every_task(controlled):
    assert set(controlled["controls"]) == set(CONTROLS)
    for tasks in controlled["controls"].values():
        assert all(tasks[name]["episodes"] == 1 for name in ("put_in_bowl", "stack_tower"))


def test_some_scenes_are_played_again_with_other_words_and_without(tmp_path):
    results = evaluated(tmp_path, "episodes=3", "tasks=[put_in_bowl]", "counterfactual=2", "seed=11")
    assert set(results["controls"]) == {"unsaid", "swapped"}
    assert results["controls"]["unsaid"]["put_in_bowl"]["episodes"] == 2
    follow = results["follow"]["overall"]
    assert 1 <= follow["pairs"] <= 2 and (follow["unsaid"], follow["moved_unsaid"]) == (2, 0)
    page = (tmp_path / "report.html").read_text()
    assert f"{follow['followed']} of {follow['pairs']}" in page and "moved without words" in page
    assert load(EvalConfig, []).counterfactual > 0


@pytest.mark.parametrize("control", ["swapped", "unsaid", "random"])
def test_other_words_and_random_moves_do_not_achieve_the_task(controlled, control):
    assert sum(row["success_at_end"] for row in controlled["controls"][control].values()) == 0


def test_the_same_seed_gives_the_same_numbers_however_many_work(tmp_path):
    ask = ["episodes=2", "tasks=[put_in_bowl]", "seed=11"]
    alone = evaluated(tmp_path / "a", *ask)
    together = evaluated(tmp_path / "b", *ask, "workers=2")
    assert without_timing(alone) == without_timing(together)


@pytest.mark.parametrize("family", TASKS)
def test_an_episode_and_its_controls_share_task_and_scene(family):
    task, scene = draw(EpisodeSpec(family, 4, 1000))
    for control in ("blanked", "random"):
        other_task, other_scene = draw(EpisodeSpec(family, 4, 1000, control=control))
        assert other_task == task
        assert other_scene.to_yaml() == scene.to_yaml()
    assert draw(EpisodeSpec(family, 5, 1000))[1].to_yaml() != scene.to_yaml()


def test_phrasings_of_a_file_are_the_instructions(tmp_path, monkeypatch):
    file = tmp_path / "mine.yaml"
    file.write_text("put_in_bowl: ['{bowl} <- {block}']\n")
    played = []
    run_episode = workers.run_episode
    monkeypatch.setattr(workers, "run_episode", lambda *a: played.append(run_episode(*a)) or played[-1])
    results = evaluated(
        tmp_path, "episodes=1", "tasks=[put_in_bowl]", f"phrasings={file}", "counterfactual=0"
    )
    assert results["settings"]["phrasings"] == str(file)
    (episode,) = played
    assert re.fullmatch(r"the \w+ bowl <- the \w+ block", episode.instruction)


def test_blanked_pictures_hold_nothing_of_the_scene():
    from sim.world.arm import SimulatedArm
    from sim.world.world import World

    world = World()
    try:
        arm = SimulatedArm(world)
        detector_shut = Blanked(arm)
        seen = []
        for seed in (1, 2):
            rng = np.random.default_rng(seed)
            world.load(layout(sample("put_in_bowl", rng)[1], rng))
            seen.append(detector_shut.observe())
            assert arm.observe().images["front"].rgb.max() > 0  # the scene itself is to be seen
        assert seen[0].images.keys() == seen[1].images.keys() >= {"front", "wrist"}
        for name, frame in seen[0].images.items():
            assert not frame.rgb.any()
            np.testing.assert_array_equal(frame.depth, seen[1].images[name].depth)
    finally:
        world.close()


def test_a_terminated_evaluation_writes_what_it_has(tmp_path) -> None:
    words = [*ORACLE, "tasks=[put_in_bowl]", "episodes=500", "workers=1", f"out={tmp_path}"]
    command = [sys.executable, "-m", "palme.cli.main", "eval", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    shown = ""
    while "achieved" not in shown:  # the first episode is done
        piece = process.stderr.read(1)
        assert piece, shown
        shown += piece
    process.terminate()
    process.stderr.read()
    assert process.wait(60) == 128 + signal.SIGTERM
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["settings"]["complete"] is False and written["tasks"]["put_in_bowl"]["episodes"] >= 1
    assert (tmp_path / "report.html").exists()
