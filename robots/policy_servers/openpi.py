"""openpi's policy protocol: a websocket that greets with metadata, then answers each request with actions.

The server is closed to browsers (a page could otherwise reach it on loopback), bounded in guests and in
bytes, and tells a guest what went wrong in a text frame, as openpi's own does, without paths or traces.
Wire: `openpi_client.websocket_client_policy` 0.1.2, which is the judge (tests/judges/).
"""

from __future__ import annotations

import hmac
import http
import logging
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from robots.policy_servers.address import limit_send, loopback, parse
from robots.policy_servers.errors import AddressRefused, ServerFull, told
from robots.policy_servers.msgpack_numpy import MAX_BYTES, decode, encode
from robots.policy_servers.session import Session

log = logging.getLogger(__name__)
MAX_GUESTS = 4
CLOSE_S = 2.0  # [s] for a closing handshake
SEND_S = 10.0  # [s] a guest may take to read its answer
BUSY = 1013  # websocket close code: try again later


class OpenpiServer:
    """Serves sessions on one address. `start` binds; `serve_forever` works until `close` from elsewhere.

    Args:
        new_session: makes the state of one connection.
        metadata: sent to each guest first.
        address: host:port, loopback unless `token` is given.
        token: secret that guests must name as `Authorization: Api-Key TOKEN`.
        speakable: exceptions of the policy whose text guests may read.
        max_guests: connections at a time.
    """

    def __init__(
        self,
        new_session: Callable[[], Session],
        metadata: Mapping[str, Any],
        address: str = "127.0.0.1:8000",
        token: str | None = None,
        speakable: tuple[type[Exception], ...] = (),
        max_guests: int = MAX_GUESTS,
    ) -> None:
        why = "nobody is asked who they are without a token"
        self.host, self.port = parse(address) if token else loopback(address, why)
        self._new_session, self._metadata = new_session, encode(dict(metadata))
        self._token, self._speakable, self._max_guests = token, speakable, max_guests
        self._policy_turn = threading.Lock()  # one inference at a time: the guests share the networks
        self._counting = threading.Lock()
        self._guests = 0
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def start(self) -> OpenpiServer:
        """Bind, and serve from a thread. Raises AddressRefused where the address is taken."""
        from websockets.sync.server import serve

        try:
            self._server = serve(
                self._guest, self.host, self.port, compression=None, max_size=MAX_BYTES, max_queue=2,
                origins=[None], process_request=self._request, close_timeout=CLOSE_S,
            )  # fmt: skip
        except OSError as error:
            raise AddressRefused(f"cannot serve at {self.host}:{self.port}: {error.strerror}") from error
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="openpi", daemon=True)
        self._thread.start()
        return self

    def wait(self) -> None:
        """Until `close`, in slices, so that Ctrl-C is heard."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.2)

    def close(self) -> None:
        """Say goodbye to every guest and let go of the address. Twice does no harm."""
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
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "this server asks for its token\n")
        return None

    def _guest(self, connection: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        with self._counting:
            self._guests += 1
            full = self._guests > self._max_guests
        try:
            if full:
                connection.send(told(ServerFull(f"{self._max_guests} guests are here already")))
                connection.close(BUSY, "full")
                return
            self._serve(connection)
        except (ConnectionClosed, OSError) as error:
            log.info("a guest has gone: %s", error)
        except Exception:
            log.exception("a guest's connection broke off")
        finally:
            with self._counting:
                self._guests -= 1

    def _serve(self, connection: Any) -> None:
        limit_send(connection.socket, SEND_S)
        session = self._new_session()
        connection.send(self._metadata)
        whole_ms: float | None = None
        while True:
            message = connection.recv()
            begin = time.monotonic()
            try:
                reply: bytes | str = self._answer(session, message, whole_ms)
            except Exception as error:
                log.info("a request failed: %s: %s", type(error).__name__, error)
                reply = told(error, self._speakable)
            connection.send(reply)
            whole_ms = 1e3 * (time.monotonic() - begin)

    def _answer(self, session: Session, message: bytes | str, whole_ms: float | None) -> bytes:
        flat = decode(message)
        with self._policy_turn:
            begin = time.monotonic()
            answer = session.answer(flat)
            timing = {"infer_ms": 1e3 * (time.monotonic() - begin)}
        if whole_ms is not None:
            timing["prev_total_ms"] = whole_ms
        return encode({"actions": answer.actions, "server_timing": timing, **answer.said})
