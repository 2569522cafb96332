"""The same planner, from pixels, with an arm that cannot fail: what it would have done with a perfect arm.

It tells a plan that was wrong from an arm that failed; nothing that it does is a success.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from palme.cli.evaluation.episode import SETTLE_TICKS
from palme.cli.evaluation.suite.case_watch import CaseWatch
from palme.cli.rig.build import Rig
from palme.cli.rig.tabletop import Table
from palme.errors import StepFailed
from palme.events import Localisation
from palme.policies.base import accepted
from palme.types import Goal
from robots.skills import Step
from robots.types import ActionChunk, Observation
from sim.judging.ideal import NoSuchStep, Placement, carried_out
from sim.judging.snapshot import Snapshot
from sim.world.scene import Scene


@dataclass(frozen=True)
class Planning:
    """The table before and after, and what was done."""

    start: Snapshot
    end: Snapshot
    placements: tuple[Placement, ...]


def plan_from_pixels(
    rig: Rig, scene: Scene, said: str, agent: Callable[[Any, Sequence[Any]], Any]
) -> Planning | None:
    """Plan the case anew; None where a step singles nothing out, or the planner does not end it.

    Args:
        scene: as it was laid at first.
        agent: of a policy and listeners.
    """
    table = rig.table
    assert table is not None
    table.load(scene, SETTLE_TICKS)
    start = table.snapshot()
    watch = CaseWatch(table.snapshot)
    result = agent(IdealArm(rig.arm, table, scene, watch), [watch]).run(said)
    if result.finished.cause == "stopped":
        raise KeyboardInterrupt
    if watch.unclear or not result.done:
        return None
    return Planning(start, table.snapshot(), tuple(watch.placements))


class IdealArm:
    """A policy that sets the thing down where the step says, by loading the scene anew.

    Args:
        arm: stands still, at home.
        table: whose scene is set.
        scene: on it now.
        watch: knows which things each step means.
    """

    accepts = (Step,)
    cameras: tuple[str, ...] = ()
    localisations: tuple[Localisation, ...] = ()

    def __init__(self, arm: Any, table: Table, scene: Scene, watch: CaseWatch) -> None:
        self._arm, self._table, self._scene, self._watch = arm, table, scene, watch
        self.done = False

    def reset(self) -> None:
        """See `Policy.reset`."""
        self.done = False

    def act(self, observation: Observation, goal: Goal) -> ActionChunk:
        """Set the thing down; the arm holds for a tick. Raises StepFailed where it cannot be done."""
        accepted(goal, self.accepts, self)
        try:
            placement = self._watch.upcoming()
            there = carried_out(self._table.snapshot(), placement)
        except NoSuchStep as error:
            raise StepFailed(str(error)) from error
        objects = tuple(
            replace(placed, position=(float(x), float(y), float(z)))
            for placed, (x, y, z) in zip(self._scene.objects, there.positions, strict=True)
        )
        self._scene = replace(self._scene, objects=objects, holder=there.state.holder)
        self._table.load(self._scene, SETTLE_TICKS)
        self.done = True
        spec = self._arm.spec
        return ActionChunk(np.array(spec.q_home, float)[None], np.ones(1), spec.control_hz)
