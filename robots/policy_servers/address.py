"""Addresses of guests: `host:port`, loopback unless somebody opened it on purpose."""

from __future__ import annotations

import ipaddress
import socket
import struct

from robots.policy_servers.errors import AddressRefused


def parse(address: str) -> tuple[str, int]:
    """(host, port) of `127.0.0.1:8000`, `localhost:8000`, `[::1]:8000`, with or without `tcp://` or `ws://`.

    Port 0 lets the system choose one, where the address is bound. Raises AddressRefused.
    """
    text = str(address)
    for scheme in ("tcp://", "ws://"):
        text = text.removeprefix(scheme)
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and 0 <= int(port) <= 65535):
        raise AddressRefused(f"address {address!r} is not host:port, such as 127.0.0.1:8000")
    return ("127.0.0.1" if host == "localhost" else host), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`. A name is not looked up: it is none unless `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def loopback(address: str, why: str) -> tuple[str, int]:
    """`parse`, and refuse what others could reach, saying `why`."""
    host, port = parse(address)
    if not is_loopback(host):
        raise AddressRefused(f"address {address!r} is not loopback: {why}; use 127.0.0.1:{port}")
    return host, port


def zmq_address(host: str, port: int) -> str:
    """`tcp://host:port`, IPv6 in brackets; port 0 as ZeroMQ writes it."""
    return f"tcp://{f'[{host}]' if ':' in host else host}:{port or '*'}"


def limit_send(sock: socket.socket, seconds: float) -> None:
    """Let a send fail with OSError after `seconds` > 0 where the other end no longer reads.

    By the system's own timeout, because websockets reads the same socket in another thread, which a Python
    timeout would wake.
    """
    whole = int(seconds)
    span = struct.pack("@ll", whole, int(1e6 * (seconds - whole)))
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)
    except OSError:
        if sock.fileno() >= 0:  # else the other end hung up already: the next `recv` tells why
            raise
