"""TrajectoryLog: poses of arm and objects at each control tick, for a film after the run.

Planner and policy get nothing from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from palme.events import Event, Finished, Judged, Planned
from palme.report.film import Caption, PlanLine
from robots.robot import Robot, RobotWrapper
from robots.types import JointCommand
from sim.world.world import World


@dataclass(frozen=True)
class Moment:
    """One control tick: joints (n_joints,) in [rad], gripper in [0, 1], object poses in the base frame."""

    q: np.ndarray
    gripper: float
    positions: np.ndarray
    quats_xyzw: np.ndarray
    caption: Caption


class TrajectoryLog(RobotWrapper):
    """A wrapper that keeps each tick, and a listener that keeps the caption up to date."""

    def __init__(self, robot: Robot, world: World, sentence: str) -> None:
        super().__init__(robot)
        self._world = world
        self._sentence = sentence
        self._plan: tuple[PlanLine, ...] = ()
        self._remark = ""
        self.moments: list[Moment] = []

    def command(self, command: JointCommand) -> JointCommand:
        """Delegates to the wrapped robot, and keeps the moment after it."""
        sent = self.robot.command(command)
        self.keep()
        return sent

    def keep(self, n: int = 1) -> None:
        """Add the present moment `n` times (a pause to read by)."""
        state = self.robot.observe(()).robot
        positions, quats = self._world.poses()
        caption = Caption(self._sentence, self._plan, self._remark)
        self.moments += [Moment(state.q, state.gripper, positions, quats, caption)] * n

    def __call__(self, event: Event) -> None:
        """Listen: what is being done, how it was judged."""
        if isinstance(event, Planned):
            self._remark = event.rationale
            if not event.step.is_done:
                self._plan += (PlanLine(event.step.text, "now"),)
                self.keep(int(self.spec.control_hz))
        elif isinstance(event, Judged) and self._plan:
            word = "done" if event.success else "failed"
            self._plan = (*self._plan[:-1], PlanLine(self._plan[-1].text, word))
            self.keep(int(self.spec.control_hz / 2))
        elif isinstance(event, Finished):
            self._remark = event.reason
            self.keep(int(2 * self.spec.control_hz))
