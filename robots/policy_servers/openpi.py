"""openpi's policy protocol: a websocket that sends metadata first, then answers each request with actions.

The server refuses browsers (a page could otherwise reach it on loopback) and limits clients and bytes. An
error is a text frame, as in openpi's own server, without paths or traces. Wire:
`openpi_client.websocket_client_policy` 0.1.2, which tests/judges/ runs against this server.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from robots.errors import MessageRefused
from robots.policy_servers.address import parse, require_loopback
from robots.policy_servers.errors import ServerFull, error_text
from robots.policy_servers.msgpack_numpy import decode, encode, shown
from robots.policy_servers.session import Session
from robots.policy_servers.websocket_server import WebsocketServer

log = logging.getLogger(__name__)
MAX_CLIENTS = 4


class OpenpiServer(WebsocketServer):
    """Serves sessions on one address. `start` binds; `wait` blocks until `close` from elsewhere.

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

    HEALTH: ClassVar[str] = "/healthz"

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
        host, port = parse(address) if token else require_loopback(address, why)
        super().__init__(host, port, max_clients)
        self._new_session, self._metadata = new_session, encode(dict(metadata))
        self._token, self._public_errors = token, public_errors
        self._inference = threading.Lock()  # one at a time: the clients share the networks

    def _authorised(self, request: Any) -> bool:
        given = request.headers.get("Authorization", "")
        return not self._token or hmac.compare_digest(given.encode(), f"Api-Key {self._token}".encode())

    def _refusal(self, error: ServerFull) -> str:
        return error_text(error)

    def _serve(self, connection: Any) -> None:
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
