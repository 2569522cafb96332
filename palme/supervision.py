"""How the loop learns that a person has stepped in; `palme.operator.run_operator` tells it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from robots.skills import Step
from robots.types import JointCommand


@dataclass(frozen=True)
class Correction:
    """What happened from the moment that the agent was broken off until it may go on.

    Attributes:
        who, why: "anna", and "taken", "paused", "stopped" or "told".
        seconds: how long it took.
        commands: what was sent for a person's hand.
        words: what was typed, "" for nothing.
        step: what is to be done now, in place of the step that was broken off; None = plan.
        instruction: what the planner is to work on from now on; None = the same.
    """

    who: str
    why: str
    seconds: float = 0.0
    commands: tuple[JointCommand, ...] = ()
    words: str = ""
    step: Step | None = None
    instruction: str | None = None

    def then(self, later: Correction) -> Correction:
        """Both, as one: the later words count, and so do all motions."""
        return replace(
            later,
            seconds=self.seconds + later.seconds,
            commands=self.commands + later.commands,
            words=later.words or self.words,
            step=later.step if later.words else self.step,
            instruction=self.instruction if later.instruction is None else later.instruction,
        )


class Supervisor(Protocol):
    """A person beside the loop."""

    @property
    def interrupted(self) -> bool:
        """Whether a person has the arm, or has had it or spoken since the last `wait`."""
        ...

    def wait(self) -> Correction:
        """Returns when the agent may look and plan anew."""
        ...

    def ask(self, message: str) -> None:
        """The agent cannot go on by itself: pause, and tell why."""
        ...
