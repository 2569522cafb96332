"""Addresses of policy servers: `host:port`, loopback by default."""

from __future__ import annotations

import socket
import struct

from robots.address import is_loopback, split
from robots.policy_servers.errors import AddressRefused


def parse(address: str) -> tuple[str, int]:
    """(host, port) of `127.0.0.1:8000`, `localhost:8000` or `[::1]:8000`, with or without `tcp://` or `ws://`.

    Port 0 lets the system choose a port when the address is bound.

    Raises:
        AddressRefused: not host:port.
    """
    if (found := split(address, ("tcp://", "ws://"))) is None:
        raise AddressRefused(f"address {address!r} is not host:port, such as 127.0.0.1:8000 or [::1]:8000")
    return found


def require_loopback(address: str, why: str) -> tuple[str, int]:
    """`parse`, for an address that must be loopback because of `why`. Raises AddressRefused."""
    host, port = parse(address)
    if not is_loopback(host):
        raise AddressRefused(f"address {address!r} is not loopback: {why}; use 127.0.0.1:{port}")
    return host, port


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
