"""Planner and policy that read the simulator's own state: for debugging and as upper bounds, never a default.

They stand behind the same protocols as the learned ones, and the arm is moved through the same gate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from palme.errors import NoMotion, StepFailed
from palme.events import Localisation
from palme.planners.base import Context, PlannedStep, Verdict
from palme.policies.base import accepted
from palme.types import Goal
from robots.errors import Unreachable
from robots.motion.pick_place import EMPTY, go_to, grip, rise
from robots.robot import HasGate, Robot
from robots.skills import Step
from robots.types import ActionChunk, Observation
from sim.data.oracle import Keypoints, Oracle
from sim.geometry.grasps import NoRoom
from sim.tasks import Task
from sim.tasks.steps import IllegalStep, apply_step, indices
from sim.world.arm import SimulatedArm
from sim.world.scene_state import judge

ATTEMPTS = 3


class OraclePlanner:
    """Answers with an acceptable step of `task`, which is set before each run."""

    def __init__(self, arm: SimulatedArm) -> None:
        self._arm = arm
        self.task: Task[Any] | None = None

    def next_step(self, context: Context) -> PlannedStep:
        """Raises NoMotion where the sentence's goal is not known."""
        if self.task is None:
            raise NoMotion("the oracle knows no goal for this sentence")
        self._before = judge(self._arm.world)
        step = min(self.task.acceptable_steps(self._before), key=str)
        return PlannedStep(step, "from the simulator's own state")

    def was_successful(self, context: Context, step: Step) -> Verdict:
        """Whether the state is now the one that the step leads to."""
        now = judge(self._arm.world)
        i, j = indices(now, step)
        if step.skill == "put_in":
            return Verdict(now.container(i) == j)
        return Verdict(now.holder[i] == apply_step(self._before, step).holder[i])


class ExpertPolicy:
    """The oracle's motions as a policy: a few long chunks a step, true poses looked up on the way."""

    accepts = (Step,)
    cameras: tuple[str, ...] = ()
    localisations: tuple[Localisation, ...] = ()

    def __init__(self, arm: SimulatedArm) -> None:
        self._arm, self._oracle = arm, Oracle(arm)
        self.done = False

    def reset(self) -> None:
        """Begin a new step."""
        self.done = False
        self._script: Iterator[ActionChunk] | None = None

    def act(self, observation: Observation, goal: Goal) -> ActionChunk:
        """The next stretch. Raises StepFailed for what cannot be done as things stand."""
        step = accepted(goal, self.accepts, self)
        try:
            if self._script is None:
                state = judge(self._arm.world)
                apply_step(state, step)
                self._script = self._run(*indices(state, step))
            return next(self._script)
        except (IllegalStep, Unreachable, NoRoom) as error:
            raise StepFailed(str(error)) from error

    def _run(self, i: int, j: int | None) -> Iterator[ActionChunk]:
        spec, oracle = self._arm.spec, self._oracle
        for attempt in range(ATTEMPTS):
            points: Keypoints = oracle.keypoints(i, j)
            yield go_to(
                spec, oracle.q, points.pick_xyz, points.pick_yaw, points.travel_z, points.pick_opening
            )
            yield grip(spec, oracle.q, 0.0, 8)
            yield rise(spec, oracle.q, points.travel_z, 0.0)
            if self._arm.gripper > EMPTY:
                break
            if attempt == ATTEMPTS - 1:
                raise StepFailed(f"missed the grasp {ATTEMPTS} times")
            yield grip(spec, oracle.q, points.pick_opening, 3)
        points = oracle.keypoints(i, j, points)
        yield go_to(spec, oracle.q, points.place_xyz, points.place_yaw, points.travel_z, 0.0)
        yield grip(spec, oracle.q, points.place_opening, 4)
        z = max(points.travel_z, float(points.place_xyz[2]) + 0.03)
        self.done = True
        yield rise(spec, oracle.q, z, points.place_opening, home=True)


class RandomPolicy:
    """Control: three smooth moves to random postures near home, whatever the step says."""

    accepts = (Step,)
    cameras: tuple[str, ...] = ()
    localisations: tuple[Localisation, ...] = ()

    def __init__(self, arm: Robot, seed: int = 0) -> None:
        self._arm, self._rng = arm, np.random.default_rng(seed)
        self.done = False

    def reset(self) -> None:
        """Begin a new step."""
        self.done, self._left = False, 3

    def act(self, observation: Observation, goal: Goal) -> ActionChunk:
        """One move."""
        from robots.motion.trajectory import joint_motion

        accepted(goal, self.accepts, self)
        self._left -= 1
        self.done = self._left <= 0
        spec = self._arm.spec
        q_goal = spec.q_home + self._rng.uniform(-0.5, 0.5, spec.n_joints)
        if self.done:
            q_goal = spec.q_home
        gated = self._arm.capability(HasGate)  # a remote arm's is at the other end
        q_from = gated.gate.q.copy() if gated is not None and gated.gate.holding else observation.robot.q
        path = joint_motion(spec, q_from, np.clip(q_goal, spec.q_min + 0.05, spec.q_max - 0.05), 1.0)
        return ActionChunk(path, np.full(len(path), self._rng.uniform()), spec.control_hz)
