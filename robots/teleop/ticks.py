"""Records of a shared arm: one control tick, one interruption, and the agent's pending command."""

from __future__ import annotations

from dataclasses import dataclass

from robots.types import JointCommand, RobotState


@dataclass(frozen=True)
class Tick:
    """One control tick.

    Attributes:
        t: [s] on the monotonic clock.
        mode: a mode of `arbitration`.
        by: "policy", the operator's name, or "" where the arm was braked or held.
        asked: the commander's target, None where the arm was braked or held.
        sent: the command really sent, None where nothing was sent.
        state: measured after the command was sent.
    """

    t: float
    mode: str
    by: str
    asked: JointCommand | None
    sent: JointCommand | None
    state: RobotState


@dataclass(frozen=True)
class Interruption:
    """One interruption of the agent.

    Attributes:
        who, why: see `Takeover`.
        seconds: [s] since it began.
        commands: sent for the operator meanwhile.
    """

    who: str
    why: str
    seconds: float
    commands: tuple[JointCommand, ...]


class PendingCommand:
    """The agent's command until the tick that sends it.

    Attributes:
        sent: the command really sent, once `done`.
        error: why it was refused, once `done`.
    """

    def __init__(self, command: JointCommand) -> None:
        self.command = command
        self.sent: JointCommand | None = None
        self.error: Exception | None = None
        self.done = False

    def fail(self, error: Exception) -> None:
        """Refuse it; the agent's thread raises `error`."""
        self.error, self.done = error, True
