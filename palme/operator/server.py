"""`serve`: a console in a thread of its own, beside the run."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from palme.operator.address import listen, reached_at
from palme.operator.auth import Auth, new_token
from palme.operator.errors import ConsoleError
from palme.operator.operator import Operator
from robots.realtime import raise_priority

if TYPE_CHECKING:
    from palme.operator.clients import Clients

TIMEOUT = 0.3  # [s] silence of the console that has control
_START, _END = 10.0, 5.0  # [s] limits for the server's thread to start and to end


def _print(line: str) -> None:
    print(line, flush=True)


def serve(
    operator: Operator,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    *,
    beyond_loopback: bool = False,
    names: tuple[str, ...] = (),
    timeout: float = TIMEOUT,
    announce: Callable[[str], None] = _print,
) -> Console:
    """Open a console and announce its address.

    Args:
        operator: what it shows and controls.
        host: address to listen on. Any but a loopback address needs `beyond_loopback`: the page is plain
            HTTP, so whoever reads the connection reads the token. A tunnel (`ssh -L`) needs neither.
        port: 0 = any free port.
        token: secret in the address, 16 to 128 letters, digits, - or _; None = random.
        beyond_loopback: allow an address that other computers can reach.
        names: further host names to answer to.
        timeout: silence in [s] after which the console that has control counts as disconnected.
        announce: called with the line that contains the address.

    Raises:
        AddressError: the address is beyond the loopback without permission, or cannot be bound.
        WeakTokenError: the token can be guessed.
        ConsoleError: the extra [teleop] is missing, or the server does not start.
    """
    if not timeout > 0:
        raise ConsoleError(f"timeout={timeout} s: expected more than 0")
    auth = Auth(host, token or new_token(), names)
    console = Console(operator, listen(host, port, beyond_loopback), auth, timeout)
    announce(f"console: {console.address}")
    return console


class Console:
    """A running console. A context manager.

    Attributes:
        host, port: where a browser reaches it.
        token: secret in the address.
        clients: the connected consoles.
    """

    def __init__(self, operator: Operator, listener: socket.socket, auth: Auth, timeout: float) -> None:
        """Start the thread; use `serve`."""
        try:
            import uvicorn

            from palme.operator.app import build_app
            from palme.operator.clients import Clients
            from palme.operator.messages import MAX_BYTES
        except ImportError as error:
            listener.close()
            raise ConsoleError(f"no {error.name}: pip install 'palme-stack[teleop]'") from error
        self.clients: Clients = Clients(operator, timeout)
        self.host, self.port = reached_at(listener)
        self.token = auth.token
        config = uvicorn.Config(
            build_app(self.clients, auth), lifespan="on", log_config=None, log_level="warning",
            access_log=False, ws="websockets-sansio", ws_max_size=MAX_BYTES, ws_per_message_deflate=False,
            ws_ping_interval=5.0, ws_ping_timeout=5.0, limit_concurrency=64, timeout_graceful_shutdown=2,
            server_header=False, proxy_headers=False, h11_max_incomplete_event_size=16384,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listener,), name="console", daemon=True)
        self._thread.start()
        if not self._started.wait(_START) or not self.alive:
            raise ConsoleError("the console's server did not start: see the log")

    @property
    def address(self) -> str:
        """The address for a browser, token included."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/?token={self.token}"

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._thread.is_alive()

    @property
    def watched(self) -> bool:
        """Whether a page is open."""
        return bool(self.clients.connected)

    def stop(self) -> None:
        """Close every socket, so that the operator sees all consoles disconnect, and end the thread."""
        self._server.should_exit = True
        self._thread.join(_END)

    def __enter__(self) -> Console:
        """Return the console."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the console."""
        self.stop()

    def _run(self, listener: socket.socket) -> None:
        import asyncio

        async def run() -> None:
            serving = asyncio.ensure_future(self._server.serve([listener]))
            while not (self._server.started or serving.done()):
                await asyncio.sleep(0.005)
            self._started.set()
            await serving

        raise_priority()  # a stop must not wait for a processor
        try:
            asyncio.run(run())
        finally:
            self._started.set()
            listener.close()
