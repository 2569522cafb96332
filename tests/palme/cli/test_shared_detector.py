"""One trained detector for planner and policy on a rendered table: one pass a frame."""

from __future__ import annotations

import numpy as np
import pytest

from palme.agent import Agent, AgentLimits
from palme.cli.config import load
from palme.cli.rig.build import build_rig
from palme.cli.settings.run import RunConfig
from palme.planners.base import Context
from robots.executor import Executor
from robots.skills import TABLE, Step
from sim.data.scene_sampler import layout
from sim.world.scene import Scene
from sim.world.state import ObjectSpec, SceneState

PUT = "put the red block in the blue bowl"


@pytest.fixture(scope="module")
def rig():
    rig = build_rig(load(RunConfig, ["planner=readout", "policy=keypose"]))
    yield rig
    rig.close()


@pytest.fixture
def passes(rig):
    """Grows by one with each pass of the network over a picture."""
    found: list[int] = []
    hook = rig.policy.detector.localiser.register_forward_hook(lambda *_: found.append(1))
    yield found
    hook.remove()


def table(rig, *specs: ObjectSpec) -> Scene:
    scene = layout(SceneState(specs, (None,) * len(specs)), np.random.default_rng(3))
    rig.world.load(scene)
    rig.arm.hold(5)
    return scene


RED, BLUE, PINK = ObjectSpec("red", "block"), ObjectSpec("blue", "bowl", "large"), ObjectSpec("pink", "block")


def test_planner_and_policy_encode_the_frame_they_share_once(rig, passes) -> None:
    table(rig, RED, BLUE, PINK)
    observation = rig.arm.observe()
    rig.policy.reset()
    plan = rig.planner.next_step(Context(PUT, observation))
    assert len(plan.objects) == 3 and len(passes) == 1
    rig.policy.act(observation, plan.step)
    assert len(passes) == 1
    again = rig.arm.observe()
    rig.planner.was_successful(Context(PUT, again), plan.step)
    assert len(passes) == 2


def test_a_whole_step_of_the_agent_encodes_no_frame_twice(rig, passes) -> None:
    table(rig, RED, BLUE, PINK)
    frames = []

    class Counted:
        spec = rig.arm.spec

        def observe(self, cameras=None):
            seen = rig.arm.observe(cameras)
            frames.extend(seen.images)
            return seen

        command, stop = rig.arm.command, rig.arm.stop

    robot = Counted()
    agent = Agent(
        robot, rig.planner, rig.policy, Executor(robot), limits=AgentLimits(max_steps=1), cameras=("front",)
    )
    result = agent.run(PUT)
    assert result.done and [(str(step), ok) for step, ok in result.steps] == [(PUT, True)]
    assert len(passes) == len(frames) >= 4


def test_a_location_distinguishes_two_identical_blocks(rig) -> None:
    scene = table(rig, RED, RED, BLUE, PINK)
    detector = rig.policy.detector
    seen = detector.encode(rig.arm.observe(("front",)).images["front"])
    for thing in (o for o in scene.objects if o.spec == RED):
        there = tuple(float(x) for x in thing.position)
        pick, _ = detector.keypoints(seen, Step("put_in", "red block", "blue bowl", what_at=there), "pick")
        assert np.linalg.norm(pick.xyz[:2] - np.array(there[:2])) < 0.015 and pick.score > 0.05
        _, place = detector.keypoints(
            seen, Step("put_on", "pink block", "red block", target_at=there), "place"
        )
        assert np.linalg.norm(place.xyz[:2] - np.array(there[:2])) < 0.015
    empty = next(
        (x, y, 0.0)
        for x in np.linspace(0.38, 0.62, 9)
        for y in np.linspace(-0.2, 0.2, 9)
        if all(np.hypot(x - o.position[0], y - o.position[1]) > 0.12 for o in scene.objects)
    )
    _, spot = detector.keypoints(seen, Step("put_on", "pink block", TABLE, target_at=empty), "place")
    assert np.linalg.norm(spot.xyz[:2] - np.array(empty[:2])) < 0.05
    pick, _ = detector.keypoints(seen, Step("put_in", "red block", "blue bowl", what_at=empty), "pick")
    assert pick.score < 0.05  # none there: the policy says so, it does not take another
