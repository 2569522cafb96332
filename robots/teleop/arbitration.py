"""Who has the arm. Pure logic: no threads, no arm.

    autonomous ──pause──▶ paused ──take──▶ correcting        any ──stop──▶ stopped ──rearm──▶ paused
        ▲  └──────────────take──────────────▲ │
        └──hand_back── paused, correcting ◀───┘ pause, left

One commander at a time. What happens while the agent looks away is kept for it: until it has asked what
happened (`heard`), its commands do not count, however briefly the arm was taken.
"""

from __future__ import annotations

from robots.errors import TakeoverRefused

AUTONOMOUS, PAUSED, CORRECTING, STOPPED = "autonomous", "paused", "correcting", "stopped"


class Takeover:
    """See the module.

    Args:
        mode: to begin with.
        agent: whether there is one to hand back to; without, the arm is paused instead.

    Attributes:
        holder: who corrects, "" where nobody does.
        unheard: whether something happened that the agent has not asked about.
        message: the last thing worth telling.
        who, why: who broke the agent off, and by what ("taken", "paused", "stopped", "told").
    """

    def __init__(self, mode: str = AUTONOMOUS, agent: bool = True, message: str = "") -> None:
        self.mode, self.agent, self.message = mode, agent, message
        self.holder = ""
        self.given = False  # handed back with nobody here to take it: the lease may go
        self.unheard = False
        self.who = self.why = ""

    @property
    def autonomous(self) -> bool:
        """Whether the agent's next command counts."""
        return self.mode == AUTONOMOUS and not self.unheard

    def take(self, who: str) -> None:
        """Raises TakeoverRefused while another holds it, or after a stop."""
        self._not_stopped("take it")
        if self.mode == CORRECTING and self.holder != who:
            raise TakeoverRefused(f"{self.holder} holds the arm; it hands back first, or stop")
        if self.mode != CORRECTING:
            self._broken_off(who, "taken")
            self.mode, self.holder, self.given = CORRECTING, who, False
            self.message = f"{who} has the arm"

    def pause(self, who: str) -> None:
        """Raises TakeoverRefused while another holds the arm."""
        self._not_stopped("it is still already")
        if self.mode == CORRECTING and self.holder != who:
            raise TakeoverRefused(f"{self.holder} holds the arm; stop it where it must not move")
        self._broken_off(who, "paused")
        self.mode, self.holder = PAUSED, ""
        self.message = f"paused by {who}"

    def hand_back(self, who: str) -> None:
        """From correcting by its holder, from paused by anybody. Raises TakeoverRefused."""
        self._not_stopped("hand it back")
        if self.mode == CORRECTING and self.holder != who:
            raise TakeoverRefused(f"{self.holder} holds the arm, not {who}")
        if self.mode == AUTONOMOUS:
            return
        self.mode, self.holder = (AUTONOMOUS if self.agent else PAUSED), ""
        self.given = not self.agent
        self.message = f"handed back by {who}" + (": planning anew" if self.agent else "")

    def stop(self, who: str, reason: str) -> None:
        """Anybody may, at any time; the first cause is the one to tell."""
        if self.mode != STOPPED:
            self._broken_off(who, "stopped")
            self.mode, self.holder, self.given = STOPPED, "", False
            self.message = f"stopped: {reason}"

    def rearm(self, who: str) -> None:
        """After a stop; the run stays paused. Raises TakeoverRefused without one."""
        if self.mode != STOPPED:
            raise TakeoverRefused("the arm is not stopped: there is nothing to rearm")
        self.mode, self.message = PAUSED, f"rearmed by {who}: paused"

    def left(self, who: str) -> None:
        """A console or device is gone: what it held is paused."""
        if self.mode == CORRECTING and self.holder == who:
            self.mode, self.holder = PAUSED, ""
            self.message = f"{who} is gone while it held the arm: paused"

    def interrupt(self, who: str) -> None:
        """Somebody said something: the agent stops what it does, and asks."""
        self._broken_off(who, "told")
        self.message = f"{who} spoke"

    def heard(self) -> None:
        """The agent has asked what happened, and may go on."""
        self.unheard, self.who, self.why = False, "", ""

    def _broken_off(self, who: str, why: str) -> None:
        if self.why in ("", "told"):  # a hand on the arm says more than words before it
            self.who, self.why = who, why
        self.unheard = True

    def _not_stopped(self, otherwise: str) -> None:
        if self.mode == STOPPED:
            raise TakeoverRefused(f"{self.message or 'stopped'}; rearm first, then {otherwise}")
