"""What a planner is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from palme.language.sentence import Sentence
from palme.perception.objects import PerceivedObjects
from robots.skills import Step
from robots.types import Observation


@dataclass(frozen=True)
class Context:
    """Everything a planner may know: the sentence, what is seen now, the steps so far and how they went."""

    instruction: str
    observation: Observation
    history: tuple[tuple[Step, bool], ...] = ()


@dataclass(frozen=True)
class PlannedStep:
    """The next step, and what the planner says of it.

    Attributes:
        step: what to do; `DONE` where nothing is left to do.
        rationale: why, in plain words.
        probability: of the step's words given the rationale, in [0, 1]; None where the planner has none.
        sentence: what the language model read, for reports; None where there is no model.
        objects: what the detector found; `obj_k` in `step` is row k - 1. None where nothing was looked at.
    """

    step: Step
    rationale: str = ""
    probability: float | None = None
    sentence: Sentence | None = None
    objects: PerceivedObjects | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a step worked; true in a condition if it did.

    Attributes:
        success: the answer.
        probability: of success, in [0, 1]; None where the planner has none.
        reason: what was found where.
    """

    success: bool
    probability: float | None = None
    reason: str = ""

    def __bool__(self) -> bool:
        return self.success


class Planner(Protocol):
    """Says the next step, and whether the last one worked, from pictures and robot state alone."""

    def next_step(self, context: Context) -> PlannedStep:
        """The next step, or done. Raises NoMotion, with a plain answer, for what no skill can do."""
        ...

    def was_successful(self, context: Context, step: Step) -> Verdict:
        """Whether `step`, just carried out, did what it says."""
        ...
