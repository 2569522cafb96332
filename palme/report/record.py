"""The record of one run, from which its page is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palme.events import (
    Acted,
    Asked,
    Corrected,
    CorrectionRefused,
    Event,
    Finished,
    HandedBack,
    Judged,
    Planned,
    Started,
    TakenOver,
    Typed,
    Understood,
)
from palme.report.pictures import Picture
from robots.types import JointCommand

Intervention = TakenOver | HandedBack | CorrectionRefused


@dataclass
class StepRecord:
    """One step.

    Attributes:
        planned: its plan.
        acted: its action chunks.
        judged: the verdict, None if the run ended first.
        by_hand: commands sent for a person who took over after the chunks.
        interrupted: by whom and how a person interrupted it; "" = nobody did.
        corrected: what a person typed against it; "" = nothing.
    """

    planned: Planned
    acted: list[Acted] = field(default_factory=list)
    judged: Judged | None = None
    by_hand: tuple[JointCommand, ...] = ()
    interrupted: str = ""
    corrected: str = ""

    @property
    def sent(self) -> list[JointCommand]:
        """Every command sent, in order."""
        return [*(c for a in self.acted for c in a.sent), *self.by_hand]


@dataclass
class RunRecord:
    """Listener that collects a run.

    Attributes:
        started, steps, finished: the events.
        lines: typed by persons, each in its newest state, by number.
        interventions: of persons, and the corrections that the planner could not act on, in order.
        by_hand: commands sent for a person before the first step.
        instruction: what the planner worked on last.
        understood: how the instruction was read, each time that it was.
        asked: what persons were asked.
        picture: a larger image of the scene at the start, or None.
        truth: the simulator's verdict on the goal, None without one.
        besides: what else moved, as a sentence; "" where nothing did.
        details: shown in the page's footer.
        warnings: sentences shown beside the verdict.
    """

    started: Started | None = None
    steps: list[StepRecord] = field(default_factory=list)
    finished: Finished | None = None
    lines: dict[int, Typed] = field(default_factory=dict)
    interventions: list[Intervention] = field(default_factory=list)
    by_hand: tuple[JointCommand, ...] = ()
    instruction: str = ""
    understood: list[Understood] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    picture: Picture | None = None
    truth: bool | None = None
    besides: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __call__(self, event: Event) -> None:
        """Add an event."""
        if isinstance(event, Started):
            self.started, self.instruction = event, event.instruction
        elif isinstance(event, Understood):
            self.understood.append(event)
        elif isinstance(event, Asked):
            self.asked.append(event)
        elif isinstance(event, Planned):
            self.steps.append(StepRecord(event))
        elif isinstance(event, Acted):
            self.steps[-1].acted.append(event)
        elif isinstance(event, TakenOver):
            self.interventions.append(event)
            if event.step is not None and self.steps:
                self.steps[-1].interrupted = event.reason
        elif isinstance(event, HandedBack):
            self.interventions.append(event)
            if self.steps:
                self.steps[-1].by_hand += event.commands
            else:
                self.by_hand += event.commands
        elif isinstance(event, Corrected):
            self.instruction = event.instruction
            if event.before is not None and self.steps:
                self.steps[-1].corrected = event.words
        elif isinstance(event, CorrectionRefused):
            self.interventions.append(event)
            self.instruction = event.instruction
        elif isinstance(event, Typed):
            self.lines[event.number] = event
        elif isinstance(event, Judged):
            self.steps[-1].judged = event
        elif isinstance(event, Finished):
            self.finished = event

    @property
    def q_sent(self) -> NDArray[np.float64]:
        """(T, n_joints) every target sent in [rad]; (0, 0) if there was none."""
        targets = [c.q_target for c in self._sent()]
        return np.array(targets) if targets else np.zeros((0, 0))

    @property
    def gripper_sent(self) -> NDArray[np.float64]:
        """(T,) every gripper opening sent, in [0, 1]."""
        return np.array([c.gripper for c in self._sent()])

    def _sent(self) -> list[JointCommand]:
        return [*self.by_hand, *(c for step in self.steps for c in step.sent)]

    def boundaries(self, control_hz: float) -> list[float]:
        """Arm time in [s] at the start of each step."""
        at, ticks = [], len(self.by_hand)
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
