"""What every policy promises. A test of one inherits `PolicyContract` and says how it is set up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from palme.errors import GoalRefused
from palme.policies.base import Policy
from palme.types import ConditionGoal, Goal, ImageGoal
from robots.skills import DONE, Step
from robots.spec import ArmSpec
from robots.types import ActionChunk, Observation

STEP = Step.put("red block", "blue bowl")
GOALS: tuple[Goal, ...] = (
    STEP,
    ImageGoal(np.zeros((176, 240, 3), np.uint8)),
    ConditionGoal({"in": ["red block", "blue bowl"]}),
)


@dataclass(frozen=True)
class Bench:
    """A policy at an arm that sees a red block and a blue bowl.

    Attributes:
        observe: what the arm sees and feels now, with every picture.
        run: carries a chunk out.
        cameras: the pictures in what `observe` returns.
    """

    policy: Policy
    spec: ArmSpec
    observe: Callable[[], Observation]
    run: Callable[[ActionChunk], object]
    cameras: tuple[str, ...] = ("front",)


class PolicyContract:
    """Override the fixture `bench`, a new one each time."""

    @pytest.fixture
    def bench(self) -> Bench:
        raise NotImplementedError

    def test_chunks_are_finite_targets_for_every_joint_at_a_rate_that_is_named(self, bench: Bench) -> None:
        policy, n = bench.policy, bench.spec.n_joints
        policy.reset()
        assert not policy.done and set(policy.cameras) <= set(bench.cameras)
        for _ in range(3):
            chunk = policy.act(bench.observe(), STEP)
            assert chunk.q_targets.ndim == 2 and chunk.q_targets.shape[1] == n and len(chunk.q_targets) > 0
            assert (
                chunk.gripper.shape == (len(chunk.q_targets),) and chunk.control_hz == bench.spec.control_hz
            )
            assert np.isfinite(chunk.q_targets).all()
            assert (chunk.gripper >= 0).all() and (chunk.gripper <= 1).all()
            assert set(policy.cameras) <= set(bench.cameras)
            assert all(look.camera in bench.cameras for look in policy.localisations)
            bench.run(chunk)

    def test_it_says_which_goals_it_accepts_and_refuses_the_others_by_name(self, bench: Bench) -> None:
        policy = bench.policy
        assert policy.accepts and {type(goal) for goal in GOALS} >= set(policy.accepts)
        for goal in GOALS:
            policy.reset()
            if isinstance(goal, policy.accepts):
                policy.act(bench.observe(), goal)
                continue
            with pytest.raises(
                GoalRefused, match=f"{type(policy).__name__} accepts .*{type(goal).__name__}"
            ) as e:
                policy.act(bench.observe(), goal)
            assert all(kind.__name__ in str(e.value) for kind in policy.accepts)

    def test_a_goal_that_asks_for_no_motion_is_refused(self, bench: Bench) -> None:
        bench.policy.reset()
        with pytest.raises(GoalRefused, match="done"):
            bench.policy.act(bench.observe(), DONE)

    def test_what_was_refused_is_forgotten(self, bench: Bench) -> None:
        policy = bench.policy
        policy.reset()
        refused = next(
            goal for goal in (*GOALS, DONE) if goal is DONE or not isinstance(goal, policy.accepts)
        )
        with pytest.raises(GoalRefused):
            policy.act(bench.observe(), refused)
        assert not policy.done
        assert len(policy.act(bench.observe(), STEP).q_targets)

    def test_reset_begins_a_new_step(self, bench: Bench) -> None:
        policy = bench.policy
        policy.reset()
        cameras = tuple(policy.cameras)
        bench.run(policy.act(bench.observe(), STEP))
        policy.reset()
        assert not policy.done and tuple(policy.cameras) == cameras
        assert len(policy.act(bench.observe(), STEP).q_targets)
