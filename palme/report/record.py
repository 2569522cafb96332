"""The record of one run, from which its page is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palme.events import Acted, Event, Finished, HandedBack, Judged, Planned, Started
from palme.report.pictures import Picture
from robots.types import JointCommand


@dataclass
class StepRecord:
    """One step.

    Attributes:
        planned: its plan.
        acted: its action chunks.
        judged: the verdict, None if the run ended first.
        by_hand: commands sent for a person who took over after the chunks.
    """

    planned: Planned
    acted: list[Acted] = field(default_factory=list)
    judged: Judged | None = None
    by_hand: tuple[JointCommand, ...] = ()

    @property
    def sent(self) -> list[JointCommand]:
        """Every command sent, in order."""
        return [*(c for a in self.acted for c in a.sent), *self.by_hand]


@dataclass
class RunRecord:
    """Listener that collects a run.

    Attributes:
        started, steps, finished: the events.
        picture: a larger image of the scene at the start, or None.
        truth: the simulator's verdict on the goal, None without one.
        details: shown in the page's footer.
        warnings: sentences shown beside the verdict.
    """

    started: Started | None = None
    steps: list[StepRecord] = field(default_factory=list)
    finished: Finished | None = None
    picture: Picture | None = None
    truth: bool | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __call__(self, event: Event) -> None:
        """Add an event."""
        if isinstance(event, Started):
            self.started = event
        elif isinstance(event, Planned):
            self.steps.append(StepRecord(event))
        elif isinstance(event, Acted):
            self.steps[-1].acted.append(event)
        elif isinstance(event, HandedBack):
            if event.commands and self.steps:
                self.steps[-1].by_hand += event.commands
        elif isinstance(event, Judged):
            self.steps[-1].judged = event
        elif isinstance(event, Finished):
            self.finished = event

    @property
    def q_sent(self) -> NDArray[np.float64]:
        """(T, n_joints) every target sent in [rad]; (0, 0) if there was none."""
        targets = [c.q_target for step in self.steps for c in step.sent]
        return np.array(targets) if targets else np.zeros((0, 0))

    @property
    def gripper_sent(self) -> NDArray[np.float64]:
        """(T,) every gripper opening sent, in [0, 1]."""
        return np.array([c.gripper for step in self.steps for c in step.sent])

    def boundaries(self, control_hz: float) -> list[float]:
        """Arm time in [s] at the start of each step."""
        at, ticks = [], 0
        for step in self.steps:
            at.append(ticks / control_hz)
            ticks += len(step.sent)
        return at

    def timings(self) -> dict[str, list[float]]:
        """Duration of each call in [s], by part of the loop."""
        acted = [a for step in self.steps for a in step.acted]
        return {
            "plan": [step.planned.seconds for step in self.steps],
            "policy": [a.policy_s for a in acted],
            "execute": [a.execute_s for a in acted],
            "judge": [step.judged.seconds for step in self.steps if step.judged and not step.judged.reason],
        }
