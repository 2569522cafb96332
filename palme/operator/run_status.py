"""The plan of a run for the console: instruction, steps and sentence, from the agent's events."""

from __future__ import annotations

import threading
from dataclasses import replace

from palme.events import (
    Corrected,
    CorrectionRefused,
    Event,
    Finished,
    HandedBack,
    Judged,
    Planned,
    Started,
    TakenOver,
)
from palme.operator.operator import StepStatus
from robots.skills import BadStep, Step


class RunStatus:
    """Listener of the agent's events; may be read from any thread.

    Attributes:
        instruction: what the planner works on.
        present: the present or last step, its objects by name; None = none yet.
        seen: names of the objects the planner saw last.
        probability: of the present step, None if unknown.
    """

    def __init__(self, instruction: str = "") -> None:
        """Start without a plan."""
        self.instruction = instruction
        self.present: Step | None = None
        self.seen: tuple[str, ...] = ()
        self.probability: float | None = None
        self._steps: list[StepStatus] = []
        self._by_hand = False
        self._plan: Planned | None = None
        self._html: tuple[Planned, str] | None = None
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Update from an event."""
        with self._lock:
            if isinstance(event, Started):
                self.instruction = event.instruction
            elif isinstance(event, Planned):
                self._planned(event)
            elif isinstance(event, Judged):
                state = (
                    "corrected" if self._by_hand and event.success else "done" if event.success else "failed"
                )
                found = event.reason or event.found
                self._last(state=state, probability=event.probability, reason=found)
                self._by_hand = False
            elif isinstance(event, TakenOver):
                if event.step is not None:
                    self._last(state="replaced", reason=event.reason)
            elif isinstance(event, HandedBack):
                self._by_hand = bool(event.commands)
            elif isinstance(event, Corrected):
                self.instruction = event.instruction
                self._by_hand = False
                if event.before is not None:
                    self._last(state="replaced", reason=f"“{event.words}”")
            elif isinstance(event, Finished):
                if self._steps and self._steps[-1].state == "now":
                    self._last(state="unfinished")
            elif isinstance(event, CorrectionRefused):
                self.instruction = event.instruction

    @property
    def steps(self) -> tuple[StepStatus, ...]:
        """The steps of the plan, in order."""
        with self._lock:
            return tuple(self._steps)

    def sentence(self) -> str:
        """The planner's input as HTML, rendered once a plan, at first use."""
        with self._lock:
            plan, html = self._plan, self._html
        if plan is None or plan.sentence is None:
            return ""
        if html is None or html[0] is not plan:
            from palme.report.parts import sentence_html

            html = (plan, sentence_html(plan.sentence, plan.observation, plan.objects))
            self._html = html
        return html[1]

    def _planned(self, event: Planned) -> None:
        if event.sentence is not None:
            self._plan = event
        if event.objects is not None:
            self.seen = tuple(event.objects.name(i) for i in range(len(event.objects)))
        self.probability = event.probability
        if event.step.is_done:
            return
        try:
            self.present = event.step.resolve(self.seen)
        except BadStep:  # it names an object that is not there: the agent refuses it
            self.present = None
        shown = event.step if self.present is None else self.present
        self._steps.append(StepStatus(shown.text, "now", event.probability, event.rationale))

    def _last(self, **changes: object) -> None:
        if self._steps:
            self._steps[-1] = replace(self._steps[-1], **changes)  # type: ignore[arg-type]
