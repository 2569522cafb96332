"""Clients: which consoles there are, what stands on the desk, and who fell silent while holding the arm."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import msgspec

from palme.operator.operator import Operator, Status

log = logging.getLogger(__name__)

MAX_CONSOLES = 8
STATUS_PERIOD = 0.1  # [s] how often the page's numbers change
WATCH_PERIOD = 0.02  # [s]


@dataclass
class Seat:
    """One console at the desk. `heard`: [s] monotonic; `looks`: how often the watch looked since."""

    who: str
    heard: float = field(default_factory=time.monotonic)
    looks: int = 0
    left: bool = False
    unseen: int = 0
    nudge: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self) -> None:
        """It lives."""
        self.heard, self.looks, self.left = time.monotonic(), 0, False


class TooManyClientsError(Exception):
    """All seats are taken."""


class Clients:
    """Belongs to the server's event loop; only `ages` is read from elsewhere.

    Args:
        silence: [s] without a word from the console that holds the arm until it counts as gone.
    """

    def __init__(self, desk: Operator, silence: float) -> None:
        self.desk, self.silence = desk, silence
        self.seats: dict[str, Seat] = {}
        self.ages: deque[tuple[str, float]] = deque(maxlen=8192)  # (camera, [s] from taken to known as shown)
        self._status: Status | None = None
        self._read_at = -1.0

    def sit(self) -> Seat:
        """A seat with the lowest free number, which stays until it is given up.

        Raises:
            TooManyClientsError: there are `MAX_CONSOLES`.
        """
        for number in range(1, MAX_CONSOLES + 1):
            who = f"console {number}"
            if who not in self.seats:
                self.seats[who] = seat = Seat(who)
                return seat
        raise TooManyClientsError(f"there are {MAX_CONSOLES} consoles already: close one")

    def give_up(self, seat: Seat) -> None:
        """A console is gone: its page was closed, its line lost."""
        if self.seats.pop(seat.who, None) is not None:
            self.desk.disconnect(seat.who)
            self.changed()

    def status(self) -> Status:
        """What stands on the desk, at most `STATUS_PERIOD` old."""
        now = time.monotonic()
        if self._status is None or now - self._read_at >= STATUS_PERIOD:
            self._status, self._read_at = self.desk.status(), now
        return self._status

    def changed(self) -> None:
        """Something was done: every page hears it now."""
        self._read_at = -1.0
        for seat in self.seats.values():
            seat.nudge.set()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """As long as the server runs, the holder's silence is watched."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_PERIOD)
            for seat in list(self.seats.values()):
                self._look_after(seat)

    def _look_after(self, seat: Seat) -> None:
        # Three looks as well as the time: after a stall of this process, what lies unread in the sockets is
        # read between two looks, and nobody is taken for silent who was not.
        seat.looks += 1
        if seat.left or seat.looks < 3 or not time.monotonic() - seat.heard > self.silence:
            return
        try:
            if self.status().holder == seat.who:
                seat.left = True
                self.desk.disconnect(seat.who)
                self.changed()
        except Exception:  # a desk that fails once must not end the watch
            log.exception("the desk failed while %s was silent", seat.who)


def status_message(status: Status, seat: Seat, n: int, n_consoles: int) -> str:
    """JSON of everything but the sentence, which is large and seldom new."""
    shown: dict[str, Any] = {f.name: getattr(status, f.name) for f in fields(status) if f.name != "sentence"}
    return encode({"status": shown, "you": seat.who, "consoles": n_consoles, "n": n, "t": time.monotonic()})


def encode(message: dict[str, Any]) -> str:
    """JSON; NumPy's numbers become plain ones, what is not finite null."""
    return msgspec.json.encode(message, enc_hook=float).decode()
