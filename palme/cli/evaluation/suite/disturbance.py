"""Disturbs the table while a case is played: a listener of the agent."""

from __future__ import annotations

import zlib

import numpy as np

from palme.cli.evaluation.suite.specs import CaseSpec
from palme.events import Event, Judged
from sim.data.disturbance import moved_by_hand
from sim.judging.snapshot import snapshot
from sim.world.arm import SimulatedArm
from sim.world.bodies import quat_about_z
from sim.world.world import World

MOST = 2
"""Times a run at most, so that a run has an end."""
REST = 6  # [ticks] until what was moved is at rest


class Hand:
    """After a step was judged, moves one thing with the chance `spec.disturb`.

    Planner and policy are not told; the picture that the step was judged on is older.

    Attributes:
        n: times that something was moved.
    """

    def __init__(self, world: World, arm: SimulatedArm, spec: CaseSpec) -> None:
        self._world, self._arm, self._chance = world, arm, spec.disturb
        self._rng = np.random.default_rng([spec.seed, zlib.crc32(spec.case.id.encode()), 1])
        self.n = 0

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        if not isinstance(event, Judged) or self.n >= MOST or not self._rng.random() < self._chance:
            return
        moved = moved_by_hand(snapshot(self._world), self._rng)
        if moved is not None:
            self._world.set_pose(moved.index, moved.position, np.array(quat_about_z(moved.yaw)))
            self._arm.hold(REST)
            self.n += 1
