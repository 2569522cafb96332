"""Policies that read the simulator, and the random one, keep the promises of every policy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from palme.cli.rig.baselines import ExpertPolicy, RandomPolicy
from palme.errors import StepFailed
from robots.executor import Executor
from robots.skills import Step
from sim.data.scene_sampler import layout
from sim.world.arm import SimulatedArm
from sim.world.state import ObjectSpec, SceneState
from sim.world.world import World
from tests.palme.policy_contract import STEP, Bench, PolicyContract

STATE = SceneState((ObjectSpec("red", "block"), ObjectSpec("blue", "bowl", "large")), (None, None))


@pytest.fixture
def arm() -> Iterator[SimulatedArm]:
    arm = SimulatedArm(World())
    arm.world.load(layout(STATE, np.random.default_rng(5)), q=arm.spec.q_home)
    yield arm
    arm.world.close()


class TestExpertPolicy(PolicyContract):
    @pytest.fixture
    def bench(self, arm: SimulatedArm) -> Bench:
        return Bench(ExpertPolicy(arm), arm.spec, lambda: arm.observe(()), Executor(arm, blend=0).run)

    def test_what_cannot_be_done_is_a_step_that_failed(self, bench: Bench) -> None:
        bench.policy.reset()
        with pytest.raises(StepFailed, match="no 'green block' here"):
            bench.policy.act(bench.observe(), Step.put("red block", "green block"))


class TestRandomPolicy(PolicyContract):
    @pytest.fixture
    def bench(self, arm: SimulatedArm) -> Bench:
        return Bench(RandomPolicy(arm), arm.spec, lambda: arm.observe(()), Executor(arm).run)

    def test_it_ends_after_three_moves(self, bench: Bench) -> None:
        bench.policy.reset()
        done = []
        for _ in range(3):
            bench.run(bench.policy.act(bench.observe(), STEP))
            done.append(bench.policy.done)
        assert done == [False, False, True]
