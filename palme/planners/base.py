"""The planner protocol, its input and its results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from palme.language.answers import Goal
from palme.language.sentence import Sentence
from palme.perception.objects import PerceivedObjects
from robots.skills import Step
from robots.types import Observation


@dataclass(frozen=True)
class Context:
    """The input of a planner.

    Attributes:
        instruction: the person's sentence.
        observation: the current one.
        history: steps so far, and whether each was judged successful.
        goal: what the instruction was read as at first; the planner keeps to it. None = to be read.
    """

    instruction: str
    observation: Observation
    history: tuple[tuple[Step, bool], ...] = ()
    goal: Goal | None = None


@dataclass(frozen=True)
class PlannedStep:
    """The next step with its reasons.

    Attributes:
        step: the next step; `DONE` where nothing is left to do.
        rationale: why, in plain words.
        probability: of the step's words given the rationale, in [0, 1]; None = the planner has none.
        sentence: the language model's prompt, for reports; None = no model.
        objects: detected objects; `obj_k` in `step` is row k - 1. None = no detection.
        goal: what the instruction was read as; None = the planner reads none.
    """

    step: Step
    rationale: str = ""
    probability: float | None = None
    sentence: Sentence | None = None
    objects: PerceivedObjects | None = None
    goal: Goal | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a step succeeded; its truth value is `success`.

    Attributes:
        success: whether it did.
        probability: of success, in [0, 1]; None = the planner has none.
        reason: what was found, in plain words.
    """

    success: bool
    probability: float | None = None
    reason: str = ""

    def __bool__(self) -> bool:
        return self.success


class Planner(Protocol):
    """Plans the next step and judges the last one, from pictures and robot state alone."""

    def next_step(self, context: Context) -> PlannedStep:
        """The next step, or done.

        Raises:
            palme.errors.NoMotion: for an instruction that no skill can carry out, with an answer in words.
        """
        ...

    def was_successful(self, context: Context, step: Step) -> Verdict:
        """Whether `step`, the last one, succeeded."""
        ...
