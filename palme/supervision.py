"""The agent's view of a person who intervenes (`palme.operator.run_operator`) or can be asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from robots.skills import Step
from robots.types import JointCommand


@dataclass(frozen=True)
class Correction:
    """What happened while a person interrupted the agent.

    Attributes:
        who, why: "anna", and "taken", "paused", "stopped" or "told".
        seconds: duration in [s].
        commands: sent by the person.
        words: verbal correction, "" for none.
        typed_by: who typed `words`.
        step: to do now in place of the interrupted step; None = replan.
        instruction: what the planner works on from now on; None = unchanged.
    """

    who: str
    why: str
    seconds: float = 0.0
    commands: tuple[JointCommand, ...] = ()
    words: str = ""
    typed_by: str = ""
    step: Step | None = None
    instruction: str | None = None

    def then(self, later: Correction) -> Correction:
        """Both in one: all commands, and of the words the later ones alone, with all that they mean."""
        said = later if later.words else self
        return replace(
            later,
            seconds=self.seconds + later.seconds,
            commands=self.commands + later.commands,
            words=said.words,
            typed_by=said.typed_by,
            step=said.step,
            instruction=said.instruction,
        )


class Person(Protocol):
    """A person who can be asked."""

    def answer(self, question: str) -> str | None:
        """Put `question` and wait for the answer; None = nobody can answer."""
        ...


class Supervisor(Protocol):
    """A person who may interrupt the agent."""

    @property
    def interrupted(self) -> bool:
        """Whether a person has control, or has intervened since the last `wait`."""
        ...

    def wait(self) -> Correction:
        """Wait until the agent may observe and replan."""
        ...

    def ask(self, message: str) -> None:
        """Pause the run and show `message`: the agent cannot continue by itself."""
        ...
