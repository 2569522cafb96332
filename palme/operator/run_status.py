"""What the desk tells of a run, gathered from the loop's events: the instruction, the steps, the sentence."""

from __future__ import annotations

import threading
from dataclasses import replace

from palme.events import Corrected, Event, Finished, HandedBack, Judged, Planned, Started, TakenOver
from palme.operator.operator import StepLine
from robots.skills import BadStep, Step


class RunStatus:
    """A listener. Everything may be read from any thread.

    Attributes:
        instruction: what the planner works on.
        present: the step being done, or the last one, its objects by name; None = none yet.
        seen: names of the objects that the planner saw last.
        sure: probability of the present step, where it is known.
    """

    def __init__(self, instruction: str = "") -> None:
        self.instruction = instruction
        self.present: Step | None = None
        self.seen: tuple[str, ...] = ()
        self.sure: float | None = None
        self.ended = ""
        self._lines: list[StepLine] = []
        self._by_hand = False
        self._plan: Planned | None = None
        self._html: tuple[Planned, str] | None = None
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Started):
                self.instruction = event.instruction
            elif isinstance(event, Planned):
                self._planned(event)
            elif isinstance(event, Judged):
                word = (
                    "corrected" if self._by_hand and event.success else "done" if event.success else "failed"
                )
                found = event.reason or event.found
                self._last(state=word, probability=event.probability, reason=found)
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
                self.ended = event.reason

    @property
    def lines(self) -> tuple[StepLine, ...]:
        with self._lock:
            return tuple(self._lines)

    def sentence(self) -> str:
        """The multimodal sentence as HTML, worked out once a plan, when it is first asked for."""
        with self._lock:
            plan, html = self._plan, self._html
        if plan is None or plan.sentence is None:
            return ""
        if html is None or html[0] is not plan:
            from palme.report.parts import sentence_html

            html = (plan, sentence_html(plan.sentence.text, plan.observation, plan.objects))
            self._html = html
        return html[1]

    def _planned(self, event: Planned) -> None:
        if event.sentence is not None:
            self._plan = event
        if event.objects is not None:
            self.seen = tuple(event.objects.name(i) for i in range(len(event.objects)))
        self.sure = event.probability
        if event.step.is_done:
            return
        try:
            self.present = event.step.resolve(self.seen)
        except BadStep:  # it names an object that is not there: the agent refuses it
            self.present = None
        shown = event.step if self.present is None else self.present
        self._lines.append(StepLine(shown.text, "now", event.probability, event.rationale))

    def _last(self, **changes: object) -> None:
        if self._lines:
            self._lines[-1] = replace(self._lines[-1], **changes)  # type: ignore[arg-type]
