"""Addresses of policy servers: `host:port`, loopback by default."""

from __future__ import annotations

import ipaddress
import socket
import struct

from robots.policy_servers.errors import AddressRefused


def parse(address: str) -> tuple[str, int]:
    """(host, port) of `127.0.0.1:8000`, `localhost:8000` or `[::1]:8000`, with or without `tcp://` or `ws://`.

    Port 0 lets the system choose a port when the address is bound.

    Raises:
        AddressRefused: not host:port.
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
    """Whether only this computer reaches the IP address `host`. A name counts as remote."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_loopback(address: str, why: str) -> tuple[str, int]:
    """`parse`, for an address that must be loopback because of `why`. Raises AddressRefused."""
    host, port = parse(address)
    if not is_loopback(host):
        raise AddressRefused(f"address {address!r} is not loopback: {why}; use 127.0.0.1:{port}")
    return host, port


def zmq_address(host: str, port: int) -> str:
    """`tcp://host:port` for ZeroMQ: IPv6 in brackets, port 0 as `*`."""
    return f"tcp://{f'[{host}]' if ':' in host else host}:{port or '*'}"


def set_send_timeout(sock: socket.socket, seconds: float) -> None:
    """Make a send fail with OSError after `seconds` > 0 when the other end does not read.

    Uses SO_SNDTIMEO: a Python timeout would also apply to the thread in which websockets reads this socket.
    """
    whole = int(seconds)
    span = struct.pack("@ll", whole, int(1e6 * (seconds - whole)))
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)
    except OSError:
        if sock.fileno() >= 0:  # else the connection is closed already: the next `recv` raises the reason
            raise
