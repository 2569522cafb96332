"""Sockets with mandatory CURVE, on the loopback unless another address is explicitly permitted.

CURVE has two unsafe defaults: a socket without `curve_server` accepts plaintext, and one whose authenticator
is missing or has stopped accepts every key. Therefore the mechanism is read back, the ZAP domain is enforced
(no authenticator: no connection), and each frame must carry an authenticated key.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

from robots.address import is_ipv6, is_loopback, joined, split, zmq_address
from robots.bridge.errors import Insecure
from robots.bridge.keys import AllowList, SecretKey
from robots.realtime import HELPER_PRIORITY, priority_allowed
from robots.zmq_context import Context

DOMAIN = "palme"
LAST_PORT = 65535 - 3  # states, pictures and a simulated table use the next three
CLOSE_TIMEOUT = 10.0  # [s] for a thread to end
MARGIN = 1024  # [bytes] above a limit that ZeroMQ lets in: CURVE adds 33; a frame of more is refused by name
QUEUE_LENGTH = 64  # frames queued for one peer: twice the largest number of pending commands
log = logging.getLogger(__name__)


def parse(address: str) -> tuple[str, int]:
    """(host, port) of `tcp://host:port` or `host:port`, IPv6 in brackets. Raises Insecure for all else."""
    if (found := split(address, last=LAST_PORT)) is None:
        raise Insecure(
            f"address {address!r}: expected tcp://HOST:PORT, as in tcp://127.0.0.1:5560 or tcp://[::1]:5560, "
            f"with a port of 1 to {LAST_PORT} (0 = any free one)"
        )
    return found


def connect(socket: zmq.Socket, host: str, port: int) -> None:
    """Connect `socket` to a port of a host of `parse`."""
    socket.setsockopt(zmq.IPV6, int(is_ipv6(host)))
    socket.connect(zmq_address(host, port))


def context(io_threads: int = 1) -> zmq.Context:
    """A context whose I/O threads have real-time priority where that is permitted."""
    made = Context(io_threads=io_threads)
    if priority_allowed():  # libzmq aborts the process if the priority is refused
        made.set(zmq.THREAD_SCHED_POLICY, os.SCHED_FIFO)
        made.set(zmq.THREAD_PRIORITY, HELPER_PRIORITY)
    return made


class Authenticator(ThreadAuthenticator):
    """The thread that answers ZAP requests of a context from the allow-list; `stop` it at the end.

    If the allow-list cannot be read, no key is allowed. pyzmq's own thread would end then without an error:
    no client could connect, and `stop` would block.
    """

    def __init__(self, context: zmq.Context, allowed: AllowList) -> None:
        super().__init__(context)
        self._allowed_keys = allowed
        self.start()
        self.configure_curve_callback(domain=DOMAIN, credentials_provider=self)

    def callback(self, domain: str, key: bytes) -> bool:
        """Called by pyzmq at each handshake: whether `key` is allowed."""
        try:
            return key.decode("ascii") in self._allowed_keys.keys()
        except Exception:
            log.exception("the allow-list could not be read; no client is accepted meanwhile")
            return False

    def stop(self) -> None:
        """End the thread. Idempotent, also if it has already ended."""
        thread, pipe = self.thread, self.pipe
        self.pipe = None  # type: ignore[assignment]  # so pyzmq's own `stop` only closes what is left
        if pipe is not None and not pipe.closed:
            try:
                pipe.send(b"TERMINATE", zmq.NOBLOCK)
            except zmq.ZMQError:
                pass  # its other end is closed
            if thread is not None:
                thread.join(CLOSE_TIMEOUT)
            pipe.close()
        if thread is None or not thread.is_alive():
            super().stop()


def server_socket(context: zmq.Context, kind: int, key: SecretKey, limit: int) -> zmq.Socket:
    """A CURVE server socket, not yet bound. `limit`: [bytes] of the largest frame accepted."""
    socket = _bounded(context.socket(kind), limit)
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = key.public.encode(), key.secret.encode()
    socket.zap_domain = DOMAIN.encode()
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    return socket


def check_reach(host: str, beyond_loopback: bool) -> None:
    """Raise Insecure if `host` is reachable from other computers and `beyond_loopback` is False."""
    if not (is_loopback(host) or beyond_loopback):
        raise Insecure(
            f"{host} can be reached from other computers; set `beyond_loopback=true` if that is intended"
        )


def bind(socket: zmq.Socket, host: str, port: int, beyond_loopback: bool, what: str = "commands") -> int:
    """Bind `socket`; port 0 = any free one. Returns the port. `what`: purpose, for the error message.

    Raises:
        Insecure: the socket is not an enforced CURVE server, `host` is reachable from other computers and
            `beyond_loopback` is False, or the port is not available.
    """
    if not (socket.getsockopt(zmq.MECHANISM) == zmq.CURVE and socket.getsockopt(zmq.CURVE_SERVER) == 1):
        raise Insecure("the socket is not a CURVE server; it would accept plaintext")
    if not (socket.getsockopt(zmq.ZAP_ENFORCE_DOMAIN) == 1 and socket.getsockopt(zmq.ZAP_DOMAIN)):
        raise Insecure("the socket does not enforce its ZAP domain; it would accept any key")
    check_reach(host, beyond_loopback)
    try:
        socket.setsockopt(zmq.IPV6, int(is_ipv6(host)))
        socket.bind(zmq_address(host, port))
    except zmq.ZMQError as error:
        remedy = "is it an address of this computer? address= chooses another"
        if error.errno == zmq.EADDRINUSE:
            remedy = "another server may be running; end it, or choose another port by address="
        raise Insecure(f"tcp://{joined(host, port)} for {what}: {error}; {remedy}") from None
    return int(bytes(socket.getsockopt(zmq.LAST_ENDPOINT)).decode().rpartition(":")[2])


def wakeup_socket(socket: zmq.Socket, route: bytes) -> zmq.Socket:
    """An in-process socket that sends wake-up messages to the ROUTER `socket`, without CURVE.

    It uses `route` before any client can connect, so no client can use that route. Its messages carry no
    key, so `sender` refuses them.
    """
    socket.bind("inproc://bell")
    waker = socket.context.socket(zmq.DEALER)
    waker.setsockopt(zmq.ROUTING_ID, route)
    waker.setsockopt(zmq.LINGER, 0)
    waker.connect("inproc://bell")
    return waker


def client_socket(
    context: zmq.Context, kind: int, key: SecretKey, server_public: str, limit: int
) -> zmq.Socket:
    """A CURVE client socket, not yet connected. `limit`: [bytes] of the largest frame accepted.

    `IMMEDIATE` and a short queue: a frame sent while the server is away fails at once, instead of being
    delivered to the next server.
    """
    socket = _bounded(context.socket(kind), limit)
    socket.curve_serverkey = server_public.encode()
    socket.curve_publickey, socket.curve_secretkey = key.public.encode(), key.secret.encode()
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    return socket


def sending(socket: zmq.Socket) -> Callable[..., None]:
    """`socket.send` (data, flags) without the draft-socket code of pyzmq, which doubles its time."""
    send: Callable[..., None] = super(zmq.Socket, socket).send
    return send


def sender(frame: zmq.Frame) -> str:
    """The authenticated key of the sender of `frame`. Raises Insecure if there is none."""
    try:
        name = frame.get("User-Id")
    except (zmq.ZMQError, KeyError):
        name = ""
    if not name:
        raise Insecure("a frame without an authenticated key")
    return str(name)


def end(context: zmq.Context, threads: Iterable[threading.Thread]) -> None:
    """Wait for `threads`, then close `context` and all its sockets.

    Closing a socket that a thread uses aborts the process (a libzmq assertion). If a thread does not end, the
    sockets stay open and an error is logged.
    """
    late = []
    for thread in threads:
        if thread.is_alive():
            thread.join(CLOSE_TIMEOUT)
        if thread.is_alive():
            late.append(thread.name)
    if late:
        log.error("%s did not end within %g s; the sockets stay open", ", ".join(late), CLOSE_TIMEOUT)
    else:
        context.destroy(linger=0)


def _bounded(socket: zmq.Socket, limit: int) -> Any:
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, limit + MARGIN)
    socket.setsockopt(zmq.SNDHWM, QUEUE_LENGTH)
    socket.setsockopt(zmq.RCVHWM, QUEUE_LENGTH)
    socket.setsockopt(zmq.HANDSHAKE_IVL, 5000)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 1000)  # detects a peer that vanished without closing
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3000)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    return socket
