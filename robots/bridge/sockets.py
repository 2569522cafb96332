"""Sockets that are CURVE or nothing, on the loopback unless another address was asked for by name.

CURVE fails open in two ways, both met here: a socket with `curve_server` forgotten takes plaintext, and
one whose authenticator is missing or has stopped takes every key. So the mechanism is read back, the ZAP
domain is enforced (no answer from the authenticator: no entry), and each frame must carry the key's name.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

from robots.bridge.errors import Insecure
from robots.bridge.keys import AllowList, SecretKey
from robots.realtime import HELPER_PRIORITY, priority_allowed
from robots.zmq_context import Context

DOMAIN = "palme"
LAST_PORT = 65535 - 3  # states, pictures and a simulated table take the next three
ENDING = 10.0  # [s] that a thread has to leave its socket
QUEUE = 64  # frames that a socket holds for one peer: twice what a stream may have under way
log = logging.getLogger(__name__)
_ADDRESS = re.compile(r"tcp://(?P<host>\[[0-9a-fA-F:]+\]|[\w.*-]+):(?P<port>\d{1,5})")


def parse(address: str) -> tuple[str, int]:
    """(host, port) of `tcp://host:port`. Raises Insecure for anything else."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not int(match["port"]) <= LAST_PORT:
        raise Insecure(
            f"address {address!r}: expected tcp://HOST:PORT, as in tcp://127.0.0.1:5560, with a port of "
            f"1 to {LAST_PORT} (0 = any free one)"
        )
    return match["host"], int(match["port"])


def is_loopback(host: str) -> bool:
    """Whether nothing outside this computer reaches `host`. A name other than localhost may lead anywhere."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def context(io_threads: int = 1) -> zmq.Context:
    """A context whose threads, which carry the frames, have real-time priority where that is allowed."""
    made = Context(io_threads=io_threads)
    if priority_allowed():  # libzmq ends the process where the priority is refused
        made.set(zmq.THREAD_SCHED_POLICY, os.SCHED_FIFO)
        made.set(zmq.THREAD_PRIORITY, HELPER_PRIORITY)
    return made


class Authenticator(ThreadAuthenticator):
    """The thread that answers ZAP for a context from the allow-list; `stop` it at the end.

    Where the allow-list cannot be read, no key is allowed. pyzmq's own thread would end there silently: no
    client could connect any more, and `stop` would wait for ever.
    """

    def __init__(self, context: zmq.Context, allowed: AllowList) -> None:
        super().__init__(context)
        self._allowed_keys = allowed
        self.start()
        self.configure_curve_callback(domain=DOMAIN, credentials_provider=self)

    def callback(self, domain: str, key: bytes) -> bool:
        """What pyzmq asks at each handshake."""
        try:
            return key.decode("ascii") in self._allowed_keys.keys()
        except Exception:
            log.exception("the allow-list could not be read; no client is accepted meanwhile")
            return False

    def stop(self) -> None:
        """End the thread. Idempotent, also where it has ended by itself."""
        thread, pipe = self.thread, self.pipe
        self.pipe = None  # type: ignore[assignment]  # so pyzmq's own `stop` only closes what is left
        if pipe is not None and not pipe.closed:
            try:
                pipe.send(b"TERMINATE", zmq.NOBLOCK)
            except zmq.ZMQError:
                pass  # its other end is closed
            if thread is not None:
                thread.join(ENDING)
            pipe.close()
        if thread is None or not thread.is_alive():
            super().stop()


def listening(context: zmq.Context, kind: int, key: SecretKey, limit: int) -> zmq.Socket:
    """A server's socket, CURVE, not yet bound. `limit`: [bytes] of the largest message it takes."""
    socket = _bounded(context.socket(kind), limit)
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = key.public.encode(), key.secret.encode()
    socket.zap_domain = DOMAIN.encode()
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    return socket


def check_reach(host: str, beyond_loopback: bool) -> None:
    """Raises Insecure where `host` can be reached from outside and `beyond_loopback` was not said."""
    if not (is_loopback(host) or beyond_loopback):
        raise Insecure(
            f"{host} can be reached from outside this computer; say `beyond_loopback=true` if that is meant"
        )


