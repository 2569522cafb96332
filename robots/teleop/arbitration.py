"""Takeover: state machine of who controls the arm. No threads, no arm.

    autonomous ──pause──▶ paused ──take──▶ correcting        any ──stop──▶ stopped ──rearm──▶ paused
        ▲  └──────────────take──────────────▲ │
        └──hand_back── paused, correcting ◀───┘ pause, disconnect

One commander at a time. Until the agent has acknowledged an interruption (`acknowledge`), its commands are
refused, even after a short interruption.
"""

from __future__ import annotations

from robots.errors import TakeoverRefused

AUTONOMOUS, PAUSED, CORRECTING, STOPPED = "autonomous", "paused", "correcting", "stopped"


class Takeover:
    """See the module.

    Args:
        mode: initial mode.
        agent: whether an agent exists to hand back to; without one a hand-back pauses the arm.
        message: initial status message.

    Attributes:
        holder: the operator in control, "" = none.
        handed_back: whether the arm was handed back without an agent, so that its lease may be released.
        unacknowledged: whether the agent has yet to acknowledge an interruption.
        message: the last event, as displayed.
        stopped: what stopped the arm, "" = it is not stopped.
        who, why: who interrupted the agent, and how: "taken", "paused", "stopped" or "told" (a message).
    """

    def __init__(self, mode: str = AUTONOMOUS, agent: bool = True, message: str = "") -> None:
        self.mode, self.agent, self.message = mode, agent, message
        self.holder = ""
        self.stopped = (message or "stopped") if mode == STOPPED else ""
        self.handed_back = False
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
            self.mode, self.holder, self.handed_back = CORRECTING, who, False
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
        """Return control to the agent: in correcting only by the holder, in paused by anyone.

        Raises:
            TakeoverRefused: another operator has control, or the arm is stopped.
        """
        self._check_not_stopped("hand back")
        if self.mode == CORRECTING and self.holder != who:
            raise TakeoverRefused(f"{self.holder} has control, not {who}")
        if self.mode == AUTONOMOUS:
            return
        self.mode, self.holder = (AUTONOMOUS if self.agent else PAUSED), ""
        self.handed_back = not self.agent
        self.message = f"handed back by {who}" + (": replanning" if self.agent else "")

    def stop(self, who: str, reason: str) -> None:
        """Stop the arm. Allowed for anyone at any time; the first cause is kept."""
        if self.mode != STOPPED:
            self._interrupted(who, "stopped")
            self.mode, self.holder, self.handed_back = STOPPED, "", False
            self.message = self.stopped = f"stopped: {reason}"

    def rearm(self, who: str) -> None:
        """Leave the stopped mode for paused. Raises TakeoverRefused if the arm is not stopped."""
        if self.mode != STOPPED:
            raise TakeoverRefused("the arm is not stopped; rearm is only needed after a stop")
        self.mode, self.message, self.stopped = PAUSED, f"rearmed by {who}: paused", ""

    def disconnected(self, who: str) -> None:
        """A console or device disconnected: pause the arm if it had control."""
        if self.mode == CORRECTING and self.holder == who:
            self.mode, self.holder = PAUSED, ""
            self.message = f"{who} disconnected while in control: paused"

    def interrupt(self, who: str) -> None:
        """Interrupt the agent because `who` sent it a message."""
        self._interrupted(who, "told")
        self.report(f"{who} sent a message")

    def acknowledge(self) -> None:
        """The agent has read the interruption and may continue."""
        self.unacknowledged, self.who, self.why = False, "", ""

    def _interrupted(self, who: str, why: str) -> None:
        if self.why in ("", "told"):  # a takeover replaces an earlier message
            self.who, self.why = who, why
        self.unacknowledged = True

    def _check_not_stopped(self, wanted: str) -> None:
        if self.mode == STOPPED:
            raise TakeoverRefused(f"{self.stopped}; rearm first, then {wanted}")

    def report(self, message: str) -> None:
        """Display `message`; what stopped the arm stays displayed until `rearm`."""
        said = self.stopped == "" or self.stopped in message
        self.message = message if said else f"{self.stopped}; {message}"
