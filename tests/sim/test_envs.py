"""What the gymnasium environments promise."""

from __future__ import annotations

import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sim  # noqa: F401  (registers)
from robots.errors import CommandRejected
from robots.skills import COLOURS, KINDS
from sim.data.scene_sampler import layout
from sim.envs.features import MAX_OBJECTS, WIDTH
from sim.envs.register import IDS
from sim.envs.tabletop import UnknownOption
from sim.tasks import make_task
from sim.tasks.put_in_bowl import InBowl
from sim.world.state import ObjectSpec, SceneState

FAST = {"observation": "state"}
PICTURES = {"image_size": 32}


def run(env, seed: int, steps: int = 12) -> list:
    env.action_space.seed(seed)
    out = [env.reset(seed=seed)]
    out += [env.step(env.action_space.sample()) for _ in range(steps)]
    return out


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("kwargs", [FAST, PICTURES], ids=["state", "pixels"])
def test_gymnasium_accepts_it(name, kwargs):
    env = gymnasium.make(name, robot="panda", render_mode="rgb_array", **kwargs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joint targets are in radians, not in [-1, 1]
        check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize("kwargs", [FAST, PICTURES], ids=["state", "pixels"])
def test_stable_baselines_accepts_it(kwargs):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env = gymnasium.make("palme/PutInBowl-v0", **kwargs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checker.check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize("name", IDS)
def test_the_same_seed_gives_the_same_episode_to_the_bit(name):
    env, other = gymnasium.make(name, **FAST), gymnasium.make(name, **FAST)
    first = run(env, 3)
    run(env, 4)
    for again in (run(env, 3), run(other, 3)):
        for a, b in zip(first, again, strict=True):
            assert np.array_equal(a[0]["environment_state"], b[0]["environment_state"])
            assert np.array_equal(a[0]["agent_pos"], b[0]["agent_pos"])
            assert a[-1] == b[-1]
    env.close()
    other.close()


def test_pictures_too_are_the_same_for_the_same_seed():
    env = gymnasium.make("palme/MatchBowls-v0", **PICTURES)
    first, again = run(env, 1, 3), run(env, 1, 3)
    for a, b in zip(first, again, strict=True):
        for camera in ("front", "wrist"):
            assert np.array_equal(a[0]["pixels"][camera], b[0]["pixels"][camera])
    env.close()


def test_it_has_the_attributes_that_learning_libraries_ask_for():
    env = gymnasium.make("palme/PutInBowl-v0", image_size=48, cameras=("front",), render_mode="rgb_array")
    obs, info = env.reset(seed=0)
    assert obs["pixels"]["front"].shape == (48, 48, 3) and obs["pixels"]["front"].dtype == np.uint8
    assert set(obs["pixels"]) == {"front"} and obs["agent_pos"].dtype == np.float32
    assert info["is_success"] is False and info["success"] is False
    inner = env.unwrapped
    assert inner.task == env.get_wrapper_attr("task") == "put_in_bowl"
    assert inner.task_description == info["task_description"] != ""
    assert inner._max_episode_steps == 400 and inner.metadata["render_fps"] == 20
    assert env.render().shape == (352, 480, 3)
    env.close()


def specs_of(table):
    """The objects that a vector (288,) speaks of."""
    rows = [row for row in np.asarray(table).reshape(MAX_OBJECTS, WIDTH) if row[0] > 0]
    return tuple(
        ObjectSpec(
            COLOURS[int(np.argmax(row[4:12]))],
            KINDS[int(np.argmax(row[1:4]))],
            "large" if row[12] > 0 else "small",
        )
        for row in rows
    )


def test_done_means_the_block_lies_in_the_bowl_and_is_let_go(monkeypatch):
    specs = (ObjectSpec("red", "block"), ObjectSpec("blue", "bowl"))
    task = make_task("put_in_bowl", InBowl("red block", "blue bowl"))
    scene = layout(SceneState(specs, (None, None)), np.random.default_rng(0))
    env = gymnasium.make("palme/PutInBowl-v0", **FAST).unwrapped
    obs, info = env.reset(options={"task": task, "scene": scene})
    assert specs_of(obs["environment_state"]) == specs
    hold = np.append(env.arm.spec.q_home, 1.0).astype(np.float32)
    _, reward, terminated, _, info = env.step(hold)
    assert (reward, terminated, info["is_success"]) == (0.0, False, False)
    bowl = env.world.poses()[0][1]
    env.world.set_pose(0, bowl + (0, 0, 0.02), (0, 0, 0, 1))
    with monkeypatch.context() as gripped:
        gripped.setattr(env.world, "held", lambda: 0)  # still between the fingers
        for _ in range(10):
            _, reward, terminated, _, info = env.step(hold)
        assert (reward, terminated, info["is_success"]) == (0.0, False, False)
    for _ in range(10):
        _, reward, terminated, _, info = env.step(hold)
    assert (reward, terminated, info["is_success"]) == (1.0, True, True)
    env.close()


def test_a_far_target_is_approached_within_the_limits():
    env = gymnasium.make("palme/StackTower-v0", **FAST).unwrapped
    env.reset(seed=0)
    last = begin = env.arm.q
    for _ in range(20):
        obs, *_ = env.step(env.action_space.high)
        assert (np.abs(obs["agent_pos"][:-1] - last) <= env.arm.spec.dq_max / 20 * 1.1).all()
        last = obs["agent_pos"][:-1]
    assert (last - begin > 0.5).all()
    env.close()


def test_nan_is_refused_and_the_episode_goes_on():
    env = gymnasium.make("palme/PutInBowl-v0", **FAST).unwrapped
    env.reset(seed=0)
    bad = env.action_space.sample()
    bad[2] = np.nan
    with pytest.raises(CommandRejected):
        env.step(bad)
    obs, *_ = env.step(np.append(env.arm.spec.q_home, 1.0))
    assert np.isfinite(obs["environment_state"]).all() and np.isfinite(obs["agent_pos"]).all()
    env.close()


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"observation": "smell"}, "smell.*pixels.*state"),
        ({"cameras": ("back",)}, "back.*front.*wrist"),
        ({"control_hz": 50}, "must divide 120"),
    ],
)
def test_an_unknown_option_names_the_legal_ones(kwargs, says):
    with pytest.raises(UnknownOption, match=says):
        gymnasium.make("palme/PutInBowl-v0", **kwargs)