def bind(socket: zmq.Socket, host: str, port: int, beyond_loopback: bool, what: str = "commands") -> int:
    """Bind, port 0 = any free one; returns the port. `what` it is for is said where that fails.

    Raises:
        Insecure: the socket is not CURVE and enforced, or `host` can be reached from outside and
            `beyond_loopback` was not said, or that port cannot be had.
    """
    if not (socket.getsockopt(zmq.MECHANISM) == zmq.CURVE and socket.getsockopt(zmq.CURVE_SERVER) == 1):
        raise Insecure("the socket is not a CURVE server; it would take plaintext")
    if not (socket.getsockopt(zmq.ZAP_ENFORCE_DOMAIN) == 1 and socket.getsockopt(zmq.ZAP_DOMAIN)):
        raise Insecure("the socket does not enforce its ZAP domain; it would take any key")
    check_reach(host, beyond_loopback)
    try:
        socket.bind(f"tcp://{host}:{port or '*'}")
    except zmq.ZMQError as error:
        remedy = "is it an address of this computer? address= chooses another"
        if error.errno == zmq.EADDRINUSE:
            remedy = "another server may be running; end it, or choose another port by address="
        raise Insecure(f"tcp://{host}:{port} for {what}: {error}; {remedy}") from None
    return int(bytes(socket.getsockopt(zmq.LAST_ENDPOINT)).decode().rpartition(":")[2])


def bell(socket: zmq.Socket, route: bytes) -> zmq.Socket:
    """One that rings `socket`, a listening ROUTER, from within this process, where CURVE does not come in.

    It takes `route` before anybody can connect, so no client's message comes by it, and it carries no key:
    `sender` lets nothing in that does.
    """
    socket.bind("inproc://bell")
    rope = socket.context.socket(zmq.DEALER)
    rope.setsockopt(zmq.ROUTING_ID, route)
    rope.setsockopt(zmq.LINGER, 0)
    rope.connect("inproc://bell")
    return rope


def calling(context: zmq.Context, kind: int, key: SecretKey, server_public: str, limit: int) -> zmq.Socket:
    """A client's socket, CURVE, not yet connected.

    `IMMEDIATE` and a short queue: what is sent while the server is away fails here and now, instead of
    being delivered to the next server.
    """
    socket = _bounded(context.socket(kind), limit)
    socket.curve_serverkey = server_public.encode()
    socket.curve_publickey, socket.curve_secretkey = key.public.encode(), key.secret.encode()
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    return socket


def sending(socket: zmq.Socket) -> Callable[..., None]:
    """`socket.send` (data, flags) without what pyzmq adds for draft sockets, which costs as much again."""
    send: Callable[..., None] = super(zmq.Socket, socket).send
    return send


def sender(frame: zmq.Frame) -> str:
    """The authenticated key that `frame` came from. Raises Insecure where there is none."""
    try:
        name = frame.get("User-Id")
    except (zmq.ZMQError, KeyError):
        name = ""
    if not name:
        raise Insecure("a frame without an authenticated key")
    return str(name)


def end(context: zmq.Context, threads: Iterable[threading.Thread]) -> None:
    """Wait for `threads`, then close `context` and every socket in it.

    A socket closed under a thread that reads it aborts the process (libzmq's assertion), so where a thread
    does not end, everything is left open and that is logged.
    """
    late = []
    for thread in threads:
        if thread.is_alive():
            thread.join(ENDING)
        if thread.is_alive():
            late.append(thread.name)
    if late:
        log.error("%s did not end within %g s; the sockets stay open", ", ".join(late), ENDING)
    else:
        context.destroy(linger=0)


def _bounded(socket: zmq.Socket, limit: int) -> Any:
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, limit)
    socket.setsockopt(zmq.SNDHWM, QUEUE)
    socket.setsockopt(zmq.RCVHWM, QUEUE)
    socket.setsockopt(zmq.HANDSHAKE_IVL, 5000)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 1000)  # a peer that vanished without a word is found out
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3000)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    return socket
