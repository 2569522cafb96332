"""Clients of policy servers that speak openpi's or GR00T's protocol.

Every call ends within its timeout; a server that does not answer is a named error with the time waited.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import zmq

from robots.address import is_ipv6, joined
from robots.errors import MessageRefused
from robots.policy_servers.address import parse, set_send_timeout
from robots.policy_servers.errors import PolicyServerRefused, PolicyServerUnavailable
from robots.policy_servers.gr00t_forms import dot, nest, rows_of
from robots.policy_servers.msgpack_numpy import MAX_BYTES, decode, encode
from robots.zmq_context import Context

CLOSE_S = 0.5  # [s] for a closing handshake


class OpenpiClient:
    """Calls a server that speaks openpi's protocol.

    Every call ends within `timeout_s` plus half a second. After a failure the next call reconnects.

    Args:
        address: host:port.
        timeout_s: longest wait for an answer, in [s], > 0.
        connect_timeout_s: longest wait for the connection and the server's metadata, in [s], > 0.
        token: sent as `Authorization: Api-Key TOKEN`.

    Raises:
        AddressRefused: a malformed address.
    """

    def __init__(
        self, address: str, timeout_s: float = 5.0, connect_timeout_s: float = 5.0, token: str | None = None
    ) -> None:
        host, port = parse(address)
        self.address = joined(host, port)
        self.timeout_s, self.connect_timeout_s, self._token = timeout_s, connect_timeout_s, token
        self.metadata: Mapping[str, Any] = {}
        self._connection: Any = None
        self._last_answer: float | None = None

    def connect(self) -> Mapping[str, Any]:
        """Connect if not connected; returns the server's metadata. Raises as `infer`."""
        if self._connection is None:
            from websockets.exceptions import WebSocketException
            from websockets.sync.client import connect

            headers = {"Authorization": f"Api-Key {self._token}"} if self._token else None
            begin = time.monotonic()
            try:
                # No pings: a server that compiles its model in its event loop answers none for a minute, and
                # the timeouts here bound the wait. No proxy: the address is used as given.
                self._connection = connect(
                    f"ws://{self.address}", compression=None, max_size=MAX_BYTES, additional_headers=headers,
                    open_timeout=self.connect_timeout_s, close_timeout=CLOSE_S, ping_interval=None,
                    proxy=None,
                )  # fmt: skip
                set_send_timeout(self._connection.socket, self.timeout_s)
                first = self._connection.recv(timeout=self.connect_timeout_s)
            except (OSError, TimeoutError, WebSocketException) as error:
                self.close()
                raise _unavailable(self.address, "connection", begin, self._last_answer, error) from error
            self.metadata = self._read(first)
        return self.metadata

    def infer(self, observation: Mapping[str, Any]) -> Mapping[str, Any]:
        """The server's answer, `actions` in it.

        Raises:
            PolicyServerUnavailable: no answer in time; names the server and the time waited.
            PolicyServerRefused: the server answered with an error, which the message quotes.
            MessageRefused: the answer is malformed.
        """
        from websockets.exceptions import WebSocketException

        self.connect()
        begin = time.monotonic()
        try:
            self._connection.send(encode(observation))
            reply = self._connection.recv(timeout=self.timeout_s)
        except (OSError, TimeoutError, WebSocketException) as error:
            self.close()
            raise _unavailable(self.address, "answer", begin, self._last_answer, error) from error
        self._last_answer = time.monotonic()
        return self._read(reply)

    def reset(self) -> None:
        """Start a new episode: in this protocol, a new connection."""
        self.close()

    def close(self) -> None:
        """Disconnect. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _read(self, reply: bytes | str) -> Mapping[str, Any]:
        if isinstance(reply, str):
            self.close()  # openpi's server disconnects after an error as well
            raise PolicyServerRefused(f"policy server {self.address}: {_last_line(reply)}")
        try:
            answer = decode(reply)
        except Exception:
            self.close()
            raise
        return answer if isinstance(answer, dict) else {"actions": answer}


class Gr00tClient:
    """Calls a server that speaks GR00T's protocol.

    Every call ends within `timeout_s`. After a failure the next call uses a new socket.

    Args:
        address: host:port.
        timeout_s: longest wait for an answer, in [s], > 0.
        token: sent as `api_token`.
        actions: groups of the answer that are joined to rows, in this order.
        flat: whether the server takes the flat form of observations, with dotted names; see `gr00t_forms`.

    Raises:
        AddressRefused: a malformed address.
    """

    def __init__(
        self,
        address: str,
        timeout_s: float = 5.0,
        token: str | None = None,
        actions: tuple[str, ...] = ("joint_position", "gripper_position"),
        flat: bool = False,
    ) -> None:
        host, port = parse(address)
        self.address, self._ipv6 = joined(host, port), is_ipv6(host)
        self.timeout_s, self._token, self._actions, self._flat = timeout_s, token, actions, flat
        self._wrapped: bool | None = None if flat else True  # None: the server's version is not known yet
        self._context = Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._last_answer: float | None = None

    def infer(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """The server's info, and `actions` (H, D). Raises as `OpenpiClient.infer`."""
        if self._wrapped is None:
            self.reset()
        observation = dot(flat, batch=bool(self._wrapped)) if self._flat else nest(flat)
        data = {"observation": observation, "options": None} if self._wrapped else observation
        reply = self.call("get_action", data)
        try:
            rows, info = rows_of(reply, self._actions)
        except MessageRefused as error:
            raise MessageRefused(f"policy server {self.address}: {error}") from error
        return {**info, "actions": rows}

    def reset(self) -> None:
        """Start a new episode at the server. Raises as `call`.

        A server of N1 or N1.5 has no episodes and refuses; it then gets observations as that version does.
        """
        try:
            self.call("reset", {"options": None})
            self._wrapped = True
        except PolicyServerRefused as refusal:
            if not (self._flat and "unknown endpoint" in str(refusal).lower()):
                raise
            self._wrapped = False

    def call(self, endpoint: str, data: Mapping[str, Any] | None = None) -> Any:
        """The answer of one endpoint. Raises PolicyServerUnavailable, PolicyServerRefused, MessageRefused."""
        request: dict[str, Any] = {"endpoint": endpoint}
        if data is not None:
            request["data"] = data
        if self._token:
            request["api_token"] = self._token
        message, begin = encode(request, npy=True), time.monotonic()
        socket = self._connected()
        try:
            socket.send(message)
            reply = socket.recv()
        except zmq.ZMQError as error:
            self._disconnect()  # a REQ that lost its answer can neither send nor receive again
            raise _unavailable(self.address, "answer", begin, self._last_answer, error) from error
        self._last_answer = time.monotonic()
        answer = decode(reply)
        if isinstance(answer, dict) and "error" in answer:
            raise PolicyServerRefused(f"policy server {self.address}: {_last_line(answer['error'])}")
        return answer

    def close(self) -> None:
        """Disconnect for good. Idempotent."""
        self._disconnect()
        self._context.destroy(0)

    def _connected(self) -> zmq.Socket[bytes]:
        if self._socket is None:
            socket = self._context.socket(zmq.REQ)
            wait = max(1, round(1e3 * self.timeout_s))
            for option, value in (
                (zmq.LINGER, 0), (zmq.RCVTIMEO, wait), (zmq.SNDTIMEO, wait), (zmq.MAXMSGSIZE, MAX_BYTES),
                (zmq.IPV6, int(self._ipv6)),
            ):  # fmt: skip
                socket.setsockopt(option, value)
            socket.connect(f"tcp://{self.address}")
            self._socket = socket
        return self._socket

    def _disconnect(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.close(0)


def _last_line(text: object) -> str:
    """The last line of a server's error: of a traceback, the one with the message."""
    return (str(text).strip().splitlines() or [""])[-1][:300]


def _unavailable(
    address: str, what: str, begin: float, last: float | None, error: Exception
) -> PolicyServerUnavailable:
    now = time.monotonic()
    ago = f"; its last answer was {now - last:.1f} s ago" if last is not None else ""
    cause = type(error).__name__
    return PolicyServerUnavailable(
        f"policy server {address}: no {what} for {now - begin:.1f} s ({cause}){ago}; is it running, and does "
        "it speak this protocol (policy.protocol=openpi | gr00t)?"
    )
