"""A websocket server of one protocol: binds, limits clients and bytes, refuses browsers, closes."""

from __future__ import annotations

import http
import logging
import socket
import threading
from types import TracebackType
from typing import Any, ClassVar, Self

from robots.address import is_ipv6, joined
from robots.policy_servers.address import set_send_timeout
from robots.policy_servers.errors import AddressRefused, ServerFull
from robots.policy_servers.msgpack_numpy import MARGIN, MAX_BYTES

log = logging.getLogger(__name__)
CLOSE_S = 2.0  # [s] for a closing handshake
SEND_S = 10.0  # [s] a client may take to read its answer
BUSY = 1013  # websocket close code: try again later


class WebsocketServer:
    """Serves connections on one address. `start` binds; `wait` blocks until `close` from elsewhere.

    A page in a browser could otherwise reach it on the loopback, so requests with an origin are refused.

    Args:
        host, port: where it is bound; port 0 lets the system choose.
        max_clients: connections at a time.
        patience: [s] that one more connection waits for its turn before it is refused.
    """

    HEALTH: ClassVar[str]  # path that is answered with 200

    def __init__(self, host: str, port: int, max_clients: int, patience: float = 0.0) -> None:
        self.host, self.port = host, port
        self._max_clients, self._patience = max_clients, patience
        self._places = threading.BoundedSemaphore(max_clients)
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Bind, and serve from a thread. Raises AddressRefused where the address is in use."""
        from websockets.sync.server import serve

        try:
            self._server = serve(
                self._handle, self.host, self.port, compression=None,
                max_size=MAX_BYTES + MARGIN, max_queue=2,
                origins=[None], process_request=self._request, close_timeout=CLOSE_S,
                family=socket.AF_INET6 if is_ipv6(self.host) else socket.AF_INET,
            )  # fmt: skip
        except OSError as error:
            raise AddressRefused(
                f"cannot serve at {joined(self.host, self.port)}: {error.strerror}"
            ) from error
        self.port = self._server.socket.getsockname()[1]
        name = type(self).__name__
        self._thread = threading.Thread(target=self._server.serve_forever, name=name, daemon=True)
        self._thread.start()
        return self

    def wait(self) -> None:
        """Block until `close`, in slices, so that Ctrl-C interrupts it."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.2)

    def close(self) -> None:
        """Close every connection and free the address. Idempotent."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- of a protocol ------------------------------------------------------------------------

    def _authorised(self, request: Any) -> bool:
        """Whether the headers of `request` let it in."""
        return True

    def _refusal(self, error: ServerFull) -> bytes | str:
        """The message for one client too many."""
        raise NotImplementedError

    def _serve(self, connection: Any) -> None:
        """Serve one client until it leaves, which raises ConnectionClosed."""
        raise NotImplementedError

    # -- inside -------------------------------------------------------------------------------

    def _request(self, connection: Any, request: Any) -> Any:
        if request.path == self.HEALTH:
            return connection.respond(http.HTTPStatus.OK, "OK\n")
        if not self._authorised(request):
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "this server requires its token\n")
        return None

    def _handle(self, connection: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        has_place = self._places.acquire(timeout=self._patience)
        try:
            if not has_place:
                full = ServerFull(f"this server already has {self._max_clients} clients")
                connection.send(self._refusal(full))
                connection.close(BUSY, "full")
                return
            set_send_timeout(connection.socket, SEND_S)
            self._serve(connection)
        except (ConnectionClosed, OSError) as error:
            log.info("client disconnected: %s", error)
        except Exception:
            log.exception("connection failed")
        finally:
            if has_place:
                self._places.release()
