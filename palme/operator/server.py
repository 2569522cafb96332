"""`serve`: a console for a desk, on a thread of its own beside the run."""

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

SILENCE = 0.3  # [s]
_START, _END = 10.0, 5.0  # [s] patience with the server's thread


def _say(line: str) -> None:
    print(line, flush=True)


def serve(
    desk: Operator,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    *,
    beyond_loopback: bool = False,
    names: tuple[str, ...] = (),
    silence: float = SILENCE,
    announce: Callable[[str], None] = _say,
) -> Console:
    """Open a console and tell its address.

    Args:
        desk: what it shows and does.
        host: address to listen on. Anything but a loopback address needs `beyond_loopback`: the page is plain
            HTTP, so whoever reads the wire reads the token. A tunnel (`ssh -L`) needs neither.
        port: 0 = any free one.
        token: the secret in the address, 16 to 128 letters, digits, - or _. None = one is drawn.
        names: further host names under which it may be reached.
        silence: [s] without a word from the console that holds the arm until the desk hears that it left.
        announce: what is done with the line that says where the console is.

    Raises:
        AddressError: an address beyond the loopback that was not asked for, or one that cannot be bound.
        WeakTokenError: a token that could be guessed.
        ConsoleError: the extra [teleop] is missing, or the server does not start.
    """
    if not silence > 0:
        raise ConsoleError(f"silence={silence}: seconds, more than 0")
    door = Auth(host, token or new_token(), names)
    console = Console(desk, listen(host, port, beyond_loopback), door, silence)
    announce(f"console: {console.address}")
    return console


class Console:
    """A console that runs until `stop`. A context manager."""

    def __init__(self, desk: Operator, listener: socket.socket, door: Auth, silence: float) -> None:
        try:
            import uvicorn

            from palme.operator.app import build_app
            from palme.operator.clients import Clients
            from palme.operator.messages import MAX_BYTES
        except ImportError as error:
            listener.close()
            raise ConsoleError(f"no {error.name}: pip install 'palme-stack[teleop]'") from error
        self.clients: Clients = Clients(desk, silence)
        self.host, self.port = reached_at(listener)
        self.token = door.token
        config = uvicorn.Config(
            build_app(self.clients, door), lifespan="on", log_config=None, log_level="warning",
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
        """What to open in a browser."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/?token={self.token}"

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Close every page's sockets (the desk hears that they left) and end the thread."""
        self._server.should_exit = True
        self._thread.join(_END)

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
