"""Listens to the run of a case: what the sentence was read as, and which things each step meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from palme.cli.evaluation.layers import StepTruth
from palme.cli.evaluation.suite.case_result import Line
from palme.events import Acted, Event, Judged, Planned, Started, Understood
from robots.skills import BadStep, Step
from robots.types import Observation
from sim.judging.ideal import NoSuchStep, Placement, meant
from sim.judging.snapshot import Snapshot

_REFERRAL = re.compile(r"obj_(\d+)")


class CaseWatch:
    """A listener of one run.

    Args:
        look: the true table now; for the judge alone.

    Attributes:
        first: the first observation.
        placements: of the steps that were begun, by the simulator's identities.
        unclear: whether a step that was begun singled nothing out.
        truths: how each planned step truly went, and what it meant (None = it singled nothing out).
        program, probability, confidence, lines: what the sentence was read as, where the planner says so.
        read_ms: time in [ms] of the reading, else of the first plan.
        replan_ms: times in [ms] of the later plans, each with the judging of the step before it, which looks
            for what is there in the picture that both are made from.
    """

    def __init__(self, look: Callable[[], Snapshot]) -> None:
        self._look = look
        self._next: Placement | None = None
        self._begun: set[int] = set()
        self.first: Observation | None = None
        self.placements: list[Placement] = []
        self.unclear = False
        self.truths: list[tuple[StepTruth, Placement | None]] = []
        self.program = ""
        self.probability: float | None = None
        self.confidence: float | None = None
        self.lines: tuple[Line, ...] = ()
        self.read_ms: float | None = None
        self.replan_ms: list[float] = []
        self._judged_ms = 0.0  # of the last step

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        if isinstance(event, Started):
            self.first = event.observation
        elif isinstance(event, Understood):
            self._understood(event)
        elif isinstance(event, Planned):
            self._planned(event)
        if isinstance(event, Judged):
            self._judged_ms = 1e3 * event.seconds
        self._keep_truth(event)
        if isinstance(event, Acted | Judged) and event.index not in self._begun:
            self._begun.add(event.index)
            if self._next is None:
                self.unclear = True
            else:
                self.placements.append(self._next)

    def upcoming(self) -> Placement:
        """What the planned step means. Raises NoSuchStep."""
        if self._next is None:
            raise NoSuchStep("the step singles nothing out")
        return self._next

    def _keep_truth(self, event: Event) -> None:
        if isinstance(event, Planned):
            if not event.step.is_done:
                truth = StepTruth(located(event.step, event.objects), event.objects, self._look())
                self.truths.append((truth, self._next))
        elif isinstance(event, Acted | Judged) and self.truths:
            truth, placement = self.truths[-1]
            now = self._look()
            if isinstance(event, Judged):
                self.truths[-1] = replace(truth, after=now), placement
                return
            grip = float(event.sent[-1].gripper) if event.sent else 0.0
            gate = event.verdict.reason if event.verdict is not None else ""
            changed = replace(
                truth, during=(*truth.during, now), grips=(*truth.grips, grip), gate=gate or truth.gate
            )
            self.truths[-1] = changed, placement

    def _understood(self, event: Understood) -> None:
        self.program = event.goal
        if (told := event.understanding) is not None:
            self.program, self.probability, self.confidence = told.program, told.probability, told.confidence
            self.read_ms = 1e3 * told.seconds
            self.lines = tuple(
                Line(line.text, ", ".join(name for name, _ in line.found), line.said) for line in told.lines
            )

    def _planned(self, event: Planned) -> None:
        if event.index > 0:
            self.replan_ms.append(self._judged_ms + 1e3 * event.seconds)
        elif self.read_ms is None:
            self.read_ms = 1e3 * event.seconds
        self._next = None
        if not event.step.is_done:
            try:
                self._next = meant(located(event.step, event.objects), self._look())
            except (NoSuchStep, BadStep):
                pass


def located(step: Step, objects: Any) -> Step:
    """`step` by names, with the places of the `obj_k` in it. Raises BadStep.

    Args:
        objects: `PerceivedObjects` that `obj_k` counts; None = there are none.
    """
    if objects is None:
        return step
    places: dict[str, Any] = {}
    for part in ("what", "target"):
        found = _REFERRAL.fullmatch(getattr(step, part))
        if found is not None and 1 <= int(found[1]) <= len(objects):
            places[f"{part}_at"] = tuple(float(v) for v in objects.xyz[int(found[1]) - 1])
    named = step.resolve([objects.name(i) for i in range(len(objects))])
    return replace(named, **places) if places else named
