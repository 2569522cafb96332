"""What vla-eval makes of our agent on our environments; and what both promise without it."""

from __future__ import annotations

import importlib
import io
import sys
import threading
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from palme.agent import Agent
from palme.cli.commands.serve_agent import build_server, decoded, hello
from palme.cli.config import load
from palme.cli.errors import UsageError
from palme.cli.evaluation.episode import EpisodeSpec, draw, run_episode
from palme.cli.rig.build import build_rig
from palme.cli.rig.served_episode import AgentEpisode
from palme.cli.settings.run import EvalConfig
from palme.cli.settings.serve import ServeAgentConfig
from robots.errors import RobotError
from robots.executor import Executor
from robots.policy_servers.errors import FieldMissing, FieldRefused
from robots.policy_servers.vla_eval_wire import decode, encode
from sim.judging.snapshot import snapshot
from tests.agent_fakes import FakePlanner
from tests.judges.vla_eval import JUDGE, PLUGIN, judged
from tests.palme.test_remote_policy import seen
from tests.policy_fakes import LENGTHS, SPEC, Sweep

FAMILY, SEED = "put_in_bowl", 1000
SENTENCE = "put the red block in the blue bowl"


@pytest.mark.skipif(not JUDGE.built(), reason="python -m tests.judges.vla_eval builds the judge")
def test_vla_eval_counts_what_palme_eval_counts(tmp_path) -> None:
    found = judged(tmp_path, 1, ["planner=readout"], [FAMILY])
    assert found["problems"] == [] and found["protocol"] == 1


# -- the benchmark, with stand-ins for what it takes of vla-eval ----------------------------------------


@dataclass
class StepResult:
    obs: object
    reward: float
    done: bool
    info: dict


@dataclass(frozen=True)
class DimSpec:
    name: str
    dims: int
    format: str
    range: tuple[float, float] | None = None


