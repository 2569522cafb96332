"""GR00T's policy protocol: ZeroMQ requests to named endpoints, observations of batch and time.

A ROUTER stands where theirs has REP: a guest that dies in the middle wedges nobody, and each guest keeps a
state of its own. Wire: `gr00t/policy/server_client.py` of Isaac-GR00T (N1.6, N1.7).
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

from robots.policy_servers.address import loopback, parse, zmq_address
from robots.policy_servers.errors import (
    AddressRefused,
    FieldRefused,
    MessageRefused,
    ServerFull,
    told,
)
from robots.policy_servers.msgpack_numpy import MAX_BYTES, decode, encode
from robots.policy_servers.session import Session
from robots.zmq_context import Context

log = logging.getLogger(__name__)
MAX_GUESTS = 4
IDLE_S = 60.0  # [s] after which a silent guest's place is given away; ZeroMQ does not say who has left
POLL_MS = 100


def flatten(observation: Any) -> dict[str, Any]:
    """`{"video": {k: (1, T, ...)}, "language": {k: [[text]]}}` to `{"video/k": newest, ...}`."""
    if not (isinstance(observation, dict) and all(isinstance(v, dict) for v in observation.values())):
        raise FieldRefused("observation is not of groups such as video, state and language")
    flat: dict[str, Any] = {}
    for group, entries in observation.items():
        for key, value in entries.items():
            name = f"{group}/{key}"
            if isinstance(value, np.ndarray):
                if not (value.ndim >= 2 and value.shape[0] == 1 and value.shape[1] > 0):
                    raise FieldRefused(f"{name}: shape {value.shape}, expected (1, T, ...)")
                flat[name] = value[0, -1]
            else:
                while isinstance(value, list) and value:
                    value = value[-1]
                flat[name] = value
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `flatten`: batch and time of one. Raises FieldRefused for a key without a group."""
    out: dict[str, dict[str, Any]] = {}
    for name, value in flat.items():
        group, slash, key = name.partition("/")
        if not (slash and key):
            raise FieldRefused(f"{name}: entries for GR00T are named group/name, such as video/front")
        if isinstance(value, str):
            out.setdefault(group, {})[key] = [[value]]
        else:
            out.setdefault(group, {})[key] = np.asarray(value)[None, None]
    return out


