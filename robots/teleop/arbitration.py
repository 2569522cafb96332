"""Takeover: who controls the arm, as a state machine. Pure logic: no threads, no arm.

    autonomous ──pause──▶ paused ──take──▶ correcting        any ──stop──▶ stopped ──rearm──▶ paused
        ▲  └──────────────take──────────────▲ │
        └──hand_back── paused, correcting ◀───┘ pause, left

One commander at a time. Until the agent has acknowledged an interruption (`acknowledge`), its commands are
refused, however short the interruption was.
"""

from __future__ import annotations

from robots.errors import TakeoverRefused

AUTONOMOUS, PAUSED, CORRECTING, STOPPED = "autonomous", "paused", "correcting", "stopped"


class Takeover:
    """See the module.

    Args:
        mode: to begin with.
        agent: whether there is one to hand back to; without one the arm is paused instead.

    Attributes:
        holder: who corrects, "" where nobody does.
        unacknowledged: whether there was an interruption that the agent has not acknowledged.
        message: the last event, for people.
        who, why: who interrupted the agent, and how ("taken", "paused", "stopped", "told").
    """

    def __init__(self, mode: str = AUTONOMOUS, agent: bool = True, message: str = "") -> None:
        self.mode, self.agent, self.message = mode, agent, message
        self.holder = ""
        self.given = False  # handed back without an agent: the lease may be released
        self.unacknowledged = False
        self.who = self.why = ""

    @property
    def autonomous(self) -> bool:
        """Whether the agent's next command is accepted."""
        return self.mode == AUTONOMOUS and not self.unacknowledged

    def take(self, who: str) -> None:
        """`who` takes control. Raises TakeoverRefused while another has it, or after a stop."""
        self._check_not_stopped("take control")
        if self.mode == CORRECTING and self.holder != who:
            raise TakeoverRefused(f"{self.holder} has control; wait until it is handed back, or stop the arm")
        if self.mode != CORRECTING:
            self._interrupted(who, "taken")
            self.mode, self.holder, self.given = CORRECTING, who, False
            self.message = f"{who} took control"

    def pause(self, who: str) -> None:
        """Hold the arm still. Raises TakeoverRefused while another has control."""
        self._check_not_stopped("pause")
        if self.mode == CORRECTING and self.holder != who:
            raise TakeoverRefused(f"{self.holder} has control; stop the arm if it must not move")
        self._interrupted(who, "paused")
        self.mode, self.holder = PAUSED, ""
        self.message = f"paused by {who}"

    def hand_back(self, who: str) -> None:
        """From correcting by its holder, from paused by anyone. Raises TakeoverRefused."""
        self._check_not_stopped("hand back")
        if self.mode == CORRECTING and self.holder != who:
            raise TakeoverRefused(f"{self.holder} has control, not {who}")
        if self.mode == AUTONOMOUS:
            return
        self.mode, self.holder = (AUTONOMOUS if self.agent else PAUSED), ""
        self.given = not self.agent
        self.message = f"handed back by {who}" + (": replanning" if self.agent else "")

    def stop(self, who: str, reason: str) -> None:
        """Anyone may, at any time; the first cause is kept."""
        if self.mode != STOPPED:
            self._interrupted(who, "stopped")
            self.mode, self.holder, self.given = STOPPED, "", False
            self.message = f"stopped: {reason}"

    def rearm(self, who: str) -> None:
        """After a stop; the run stays paused. Raises TakeoverRefused where the arm is not stopped."""
        if self.mode != STOPPED:
            raise TakeoverRefused("the arm is not stopped; rearm is only needed after a stop")
        self.mode, self.message = PAUSED, f"rearmed by {who}: paused"

    def left(self, who: str) -> None:
        """A console or device disconnected: where it had control the arm is paused."""
        if self.mode == CORRECTING and self.holder == who:
            self.mode, self.holder = PAUSED, ""
            self.message = f"{who} disconnected while in control: paused"

    def interrupt(self, who: str) -> None:
        """`who` typed something: the agent is interrupted and asks what."""
        self._interrupted(who, "told")
        self.message = f"{who} sent a message"

    def acknowledge(self) -> None:
        """The agent knows what happened and may continue."""
        self.unacknowledged, self.who, self.why = False, "", ""

    def _interrupted(self, who: str, why: str) -> None:
        if self.why in ("", "told"):  # a takeover outweighs a message before it
            self.who, self.why = who, why
        self.unacknowledged = True

    def _check_not_stopped(self, wanted: str) -> None:
        if self.mode == STOPPED:
            raise TakeoverRefused(f"{self.message or 'stopped'}; rearm first, then {wanted}")
