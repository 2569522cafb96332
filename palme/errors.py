"""Refusals of planner and policy; the agent turns each into a message for a person."""

from __future__ import annotations

from typing import Any, ClassVar


class NoMotion(Exception):
    """A planner's words instead of a step: of this class itself, that the instruction is not carried out.

    Attributes:
        cause: the word of `palme.events.Finished` for a run that ends with it.
        goal: what the instruction was read as (`palme.planners.base.KeptGoal`); None = it was not.
    """

    cause: ClassVar[str] = "refused"

    def __init__(self, message: str, goal: Any = None) -> None:
        self.goal = goal
        super().__init__(message)


class Answer(NoMotion):
    """The instruction is a question, and this is the answer."""

    cause = "answered"


class Question(NoMotion):
    """It is not clear what is meant: the message asks a person. Without one, a refusal.

    Attributes:
        reading: what would be done after a yes; None = it is asked which things are meant.
    """

    cause = "asked"

    def __init__(self, message: str, goal: Any = None, reading: Any = None) -> None:
        self.reading = reading
        super().__init__(message, goal)


class LookAgain(NoMotion):
    """One picture does not tell; another may.

    Attributes:
        otherwise: what stands if no further picture is taken: a `PlannedStep`, or a `NoMotion`.
    """

    def __init__(self, message: str, goal: Any, otherwise: Any) -> None:
        self.otherwise = otherwise
        super().__init__(message, goal)


class Stuck(NoMotion):
    """The instruction cannot be carried out any further, after steps of it were; the message says why."""

    cause = "stuck"


class GoalRefused(ValueError):
    """A policy got a kind of goal that it does not accept; the message names those that it does."""


class StepFailed(Exception):
    """A policy cannot carry out a step (nothing found to act on, or out of reach): the agent plans again."""


class OutOfReach(StepFailed):
    """No posture of the arm reaches what the step needs."""

    obstacle: ClassVar[str] = "it is out of my reach"
    """For a person: what a planner may plan around."""