@pytest.fixture
def benchmark_class(monkeypatch):
    parts = {
        "vla_eval": {},
        "vla_eval.benchmarks": {},
        "vla_eval.benchmarks.base": {"StepBenchmark": object, "StepResult": StepResult},
        "vla_eval.specs": {"DimSpec": DimSpec},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.syspath_prepend(PLUGIN)
    yield importlib.import_module("vla_eval_palme").PalmeBenchmark
    for name in [name for name in sys.modules if name.startswith("vla_eval_palme")]:
        del sys.modules[name]


@pytest.fixture
def benchmark(benchmark_class):
    made = []

    def make(**settings):
        made.append(benchmark_class(families=(FAMILY,), seed=SEED, **settings))
        made[-1].reset({"name": FAMILY, "episode_idx": 0})
        return made[-1]

    yield make
    for each in made:
        each.cleanup()


def test_an_episode_has_the_scene_and_the_sentence_of_palme_eval(benchmark) -> None:
    played = benchmark()
    task, scene = draw(EpisodeSpec(FAMILY, 0, SEED))
    assert played.make_obs(None, {})["task_description"] == task.instruction
    assert played._env._scene == scene


def test_an_observation_holds_what_was_asked_for(benchmark) -> None:
    plain = benchmark().make_obs(None, {})
    assert set(plain) == {"images", "task_description", "state"} and plain["state"].shape == (8,)
    played = benchmark(depth=True)
    deep = played.make_obs(None, {})
    assert deep["depth"]["front"].shape == deep["images"]["front"].shape[:2] == (176, 240)
    played.step({"actions": np.empty((0, 8)), "cameras": []})
    assert played.make_obs(None, {})["images"] == {}


def test_it_ends_where_the_model_says_done_only_if_it_is_asked_to_wait_for_that(benchmark) -> None:
    for until in ("success", "model"):
        played = benchmark(until=until)
        held = played.make_obs(None, {})["state"]
        assert not played.step({"actions": held}).done
        last = played.step({"actions": held[None], "done": True, "believed": True})
        assert last.done == (until == "model")
        assert played.get_step_result(last) == {"success": False, "believed": True}
        assert not played.step({"actions": held}).done


def test_an_action_that_the_arm_refuses_ends_the_episode_and_is_no_success(benchmark) -> None:
    played = benchmark(until="model")
    last = played.step({"actions": np.full((3, 8), 90.0)})
    assert last.done and not last.info["success"]


def test_a_model_that_was_told_another_sentence_stops_the_evaluation(benchmark) -> None:
    played = benchmark()
    with pytest.raises(RuntimeError, match="the model acted on 'stack all the blocks'"):
        played.step({"actions": np.empty((0, 8)), "instruction": "stack all the blocks"})


@pytest.mark.parametrize(
    "settings", [{"families": ["fly"]}, {"until": "noon"}, {"camera": "left"}, {"depth": 1}, {"seed": -1}]
)
def test_a_setting_that_does_not_exist_is_refused_by_name(benchmark_class, settings) -> None:
    with pytest.raises(ValueError, match=next(iter(settings)).removesuffix("ies")):
        benchmark_class(**settings)


def test_the_server_s_hello_fits_the_benchmark(benchmark) -> None:
    told = hello(SPEC.n_joints, "front")
    played = benchmark(**told["observation_params"])
    for key in ("action_spec", "observation_spec"):
        has = {name: (s.dims, s.format) for name, s in getattr(played, f"get_{key}")().items()}
        assert has == {name: (s["dims"], s["format"]) for name, s in told[key].items()}


# -- the agent behind the server ------------------------------------------------------------------------


class Sweeps(Sweep):
    localisations = ()


def sweeping(policy=Sweeps):
    def new_agent(arm):
        return Agent(arm, FakePlanner([SENTENCE]), policy(), Executor(arm), refusals=(RobotError,))

    return AgentEpisode(new_agent, SPEC, "front")


def test_the_agent_s_commands_reach_the_benchmark_in_order_until_it_is_done() -> None:
    episode, rows, turn = sweeping(), [], None
    while turn is None or not turn.done:
        turn = episode.answer(seen(), SENTENCE)
        rows += turn.rows.tolist()
    assert len(rows) == sum(LENGTHS)
    assert turn.info["believed"] and turn.info["instruction"] == SENTENCE and turn.info["cause"] == "done"
    held = episode.answer(seen(), SENTENCE)
    assert held.done and np.array_equal(held.rows, [[*seen().robot.q, seen().robot.gripper]])
    episode.close()


def test_the_benchmark_is_told_what_the_agent_looks_through_and_held_to_it() -> None:
    episode = sweeping()
    assert episode.answer(seen(), SENTENCE).info["cameras"] == []  # its second chunk needs the joints alone
    assert episode.answer(seen(), SENTENCE).info["cameras"] == ["front"]
    blind = type(seen())({}, seen().robot, 0.0)
    with pytest.raises(FieldMissing, match="front"):
        episode.answer(blind, SENTENCE)
    assert len(episode.answer(seen(), SENTENCE).rows) == LENGTHS[2]  # and it goes on where it was
    episode.close()


def test_another_sentence_within_an_episode_is_refused() -> None:
    episode = sweeping()
    episode.answer(seen(), SENTENCE)
    with pytest.raises(FieldRefused, match="stack"):
        episode.answer(seen(), "stack all the blocks")
    episode.close()


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_an_episode_that_is_broken_off_leaves_no_thread(turns) -> None:
    before, episode = threading.active_count(), sweeping()
    for _ in range(turns):
        episode.answer(seen(), SENTENCE)
    episode.close()
    episode.close()
    assert threading.active_count() == before


def test_an_agent_that_fails_is_done_and_not_believed() -> None:
    class Fails(Sweeps):
        def act(self, observation, goal):
            raise ZeroDivisionError("of the policy")

    turn = sweeping(Fails).answer(seen(), SENTENCE)
    assert turn.done and not turn.info["believed"] and "of the policy" in turn.info["reason"]


def test_what_reads_the_simulator_is_not_served() -> None:
    with pytest.raises(UsageError, match="oracle reads the simulator"):
        load(ServeAgentConfig, ["planner=oracle"])
    with pytest.raises(UsageError, match="expert"):
        load(ServeAgentConfig, ["policy=expert"])


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_pictures_are_decoded_and_nothing_else_is(form) -> None:
    file, picture = io.BytesIO(), np.full((16, 32, 3), 90, np.uint8)
    Image.fromarray(picture).save(file, form)
    assert np.abs(decoded(file.getvalue()).astype(int) - picture).max() <= 2
    for bad in (b"", b"GIF89a", file.getvalue()[:40]):
        with pytest.raises(ValueError, match="PNG"):
            decoded(bad)


def test_an_episode_over_the_wire_ends_as_in_palme_eval(benchmark) -> None:
    words = ["planner=readout", "policy=keypose"]
    config = load(EvalConfig, [*words, "camera.names=[front]"])
    rig = build_rig(config)
    try:
        ours = run_episode(rig, EpisodeSpec(FAMILY, 0, SEED), config.limits)
        end = snapshot(rig.simulation)
    finally:
        rig.close()
    server = build_server(load(ServeAgentConfig, [*words, "address=127.0.0.1:0"]))
    played, episode = benchmark(**server._hello["observation_params"]), server._new_episode()
    for seq in range(200):
        sent = decode(encode("observation", played.make_obs(None, {}), seq), decoded)
        action = decode(server._answer(sent, episode), decoded)
        assert action.kind == "action" and action.seq == seq
        result = played.step(action.payload)
        if result.done:
            break
    theirs = snapshot(played._env.world)
    assert result.info["success"] is ours.success_at_end is True and result.info["believed"]
    assert np.abs(theirs.positions - end.positions).max() < 1e-3