def test_async_workers_step_together():
    envs = gymnasium.make_vec("palme/PutInBowl-v0", num_envs=2, vectorization_mode="async", **FAST)
    obs, _ = envs.reset(seed=[3, 3])
    assert np.array_equal(obs["environment_state"][0], obs["environment_state"][1])
    for _ in range(3):
        obs, _, _, _, info = envs.step(np.stack([envs.single_action_space.high] * 2))
    assert np.array_equal(obs["agent_pos"][0], obs["agent_pos"][1])
    assert set(envs.call("task")) == {"put_in_bowl"} and len(set(envs.call("task_description"))) == 1
    envs.close()


@pytest.mark.parametrize("order", ["gymnasium, sim", "sim, gymnasium"])
def test_import_registers_without_opening_pybullet(order: str) -> None:
    code = (
        f"import sys, {order}; gymnasium.spec('palme/MatchBowls-v0');"
        "print(any(m in sys.modules for m in ('pybullet', 'torch', 'cv2')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_tasks_are_there_without_gymnasium_and_pybullet() -> None:
    code = """
import sys
sys.modules.update({name: None for name in ("gymnasium", "pybullet", "pybullet_data", "cv2")})
import numpy, sim.tasks
task, state = sim.tasks.sample("put_in_bowl", numpy.random.default_rng(0))
print(len(task.acceptable_steps(state)) > 0)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "True"


def test_a_module_that_gymnasium_lacks_is_not_taken_for_its_absence() -> None:
    code = """
import sys
sys.modules["gymnasium.envs.registration"] = None
import sim
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode != 0 and "gymnasium.envs.registration" in out.stderr


@pytest.mark.parametrize("hz", [20, 60])
def test_a_long_episode_is_truncated_after_the_same_time_at_any_rate(hz: int) -> None:
    env = gymnasium.make("palme/PutInBowl-v0", observation="state", control_hz=hz)
    try:
        env.reset(seed=1)
        still = np.append(env.unwrapped.arm.q, 1.0).astype(np.float32)
        steps = next(k for k in range(1, 5000) if env.step(still)[3])
        assert steps == 20 * hz  # 20 s
        env.reset(seed=1)
        assert not env.step(still)[3]
    finally:
        env.close()


@pytest.mark.parametrize("robot", ["xarm6", "iiwa14"])
def test_another_arm_steps_in_the_same_environment(robot: str) -> None:
    env = gymnasium.make("palme/PutInBowl-v0", robot=robot, **FAST)
    obs, _ = env.reset(seed=0)
    n = env.unwrapped.arm.spec.n_joints
    assert obs["agent_pos"].shape == env.action_space.shape == (n + 1,)
    np.testing.assert_allclose(obs["agent_pos"][:n], env.unwrapped.arm.spec.q_home, atol=1e-3)
    target = np.append(env.unwrapped.arm.spec.q_home + 0.1, 0.5).astype(np.float32)
    for _ in range(20):
        obs, *_ = env.step(target)
    np.testing.assert_allclose(obs["agent_pos"], target, atol=0.02)
    env.close()
