"""A listener that keeps what the page is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from palme.events import Acted, Event, Finished, HandedBack, Judged, Planned, Started
from palme.report.pictures import Picture
from robots.types import JointCommand


@dataclass
class StepRecord:
    """One step: its plan, the chunks it took, and the verdict (None where the run ended first).

    `by_hand` was sent for a person who took the arm in the middle of it, after the chunks.
    """

    planned: Planned
    acted: list[Acted] = field(default_factory=list)
    judged: Judged | None = None
    by_hand: tuple[JointCommand, ...] = ()

    @property
    def sent(self) -> list[JointCommand]:
        return [*(c for a in self.acted for c in a.sent), *self.by_hand]


@dataclass
class RunRecord:
    """Everything about one run, by call order. Call it with each event.

    Attributes:
        picture: a larger picture of the scene at the start, or None.
        final_picture: the same at the end.
        truth: what the simulator says of the goal: True, False, or None where it cannot tell.
        details: shown at the foot of the page.
        warnings: sentences shown beside the verdict.
    """

    started: Started | None = None
    steps: list[StepRecord] = field(default_factory=list)
    finished: Finished | None = None
    picture: Picture | None = None
    final_picture: Picture | None = None
    truth: bool | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __call__(self, event: Event) -> None:
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
    def q_sent(self) -> np.ndarray:
        """(T, n_joints) every target sent, in [rad]; (0, 0) if there was none."""
        targets = [c.q_target for step in self.steps for c in step.sent]
        return np.array(targets) if targets else np.zeros((0, 0))

    @property
    def gripper_sent(self) -> np.ndarray:
        """(T,) every opening sent, in [0, 1]."""
        return np.array([c.gripper for step in self.steps for c in step.sent])

    def boundaries(self, control_hz: float) -> list[float]:
        """Arm time in [s] at which each step began."""
        at, ticks = [], 0
        for step in self.steps:
            at.append(ticks / control_hz)
            ticks += len(step.sent)
        return at

    def timings(self) -> dict[str, list[float]]:
        """Seconds of each call, by part."""
        acted = [a for step in self.steps for a in step.acted]
        return {
            "plan": [step.planned.seconds for step in self.steps],
            "policy": [a.policy_s for a in acted],
            "execute": [a.execute_s for a in acted],
            "judge": [step.judged.seconds for step in self.steps if step.judged and not step.judged.reason],
        }
