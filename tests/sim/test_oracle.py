"""The oracle does what a step says on hard scenes, by commands alone, and refuses what cannot be done."""

from __future__ import annotations

import numpy as np
import pytest

from robots.errors import CommandRejected
from robots.skills import BadStep, Step
from sim.data.oracle import Oracle, Tick
from sim.data.scene_sampler import layout
from sim.tasks.steps import IllegalStep
from sim.world.arm import SimulatedArm
from sim.world.scene_state import judge
from sim.world.state import ObjectSpec, SceneState
from sim.world.world import World

STATE = SceneState(
    (
        ObjectSpec("red", "block"),
        ObjectSpec("blue", "bowl", "large"),
        ObjectSpec("green", "block", "large"),
        ObjectSpec("cyan", "cylinder", "large"),
        ObjectSpec("pink", "block"),
        ObjectSpec("yellow", "cylinder"),
    ),
    (2, None, None, None, None, 1),  # the red block stands on the green one, the cylinder in the bowl
)


@pytest.fixture(scope="module")
def arm():
    world = World()
    yield SimulatedArm(world)
    world.close()


@pytest.fixture
def oracle(arm: SimulatedArm) -> Oracle:
    arm.world.load(layout(STATE, np.random.default_rng(5)), q=arm.spec.q_home)
    return Oracle(arm)


def test_a_sequence_of_steps_each_leaves_its_object_where_asked(oracle: Oracle) -> None:
    ticks: list[Tick] = []
    oracle.on_tick = ticks.append
    for step, name, holder in (
        ("put the red block on the pink block", "red block", "pink block"),
        ("put obj_4 on the red block", "cyan cylinder", "red block"),
        ("put the green block in the blue bowl", "green block", "blue bowl"),
        ("put the cyan cylinder on the table", "cyan cylinder", None),
    ):
        assert oracle.execute(Step.parse(step)), step
        state = judge(oracle.world)
        i = state.index(name)
        held_by = state.container(i) if holder == "blue bowl" else state.holder[i]
        assert held_by == (None if holder is None else state.index(holder)), step
    for t in ticks:  # planned within the limits: the gate has nothing to take away
        np.testing.assert_allclose(t.sent.q_target, t.q_target, atol=1e-6)


def test_pushed_off_its_way_it_comes_back(arm: SimulatedArm) -> None:
    arm.world.load(layout(STATE, np.random.default_rng(6)), q=arm.spec.q_home)
    ticks: list[Tick] = []
    oracle = Oracle(arm, noise=1.0, rng=np.random.default_rng(0), on_tick=ticks.append)
    assert oracle.execute(Step.put("pink block", "blue bowl"))
    assert any(not t.clean for t in ticks)
    assert {t.phase for t in ticks} == {"approach", "grip", "carry", "release", "retreat"}


def test_what_cannot_be_done_is_refused_before_anything_moves(oracle: Oracle) -> None:
    before = oracle.arm.time
    for step in (
        "put the green block in the blue bowl",  # the red one stands on it
        "put the purple block in the blue bowl",
        "put obj_9 on the table",
    ):
        with pytest.raises((IllegalStep, BadStep)):
            oracle.execute(Step.parse(step))
    assert oracle.arm.time == before


def test_the_oracle_cannot_get_past_a_latched_arm(oracle: Oracle) -> None:
    oracle.arm.hold()
    oracle.arm.stop("test")
    with pytest.raises(CommandRejected, match="test"):
        oracle.execute(Step.put("pink block", "table"))
    oracle.arm.rearm()
