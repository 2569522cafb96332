"""GR00T's policy protocol: ZeroMQ requests to named endpoints, observations with batch and time axes.

Observations come in the nested form or in the flat one, see `gr00t_forms`. The server uses a ROUTER socket
where GR00T's uses REP: a client that ends in the middle of a request blocks no other, and each client has a
session of its own. Wire: `gr00t/policy/server_client.py` of Isaac-GR00T (N1.6, N1.7).
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np
import zmq

from robots.address import is_ipv6, joined, zmq_address
from robots.errors import MessageRefused
from robots.policy_servers.address import parse, require_loopback
from robots.policy_servers.errors import AddressRefused, ServerFull, error_text
from robots.policy_servers.gr00t_forms import read_request, with_instruction
from robots.policy_servers.msgpack_numpy import MARGIN, MAX_BYTES, decode, encode, shown
from robots.policy_servers.session import Session
from robots.zmq_context import Context

log = logging.getLogger(__name__)
MAX_CLIENTS = 4
IDLE_S = 60.0  # [s] after which a silent client's session may be dropped; ZeroMQ reports no disconnection
POLL_MS = 100


class Gr00tServer:
    """Serves sessions on one address, one request at a time.

    Args:
        new_session, metadata, token, public_errors, max_clients: see `OpenpiServer`; the token is
            `api_token`.
        address: host:port, loopback unless `token` is given.

    Raises:
        AddressRefused: a malformed address, or one that is not loopback without a token.
    """

    def __init__(
        self,
        new_session: Callable[[], Session],
        metadata: Mapping[str, Any],
        address: str = "127.0.0.1:5555",
        token: str | None = None,
        public_errors: tuple[type[Exception], ...] = (),
        max_clients: int = MAX_CLIENTS,
    ) -> None:
        why = "without a token nobody is authenticated"
        self.host, self.port = parse(address) if token else require_loopback(address, why)
        self._new_session, self._metadata = new_session, dict(metadata)
        self._token, self._public_errors, self._max_clients = token, public_errors, max_clients
        self._sessions: dict[bytes, tuple[Session, float]] = {}
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> Gr00tServer:
        """Bind, and serve from a thread. Raises AddressRefused where the address is in use."""
        context = Context()
        socket = context.socket(zmq.ROUTER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_BYTES + MARGIN)
        socket.setsockopt(zmq.RCVHWM, 2 * self._max_clients)
        socket.setsockopt(zmq.SNDTIMEO, 1000)
        socket.setsockopt(zmq.IPV6, int(is_ipv6(self.host)))
        try:
            socket.bind(zmq_address(self.host, self.port))
        except zmq.ZMQError as error:
            context.destroy(0)
            raise AddressRefused(
                f"cannot serve at {joined(self.host, self.port)}: {error.strerror}"
            ) from error
        self.port = int(socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])
        self._thread = threading.Thread(target=self._loop, args=(context, socket), name="gr00t", daemon=True)
        self._thread.start()
        return self

    def wait(self) -> None:
        """Block until `close`, in slices, so that Ctrl-C interrupts it."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.2)

    def close(self) -> None:
        """Stop serving and free the address. Idempotent."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Gr00tServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _loop(self, context: Context, socket: zmq.Socket[bytes]) -> None:
        try:
            while not self._closed.is_set():
                if not socket.poll(POLL_MS):
                    continue
                client, *frames = socket.recv_multipart()
                if len(frames) != 2 or frames[0]:
                    log.info("dropped %d frames that are not from a REQ socket", len(frames))
                    continue
                try:
                    reply = self._handle(client, frames[1])
                except Exception as error:
                    log.info("request failed: %s: %s", type(error).__name__, error)
                    reply = {"error": error_text(error, self._public_errors)}
                try:
                    socket.send_multipart([client, b"", encode(reply, npy=True)])
                except zmq.ZMQError as error:  # a client that does not read loses its answer
                    log.info("answer not sent: %s", error)
        finally:
            context.destroy(0)

    def _handle(self, client: bytes, body: bytes) -> object:
        request = decode(body)
        if not isinstance(request, dict):
            raise MessageRefused(f"request is {shown(request)}; send a map with an endpoint")
        given = request.get("api_token")
        known = isinstance(given, str) and hmac.compare_digest(given.encode(), (self._token or "").encode())
        if self._token and not known:
            return {"error": "Unauthorized: this server requires its api_token"}
        endpoint, data = request.get("endpoint", "get_action"), request.get("data")
        data = {} if data is None else data
        if not isinstance(data, dict):
            raise MessageRefused(f"data is {shown(data)}, not a map")
        if endpoint == "ping":
            return {"status": "ok", "message": "Server is running"}
        if endpoint == "get_modality_config":
            return self._modalities()
        if endpoint == "reset":
            self._session(client).reset()
            return {}
        if endpoint == "get_action":
            return self._action(client, data)
        endpoints = "get_action, reset, ping, get_modality_config"
        raise MessageRefused(f"no endpoint {str(endpoint)[:40]!r}; there are {endpoints} (no kill)")

    def _action(self, client: bytes, data: Mapping[str, object]) -> object:
        flat, form = read_request(data)
        begin = time.monotonic()
        is_new, session = client not in self._sessions, self._session(client)
        try:
            answer = session.answer(with_instruction(flat, session.reader.keys.prompt))
        except Exception:
            if is_new:  # a request that was never answered keeps no other client out
                del self._sessions[client]
            raise
        rows = answer.actions.astype(np.float32)  # (H, n + 1)
        info = {**answer.info, "server_timing": {"infer_ms": 1e3 * (time.monotonic() - begin)}}
        joints, gripper = session.reader.keys.actions
        return form.action({joints: rows[:, :-1], gripper: rows[:, -1:]}, info)

    def _session(self, client: bytes) -> Session:
        now = time.monotonic()
        if client not in self._sessions:
            self._sessions = {c: (s, at) for c, (s, at) in self._sessions.items() if now - at < IDLE_S}
            if not len(self._sessions) < self._max_clients:
                n, idle = self._max_clients, f"{IDLE_S:g} s"
                raise ServerFull(f"this server already has {n} clients; one is dropped after {idle} idle")
        session = self._sessions[client][0] if client in self._sessions else self._new_session()
        self._sessions[client] = (session, now)
        return session

    def _modalities(self) -> dict[str, Any]:
        """GR00T's description of the entries read and the rows answered, with our metadata under `palme`."""
        groups: dict[str, list[str]] = {}
        for name in self._metadata.get("needs", ()):
            group, _, key = name.partition("/")
            groups.setdefault(group, []).append(key)
        rows = list(range(int(self._metadata.get("action_horizon", 1))))
        config = {g: ([0], keys) for g, keys in groups.items()}
        config["action"] = (rows, list(self._metadata.get("actions", ())))
        modalities: dict[str, Any] = {
            group: {
                "__ModalityConfig_class__": True,
                "as_json": {"delta_indices": deltas, "modality_keys": keys},
            }
            for group, (deltas, keys) in config.items()
        }
        return modalities | {"palme": self._metadata}