class Gr00tServer:
    """Serves sessions on one address, one request after the other.

    Args:
        new_session, metadata, token, speakable, max_guests: see `OpenpiServer`; the token is `api_token`.
        address: host:port, loopback unless `token` is given.
    """

    def __init__(
        self,
        new_session: Callable[[], Session],
        metadata: Mapping[str, Any],
        address: str = "127.0.0.1:5555",
        token: str | None = None,
        speakable: tuple[type[Exception], ...] = (),
        max_guests: int = MAX_GUESTS,
    ) -> None:
        why = "nobody is asked who they are without a token"
        self.host, self.port = parse(address) if token else loopback(address, why)
        self._new_session, self._metadata = new_session, dict(metadata)
        self._token, self._speakable, self._max_guests = token, speakable, max_guests
        self._sessions: dict[bytes, tuple[Session, float]] = {}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> Gr00tServer:
        """Bind, and serve from a thread. Raises AddressRefused where the address is taken."""
        context = Context()
        socket = context.socket(zmq.ROUTER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_BYTES)
        socket.setsockopt(zmq.RCVHWM, 2 * self._max_guests)
        socket.setsockopt(zmq.SNDTIMEO, 1000)
        socket.setsockopt(zmq.IPV6, int(":" in self.host))
        try:
            socket.bind(zmq_address(self.host, self.port))
        except zmq.ZMQError as error:
            context.destroy(0)
            raise AddressRefused(f"cannot serve at {self.host}:{self.port}: {error.strerror}") from error
        self.port = int(socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])
        self._thread = threading.Thread(target=self._loop, args=(context, socket), name="gr00t", daemon=True)
        self._thread.start()
        return self

    def wait(self) -> None:
        """Until `close`, in slices, so that Ctrl-C is heard."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.2)

    def close(self) -> None:
        """Let go of the address. Twice does no harm."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Gr00tServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _loop(self, context: zmq.Context, socket: zmq.Socket) -> None:
        try:
            while not self._over.is_set():
                if not socket.poll(POLL_MS):
                    continue
                who, *frames = socket.recv_multipart()
                if len(frames) != 2 or frames[0]:
                    log.info("dropped %d frames that no REQ sends", len(frames))
                    continue
                try:
                    reply = self._handle(who, frames[1])
                except Exception as error:
                    log.info("a request failed: %s: %s", type(error).__name__, error)
                    reply = {"error": told(error, self._speakable)}
                try:
                    socket.send_multipart([who, b"", encode(reply, npy=True)])
                except zmq.ZMQError as error:  # a guest that reads nothing loses its answer
                    log.info("an answer could not be sent: %s", error)
        finally:
            context.destroy(0)

    def _handle(self, who: bytes, body: bytes) -> Any:
        request = decode(body)
        if not isinstance(request, dict):
            raise MessageRefused("request is not a dict with an endpoint")
        given = request.get("api_token")
        named = isinstance(given, str) and hmac.compare_digest(given.encode(), (self._token or "").encode())
        if self._token and not named:
            return {"error": "Unauthorized: this server asks for its api_token"}
        endpoint, data = request.get("endpoint", "get_action"), request.get("data") or {}
        if not isinstance(data, dict):
            raise MessageRefused("data is not a dict")
        if endpoint == "ping":
            return {"status": "ok", "message": "Server is running"}
        if endpoint == "get_modality_config":
            return self._modalities()
        if endpoint == "reset":
            self._session(who).reset()
            return {}
        if endpoint == "get_action":
            return self._action(who, data)
        known = "get_action, reset, ping, get_modality_config"
        raise MessageRefused(f"no endpoint {str(endpoint)[:40]!r}; there are {known} (kill is for the owner)")

    def _action(self, who: bytes, data: Mapping[str, Any]) -> list[dict[str, Any]]:
        flat = flatten(data.get("observation"))
        begin = time.monotonic()
        answer = self._session(who).answer(flat)
        rows = answer.actions.astype(np.float32)[None]  # (1, H, n + 1)
        info = {**answer.said, "server_timing": {"infer_ms": 1e3 * (time.monotonic() - begin)}}
        return [{"joint_position": rows[..., :-1], "gripper_position": rows[..., -1:]}, info]

    def _session(self, who: bytes) -> Session:
        now = time.monotonic()
        if who not in self._sessions:
            self._sessions = {w: (s, at) for w, (s, at) in self._sessions.items() if now - at < IDLE_S}
            if not len(self._sessions) < self._max_guests:
                raise ServerFull(f"{self._max_guests} guests are here; a place falls free after {IDLE_S:g} s")
        session = self._sessions[who][0] if who in self._sessions else self._new_session()
        self._sessions[who] = (session, now)
        return session

    def _modalities(self) -> dict[str, Any]:
        """In their words: which keys of which group are read, which rows are answered; ours beside it."""
        groups: dict[str, list[str]] = {}
        for name in self._metadata.get("needs", ()):
            group, _, key = name.partition("/")
            groups.setdefault(group, []).append(key)
        rows = list(range(int(self._metadata.get("action_horizon", 1))))
        config = {g: ([0], keys) for g, keys in groups.items()}
        config["action"] = (rows, ["joint_position", "gripper_position"])
        modalities: dict[str, Any] = {
            group: {
                "__ModalityConfig_class__": True,
                "as_json": {"delta_indices": deltas, "modality_keys": keys},
            }
            for group, (deltas, keys) in config.items()
        }
        return modalities | {"palme": self._metadata}
