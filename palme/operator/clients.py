"""The connected consoles: their status updates, and the timeout of the one that has control."""

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

from palme.operator.errors import TooManyClientsError
from palme.operator.operator import Operator, Status

log = logging.getLogger(__name__)

MAX_CONSOLES = 8
STATUS_PERIOD = 0.1  # [s] between two status updates of the page
CHECK_PERIOD = 0.02  # [s] between two checks for silent consoles


@dataclass
class Client:
    """A connected console.

    Attributes:
        name: "console 1".
        last_message: monotonic time in [s] of its last message.
        checks: number of silence checks since then.
        timed_out: whether it was silent for too long while it had control.
        unread: number of the status it has not confirmed, 0 = none.
        changed: set when a new status must be sent at once.
    """

    name: str
    last_message: float = field(default_factory=time.monotonic)
    checks: int = 0
    timed_out: bool = False
    unread: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def received(self) -> None:
        """Note that a message arrived."""
        self.last_message, self.checks, self.timed_out = time.monotonic(), 0, False


class Clients:
    """All connected consoles; belongs to the server's event loop.

    Attributes:
        operator: what they operate.
        connected: by name.
        ages: (camera, time in [s] from capture to display) of the images shown; read by any thread.
    """

    def __init__(self, operator: Operator, timeout: float) -> None:
        """Start without consoles; `timeout` is the longest silence in [s] of the one that has control."""
        self.operator, self._timeout = operator, timeout
        self.connected: dict[str, Client] = {}
        self.ages: deque[tuple[str, float]] = deque(maxlen=8192)
        self._status: Status | None = None
        self._read_at = -1.0

    def connect(self) -> Client:
        """Add a console under the lowest free number.

        Raises:
            TooManyClientsError: `MAX_CONSOLES` are connected.
        """
        for number in range(1, MAX_CONSOLES + 1):
            name = f"console {number}"
            if name not in self.connected:
                self.connected[name] = client = Client(name)
                self.operator.connect(name)
                return client
        raise TooManyClientsError(f"{MAX_CONSOLES} consoles are connected; close one")

    def disconnect(self, client: Client) -> None:
        """Remove a console. Idempotent."""
        if self.connected.pop(client.name, None) is not None:
            self.operator.disconnect(client.name)
            self.notify()

    def status(self) -> Status:
        """The status, at most `STATUS_PERIOD` old."""
        now = time.monotonic()
        if self._status is None or now - self._read_at >= STATUS_PERIOD:
            self._status, self._read_at = self.operator.status(), now
        return self._status

    def notify(self) -> None:
        """Send a new status to every console at once."""
        self._read_at = -1.0
        for client in self.connected.values():
            client.changed.set()

    @asynccontextmanager
    async def checking(self) -> AsyncIterator[None]:
        """Check for silent consoles while the context lasts."""
        task = asyncio.create_task(self._check_all())
        try:
            yield
        finally:
            task.cancel()

    async def _check_all(self) -> None:
        while True:
            await asyncio.sleep(CHECK_PERIOD)
            for client in list(self.connected.values()):
                self._check(client)

    def _check(self, client: Client) -> None:
        # Three checks as well as the time: after a stall of this process, unread messages in the sockets are
        # processed between two checks, so no console times out through our own delay.
        client.checks += 1
        silence = time.monotonic() - client.last_message
        if client.timed_out or client.checks < 3 or not silence > self._timeout:
            return
        try:
            if self.status().holder == client.name:
                client.timed_out = True
                self.operator.disconnect(client.name)
                self.notify()
        except Exception:  # one failure of the operator must not end the checks
            log.exception("the operator failed while %s was silent", client.name)


def status_message(status: Status, client: Client, n: int, consoles: int) -> str:
    """JSON of all but the sentence, which is large and rarely changes."""
    shown = {f.name: getattr(status, f.name) for f in fields(status) if f.name != "sentence"}
    message = {"status": shown, "you": client.name, "consoles": consoles, "n": n, "t": time.monotonic()}
    return encode(message)


def encode(message: dict[str, Any]) -> str:
    """JSON; NumPy numbers become plain ones, non-finite ones null."""
    return msgspec.json.encode(message, enc_hook=float).decode()
