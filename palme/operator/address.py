"""Where a console listens: on the loopback, unless another address was asked for by name."""

from __future__ import annotations

import socket

from palme.operator.auth import is_loopback
from palme.operator.errors import AddressError

HIGHEST_PORT = 65535


def listen(host: str, port: int, beyond_loopback: bool = False) -> socket.socket:
    """A listening socket.

    Args:
        host: address to listen on. Anything but a loopback address needs `beyond_loopback`.
        port: 0 = any free one.

    Raises:
        AddressError: an address beyond the loopback that was not asked for, or one that cannot be bound.
    """
    if not (is_loopback(host) or beyond_loopback):
        raise AddressError(
            f"{host!r} can be reached by others: use 127.0.0.1 and a tunnel (ssh -L), or, if they are "
            "meant to, say beyond_loopback=true (for palme run and teleop console_beyond_loopback=true)"
        )
    if not 0 <= port <= HIGHEST_PORT:
        raise AddressError(f"port {port} is not in 0 to {HIGHEST_PORT}; 0 = any free one")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=64)
    except (OSError, UnicodeError) as error:  # a host name that is none is a UnicodeError
        why = getattr(error, "strerror", None) or error
        raise AddressError(
            f"cannot listen at {host}:{port}: {why}; choose another port (0 = any free one), or an "
            "address of this computer's"
        ) from error


def reached_at(listener: socket.socket) -> tuple[str, int]:
    """Host and port that a browser can use: 0.0.0.0 is none."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        with socket.socket(listener.family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1" if host == "0.0.0.0" else "2001:db8::1", 9))  # sends nothing
                host = probe.getsockname()[0]
            except OSError:
                host = socket.gethostname()
    return host, port
