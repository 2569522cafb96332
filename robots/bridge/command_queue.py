"""CommandQueue: commands that came before their tick, a short queue in order with an age limit.

A client that streams keeps some commands under way, so that a late frame costs no tick. A queued command is
not accepted yet: lease, clock and gate check it in its tick, as if it came then. A stop empties the queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from robots.bridge.errors import CommandStale, CommandTooSoon
from robots.bridge.keys import AllowedKey
from robots.bridge.lease import SILENCE
from robots.errors import CommandOutOfOrder, CommandRejected
from robots.types import CommandLike, JointCommand

PLACES = 32  # commands in the queue: at 1 kHz, as long as a busy machine often stalls
OLDEST = SILENCE  # [s] age limit: nothing is executed that is older than the silence that latches


@dataclass(frozen=True, slots=True)
class Early:
    """A queued command.

    Attributes:
        heard: [s] stamp of the newest state that its sender had; `arrived`: when it came; server's clock.
        answer: called once, from any thread, with what is sent or why it is refused; must not block.
    """

    key: AllowedKey
    session: str
    token: int
    command: CommandLike
    heard: float
    arrived: float
    answer: Callable[[JointCommand | CommandRejected], None]

    def check_age(self, now: float) -> None:
        """Raises CommandStale where it was queued longer than `OLDEST`."""
        waited = now - self.arrived
        if not waited <= OLDEST:
            raise CommandStale(
                f"command seq {self.command.seq} waited {waited:.3f} s for its tick, limit {OLDEST} s; "
                "stream with a smaller depth"
            )


class CommandQueue:
    """The queue. Callers hold the controller's lock."""

    def __init__(self) -> None:
        self._waiting: deque[Early] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, early: Early) -> None:
        """Append it. Raises CommandTooSoon (the queue is full), CommandOutOfOrder."""
        seq = early.command.seq
        if len(self._waiting) >= PLACES:
            raise CommandTooSoon(
                f"command seq {seq}: this tick has its command, the queue of {PLACES} is full"
            )
        if self._waiting and not seq > self._waiting[-1].command.seq:
            raise CommandOutOfOrder(
                f"command seq {seq} is not after the last one, {self._waiting[-1].command.seq}, which waits "
                "for its tick; count up by at least one"
            )
        self._waiting.append(early)

    def take(self) -> Early | None:
        """The command of this tick, or None."""
        return self._waiting.popleft() if self._waiting else None

    def empty(self) -> list[Early]:
        """Remove all, in order, to be refused."""
        out, self._waiting = list(self._waiting), deque()
        return out
