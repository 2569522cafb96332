"""Worlds end with their owners, however these are lost, and belong to one owner alone."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import pickle
import subprocess
import sys
import time

import cloudpickle
import gymnasium
import numpy as np
import pybullet
import pytest

import sim  # noqa: F401  (registers)
from robots.errors import RobotError
from robots.spec import ArmSpec
from sim.data.oracle import Oracle
from sim.data.scene_sampler import layout
from sim.envs.register import IDS
from sim.envs.tabletop import NotRepeated, TabletopEnv
from sim.rendering.async_renderer import AsyncRenderer
from sim.rendering.replay_renderer import ReplayRenderer
from sim.world.arm import SimulatedArm
from sim.world.driver import SimulatedDriver
from sim.world.owned import CannotCopy
from sim.world.state import ObjectSpec, SceneState
from sim.world.world import World

FAST = {"observation": "state"}
SCENE = layout(
    SceneState((ObjectSpec("red", "block"), ObjectSpec("blue", "bowl")), (None, None)),
    np.random.default_rng(0),
)


def open_worlds() -> int:
    """PyBullet clients of this process."""
    return sum(pybullet.getConnectionInfo(k)["isConnected"] for k in range(1024))


@pytest.fixture(autouse=True)
def no_world_is_left():
    gc.collect()
    before = open_worlds()
    yield
    gc.collect()
    assert open_worlds() == before


# -- dropped without close -----------------------------------------------------------------------


def drop_env() -> None:
    env = gymnasium.make("palme/PutInBowl-v0", **FAST)
    env.reset(seed=0)
    env.step(env.action_space.sample())


def drop_env_of_pictures() -> None:
    env = gymnasium.make("palme/StackTower-v0", image_size=16, render_mode="rgb_array")
    env.reset(seed=0)
    env.render()


def drop_photo() -> None:
    env = gymnasium.make("palme/PutInBowl-v0", look="photo", image_size=16)
    env.reset(seed=0)


def drop_world() -> None:
    World().load(SCENE)


def drop_arm() -> None:
    world = World()
    world.load(SCENE)
    SimulatedArm(world).hold(2)


def drop_driver() -> None:
    SimulatedDriver(ArmSpec.load("panda"), SCENE).connect()


def drop_replay_renderer() -> None:
    ReplayRenderer(SCENE, look="fast")


def drop_vector_env() -> None:
    envs = gymnasium.make_vec("palme/MatchBowls-v0", num_envs=2, vectorization_mode="sync", **FAST)
    envs.reset(seed=0)


def drop_copies() -> None:
    env = gymnasium.make("palme/PutInBowl-v0", **FAST)
    env.reset(seed=0)
    for other in (copy.copy(env.unwrapped), copy.deepcopy(env)):
        other.reset(seed=1)


def drop_oracle() -> None:
    world = World()
    world.load(SCENE)
    Oracle(SimulatedArm(world))


def interrupt_reset() -> None:
    env = gymnasium.make("palme/PutInBowl-v0", **FAST).unwrapped
    env.world.load(SCENE)
    env._judge = interrupted
    with pytest.raises(KeyboardInterrupt):
        env.reset(seed=0)
    del env._judge


def interrupt_load() -> None:
    world = World()
    world._furnish = interrupted
    with pytest.raises(KeyboardInterrupt):
        world.load(SCENE)
    del world._furnish


def refuse_at_construction() -> None:
    with pytest.raises(ValueError):
        gymnasium.make("palme/PutInBowl-v0", look="dark", **FAST)


def fail_to_render() -> None:
    with pytest.raises(pybullet.error):
        renderer = ReplayRenderer(SCENE, look="fast")
        renderer.world.p.disconnect(renderer.world.client)  # by other hands
        renderer.frame(ArmSpec.load("panda").q_home, 1.0, np.zeros((2, 3)), np.tile((0, 0, 0, 1), (2, 1)))


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


DROPPED = [
    drop_env, drop_env_of_pictures, drop_photo, drop_world, drop_arm, drop_driver, drop_replay_renderer,
    drop_vector_env, drop_copies, drop_oracle, interrupt_reset, interrupt_load, refuse_at_construction,
    fail_to_render,
]  # fmt: skip


@pytest.mark.parametrize("drop", DROPPED, ids=lambda f: f.__name__)
def test_a_world_ends_when_its_owner_is_dropped_without_close(drop):
    before = open_worlds()
    drop()
    gc.collect()
    assert open_worlds() == before


def test_an_environment_gives_its_world_back_at_once_not_only_to_the_garbage_collector():
    before = open_worlds()
    gc.disable()
    try:
        for _ in range(3):
            env = TabletopEnv("put_in_bowl", **FAST)
            env.reset(seed=0)
            del env
            assert open_worlds() == before
    finally:
        gc.enable()


def test_closing_twice_closes_no_other_world():
    first, second = World(), World()
    first.load(SCENE)
    client = first.client
    first.close()
    second.load(SCENE)
    assert second.client == client  # PyBullet gives the number again
    first.close()
    del first
    gc.collect()
    second.step(3)
    assert len(second.poses()[0]) == 2
    second.close()


def test_a_closed_world_opens_again_and_is_given_back_again():
    before = open_worlds()
    world = World()
    for _ in range(3):
        world.load(SCENE)
        world.close()
    world.load(SCENE)
    assert open_worlds() == before + 1
    del world
    gc.collect()
    assert open_worlds() == before


def test_memory_stays_bounded_over_twenty_dropped_environments():
    code = """
