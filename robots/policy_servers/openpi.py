"""openpi's policy protocol: a websocket that sends metadata first, then answers each request with actions.

The server refuses browsers (a page could otherwise reach it on loopback) and limits clients and bytes. An
error is a text frame, as in openpi's own server, without paths or traces. Wire:
`openpi_client.websocket_client_policy` 0.1.2, which tests/judges/ runs against this server.
"""

from __future__ import annotations

import hmac
import http
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from robots.address import is_ipv6, joined
from robots.errors import MessageRefused
from robots.policy_servers.address import parse, require_loopback, set_send_timeout
from robots.policy_servers.errors import AddressRefused, ServerFull, error_text
from robots.policy_servers.msgpack_numpy import MARGIN, MAX_BYTES, decode, encode, shown
from robots.policy_servers.session import Session

log = logging.getLogger(__name__)
MAX_CLIENTS = 4
CLOSE_S = 2.0  # [s] for a closing handshake
SEND_S = 10.0  # [s] a client may take to read its answer
BUSY = 1013  # websocket close code: try again later


class OpenpiServer:
    """Serves sessions on one address. `start` binds; `serve_forever` works until `close` from elsewhere.

    Args:
        new_session: makes the state of one connection.
        metadata: sent to each client first.
        address: host:port, loopback unless `token` is given.
        token: secret that clients must send as `Authorization: Api-Key TOKEN`.
        public_errors: exceptions of the policy whose text clients may read.
        max_clients: connections at a time.

    Raises:
        AddressRefused: a malformed address, or one that is not loopback without a token.
    """

    def __init__(
        self,
        new_session: Callable[[], Session],
        metadata: Mapping[str, Any],
        address: str = "127.0.0.1:8000",
        token: str | None = None,
        public_errors: tuple[type[Exception], ...] = (),
        max_clients: int = MAX_CLIENTS,
    ) -> None:
        why = "without a token nobody is authenticated"
        self.host, self.port = parse(address) if token else require_loopback(address, why)
        self._new_session, self._metadata = new_session, encode(dict(metadata))
        self._token, self._public_errors, self._max_clients = token, public_errors, max_clients
        self._inference = threading.Lock()  # one at a time: the clients share the networks
        self._count_lock = threading.Lock()
        self._clients = 0
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def start(self) -> OpenpiServer:
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
        self._thread = threading.Thread(target=self._server.serve_forever, name="openpi", daemon=True)
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

    def __enter__(self) -> OpenpiServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _request(self, connection: Any, request: Any) -> Any:
        if request.path == "/healthz":
            return connection.respond(http.HTTPStatus.OK, "OK\n")
        given = request.headers.get("Authorization", "")
        if self._token and not hmac.compare_digest(given.encode(), f"Api-Key {self._token}".encode()):
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "this server requires its token\n")
        return None

    def _handle(self, connection: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        with self._count_lock:
            self._clients += 1
            full = self._clients > self._max_clients
        try:
            if full:
                connection.send(
                    error_text(ServerFull(f"this server already has {self._max_clients} clients"))
                )
                connection.close(BUSY, "full")
                return
            self._serve(connection)
        except (ConnectionClosed, OSError) as error:
            log.info("client disconnected: %s", error)
        except Exception:
            log.exception("connection failed")
        finally:
            with self._count_lock:
                self._clients -= 1

    def _serve(self, connection: Any) -> None:
        set_send_timeout(connection.socket, SEND_S)
        session = self._new_session()
        connection.send(self._metadata)
        total_ms: float | None = None
        while True:
            message = connection.recv()
            begin = time.monotonic()
            try:
                reply: bytes | str = self._answer(session, message, total_ms)
            except Exception as error:
                log.info("request failed: %s: %s", type(error).__name__, error)
                reply = error_text(error, self._public_errors)
            connection.send(reply)
            total_ms = 1e3 * (time.monotonic() - begin)

    def _answer(self, session: Session, message: bytes | str, total_ms: float | None) -> bytes:
        flat = decode(message)
        if not isinstance(flat, dict):
            raise MessageRefused(f"request is {shown(flat)}; send a map of entries such as 'prompt'")
        with self._inference:
            begin = time.monotonic()
            answer = session.answer(flat)
            timing = {"infer_ms": 1e3 * (time.monotonic() - begin)}
        if total_ms is not None:
            timing["prev_total_ms"] = total_ms
        return encode({"actions": answer.actions, "server_timing": timing, **answer.info})
