"""Commands that came before their tick: a short queue, in order, in which nothing grows old.

A client that streams keeps some commands under way, so that a late frame costs no tick. What waits here has
been granted nothing yet: it passes the lease, the clock and the gate when its tick comes, as if it came then.
Whatever stops the arm empties the queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from robots.bridge.errors import CommandStale, CommandTooSoon
from robots.bridge.keys import AllowedKey
from robots.bridge.lease import SILENCE
from robots.errors import CommandOutOfOrder, CommandRejected
from robots.types import Asked, JointCommand

PLACES = 32  # commands that may wait: at 1 kHz, for as long as a busy machine is often away
OLDEST = (
    SILENCE  # [s] that one may: nothing is executed that was asked for before a silence would have latched
)


@dataclass(frozen=True, slots=True)
class Early:
    """One that waits.

    Attributes:
        heard: [s] when its sender last heard of the arm; `arrived`: when it came; both on the server's clock.
        answer: called once, from any thread, with what is sent or why it is refused; must not block.
    """

    key: AllowedKey
    session: str
    token: int
    command: Asked
    heard: float
    arrived: float
    answer: Callable[[JointCommand | CommandRejected], None]

    def check_age(self, now: float) -> None:
        """Raises CommandStale for one that has waited longer than `OLDEST`."""
        waited = now - self.arrived
        if not waited <= OLDEST:
            raise CommandStale(
                f"command seq {self.command.seq} waited {waited:.3f} s for its tick, limit {OLDEST} s; "
                "keep fewer under way"
            )


class CommandQueue:
    """The queue. Whoever calls holds the controller's lock."""

    def __init__(self) -> None:
        self._waiting: deque[Early] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, early: Early) -> None:
        """Let it wait, behind all others. Raises CommandTooSoon (the queue is full), CommandOutOfOrder."""
        seq = early.command.seq
        if len(self._waiting) >= PLACES:
            raise CommandTooSoon(f"seq {seq}: this tick has its command, and {PLACES} wait for the next ones")
        if self._waiting and not seq > self._waiting[-1].command.seq:
            raise CommandOutOfOrder(
                f"command seq {seq} is not after the last one, {self._waiting[-1].command.seq}, which waits "
                "for its tick; count up by at least one"
            )
        self._waiting.append(early)

    def take(self) -> Early | None:
        """The one whose tick has come."""
        return self._waiting.popleft() if self._waiting else None

    def empty(self) -> list[Early]:
        """Take all, in order: none of them is to be executed."""
        out, self._waiting = list(self._waiting), deque()
        return out