import gymnasium, psutil, sim
def mb():
    return psutil.Process().memory_info().rss / 1e6
def episode():
    env = gymnasium.make("palme/PutInBowl-v0", observation="state")
    env.reset(seed=0)
for _ in range(5):
    episode()
before = mb()
for _ in range(20):
    episode()
print(mb() - before)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(out.stdout.split()[-1]) < 150  # [MB]; kept worlds take about 32 each


def test_the_drawing_process_ends_with_its_dropped_renderer_and_frees_the_world():
    world = World()
    world.load(SCENE)
    renderer = AsyncRenderer(SimulatedArm(world, ("wrist",)), depth=False)
    process = renderer._drawing.process
    before = open_worlds()
    del renderer, world
    gc.collect()
    limit = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    assert process.poll() is not None
    assert open_worlds() == before - 1


def test_an_interrupted_renderer_leaves_no_process(monkeypatch):
    world = World()
    world.load(SCENE)
    begun = []
    popen = subprocess.Popen

    def remembered(*args, **kwargs):
        begun.append(popen(*args, **kwargs))
        return begun[-1]

    monkeypatch.setattr(subprocess, "Popen", remembered)
    monkeypatch.setattr(AsyncRenderer, "follow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        AsyncRenderer(SimulatedArm(world, ("wrist",)), depth=False)
    assert len(begun) == 1 and begun[0].poll() is not None
    world.close()


# -- copies --------------------------------------------------------------------------------------

COPIERS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "cloudpickle": lambda env: cloudpickle.loads(cloudpickle.dumps(env)),
}


def moved(env, steps: int = 8, seed: int = 0) -> list:
    env.action_space.seed(seed)
    return [env.step(env.action_space.sample())[0] for _ in range(steps)]


@pytest.mark.parametrize("copied", COPIERS.values(), ids=COPIERS)
@pytest.mark.parametrize("name", IDS)
def test_a_copy_continues_the_episode_to_the_bit_in_a_world_of_its_own(name, copied):
    env = gymnasium.make(name, **FAST).unwrapped
    env.reset(seed=3)
    moved(env)
    bad = env.action_space.sample()
    bad[0] = np.nan
    with pytest.raises(RobotError):
        env.step(bad)
    before = env.arm.position()
    other = copied(env)
    assert other.world is not env.world and other.arm.world is other.world
    theirs = moved(other, seed=1)
    assert other.world.client != env.world.client
    assert np.array_equal(env.arm.position(), before)
    other.close()
    mine = moved(env, seed=1)
    for a, b in zip(mine, theirs, strict=True):
        assert all(np.array_equal(a[key], b[key]) for key in a)
    env.close()


@pytest.mark.parametrize("copied", COPIERS.values(), ids=COPIERS)
def test_a_copy_draws_the_next_scene_from_a_generator_of_its_own(copied):
    env = TabletopEnv("put_in_bowl", **FAST)
    env.reset(seed=5)
    other = copied(env)
    other.reset()
    theirs = other.reset()[0]
    env.reset()
    assert np.array_equal(env.reset()[0]["environment_state"], theirs["environment_state"])


@pytest.mark.parametrize("copied", COPIERS.values(), ids=COPIERS)
def test_a_copy_of_a_copy_continues_too_and_an_unused_one_opens_nothing(copied):
    env = TabletopEnv("stack_tower", **FAST)
    env.reset(seed=5)
    moved(env)
    before = open_worlds()
    third = copied(copied(env))
    assert open_worlds() == before
    theirs, mine = moved(third, seed=2), moved(env, seed=2)
    assert np.array_equal(mine[-1]["environment_state"], theirs[-1]["environment_state"])


