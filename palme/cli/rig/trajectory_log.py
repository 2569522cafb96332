"""Keeps where everything was at each control tick, so that a film can be made after the run.

It stands between the executor and the arm and only watches: planner and policy get nothing from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from palme.events import Event, Finished, Judged, Planned
from palme.report.film import Caption, PlanLine
from robots.types import JointCommand, Observation
from sim.world.arm import SimulatedArm


@dataclass(frozen=True)
class Moment:
    """One control tick: joints (n_joints,) in [rad], gripper in [0, 1], object poses in the base frame."""

    q: np.ndarray
    gripper: float
    positions: np.ndarray
    quats_xyzw: np.ndarray
    caption: Caption


class TrajectoryLog:
    """A `Robot` that records, and a listener that keeps the caption up to date."""

    def __init__(self, arm: SimulatedArm, sentence: str) -> None:
        self._arm, self.spec = arm, arm.spec
        self._sentence = sentence
        self._plan: tuple[PlanLine, ...] = ()
        self._remark = ""
        self.moments: list[Moment] = []

    def observe(self, cameras: Sequence[str] | None = None) -> Observation:
        """As the arm does."""
        return self._arm.observe(cameras)

    def command(self, command: JointCommand) -> JointCommand:
        """As the arm does, and one moment more on the tape."""
        sent = self._arm.command(command)
        self.keep()
        return sent

    def stop(self, reason: str) -> None:
        """As the arm does."""
        self._arm.stop(reason)

    def rearm(self) -> None:
        """As the arm does."""
        self._arm.rearm()

    def keep(self, n: int = 1) -> None:
        """Put the present moment on the tape, `n` times (a pause to read by)."""
        state = self._arm.state()
        positions, quats = self._arm.world.poses()
        caption = Caption(self._sentence, self._plan, self._remark)
        self.moments += [Moment(state.q, state.gripper, positions, quats, caption)] * n

    def __call__(self, event: Event) -> None:
        """Listen: what is being done, how it was judged."""
        if isinstance(event, Planned):
            self._remark = event.rationale
            if not event.is_done:
                self._plan += (PlanLine(event.text, "now"),)
                self.keep(int(self.spec.control_hz))
        elif isinstance(event, Judged) and self._plan:
            word = "done" if event.success else "failed"
            self._plan = (*self._plan[:-1], PlanLine(self._plan[-1].text, word))
            self.keep(int(self.spec.control_hz / 2))
        elif isinstance(event, Finished):
            self._remark = event.reason
            self.keep(int(2 * self.spec.control_hz))
