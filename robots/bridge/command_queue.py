"""CommandQueue: commands that arrived before their tick, in order, with a length and an age limit.

A streaming client keeps several commands pending, so that a late frame costs no tick. Lease, clock and gate
check a queued command in its tick, as if it arrived then. A stop empties the queue.
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

CAPACITY = 32  # commands: 32 ms at 1 kHz, a common stall of a loaded computer
MAX_AGE = SILENCE  # [s] oldest command executed: the timeout that latches the arm


@dataclass(frozen=True, slots=True)
class QueuedCommand:
    """A queued command.

    Attributes:
        state_time: [s] timestamp of the newest state that the sender had, on the server's clock.
        arrived: [s] arrival on the server's clock.
        answer: called once, from any thread, with the command sent or its refusal; must not block.
    """

    key: AllowedKey
    session: str
    token: int
    command: CommandLike
    state_time: float
    arrived: float
    answer: Callable[[JointCommand | CommandRejected], None]

    def check_age(self, now: float) -> None:
        """Raise CommandStale if it was queued longer than `MAX_AGE`."""
        waited = now - self.arrived
        if not waited <= MAX_AGE:
            raise CommandStale(
                f"command seq {self.command.seq} waited {waited:.3f} s for its tick, limit {MAX_AGE} s; "
                "stream with a smaller depth"
            )


class CommandQueue:
    """The queue. Callers hold the controller's lock."""

    def __init__(self) -> None:
        self._waiting: deque[QueuedCommand] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, queued: QueuedCommand) -> None:
        """Append a command. Raises CommandTooSoon if the queue is full, CommandOutOfOrder for its `seq`."""
        seq = queued.command.seq
        if len(self._waiting) >= CAPACITY:
            raise CommandTooSoon(
                f"command seq {seq}: this tick has its command, the queue of {CAPACITY} is full"
            )
        if self._waiting and not seq > self._waiting[-1].command.seq:
            raise CommandOutOfOrder(
                f"command seq {seq} is not after the last one, {self._waiting[-1].command.seq}, which waits "
                "for its tick; count up by at least one"
            )
        self._waiting.append(queued)

    def take(self) -> QueuedCommand | None:
        """Remove and return the first command, or None."""
        return self._waiting.popleft() if self._waiting else None

    def empty(self) -> list[QueuedCommand]:
        """Remove and return all commands, in order."""
        out, self._waiting = list(self._waiting), deque()
        return out