def test_a_copy_of_an_environment_without_an_episode_begins_without_one():
    other = copy.deepcopy(TabletopEnv("put_in_bowl", **FAST))
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\) before step\(\)"):
        other.step(other.action_space.sample())
    other.reset(seed=0)
    moved(other)


def test_a_copy_of_a_closed_environment_is_closed():
    env = TabletopEnv("put_in_bowl", **FAST)
    env.reset(seed=0)
    env.close()
    with pytest.raises(gymnasium.error.ClosedEnvironmentError, match=r"reset\(\) after close\(\)"):
        copy.deepcopy(env).reset(seed=0)


def test_a_copy_whose_world_was_moved_by_other_hands_says_so_and_can_be_reset():
    env = TabletopEnv("put_in_bowl", **FAST)
    env.reset(seed=0)
    env.world.set_pose(0, (0.5, 0.0, 0.3), (0, 0, 0, 1))
    other = copy.deepcopy(env)
    for _ in range(2):
        with pytest.raises(gymnasium.error.ResetNeeded):
            other.step(other.action_space.sample())
    with pytest.raises(NotRepeated, match=r"moved other than by step.*call reset"):
        copy.deepcopy(env).step(env.action_space.sample())
    other.reset(seed=1)
    moved(other)


def child(blob: bytes, queue) -> None:
    env = cloudpickle.loads(blob)
    queue.put(env.step(env.action_space.low)[0]["agent_pos"])


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_copy_works_in_another_process(method):
    env = gymnasium.make("palme/PutInBowl-v0", **FAST)
    env.reset(seed=0)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=child, args=(cloudpickle.dumps(env), queue))
    process.start()
    theirs = queue.get(timeout=60)
    process.join()
    assert np.array_equal(env.step(env.action_space.low)[0]["agent_pos"], theirs)


@pytest.mark.parametrize("kind", [gymnasium.vector.SyncVectorEnv, gymnasium.vector.AsyncVectorEnv])
def test_vector_environments_of_copies_step_worlds_of_their_own(kind):
    env = gymnasium.make("palme/PutInBowl-v0", **FAST)
    env.reset(seed=0)
    more = {"context": "spawn"} if kind is gymnasium.vector.AsyncVectorEnv else {}
    envs = kind([lambda: copy.deepcopy(env)] * 2, **more)
    try:
        envs.reset(seed=[1, 2])
        actions = np.stack([env.action_space.high, env.action_space.low])
        for _ in range(5):
            obs = envs.step(actions)[0]
        assert (obs["agent_pos"][0, :7] > obs["agent_pos"][1, :7]).all()
        still = env.unwrapped.arm.position()[:7]
        assert np.abs(still - env.unwrapped.arm.spec.q_home).max() < 1e-3
    finally:
        envs.close()


def holders_of_a_world() -> dict:
    world = World()
    world.load(SCENE)
    arm = SimulatedArm(world, ("wrist",))
    return {
        "World": world,
        "SimulatedArm": arm,
        "ArmBody": world.arm,
        "SimulatedDriver": SimulatedDriver(ArmSpec.load("panda"), SCENE),
        "ReplayRenderer": ReplayRenderer(SCENE, look="fast"),
        "Oracle": Oracle(arm),
    }


@pytest.mark.parametrize("copied", COPIERS.values(), ids=COPIERS)
@pytest.mark.parametrize("name", ["World", "SimulatedArm", "ArmBody", "SimulatedDriver", "ReplayRenderer"])
def test_what_holds_a_world_is_refused_by_name_when_copied(name, copied):
    with pytest.raises(CannotCopy, match=f"{name} holds a running simulator and cannot be copied or pickled"):
        copied(holders_of_a_world()[name])


@pytest.mark.parametrize("copied", [c for n, c in COPIERS.items() if n != "copy"])
def test_an_oracle_is_refused_by_the_name_of_its_arm(copied):
    with pytest.raises(CannotCopy, match="SimulatedArm holds a running simulator"):
        copied(holders_of_a_world()["Oracle"])


def test_a_renderer_is_refused_by_name_when_copied():
    world = World()
    world.load(SCENE)
    renderer = AsyncRenderer(SimulatedArm(world, ("wrist",)), depth=False)
    for copied in COPIERS.values():
        with pytest.raises(CannotCopy, match="AsyncRenderer holds"):
            copied(renderer)
    renderer.close()
