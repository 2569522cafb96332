"""The console's listening address: the loopback, unless another one is allowed explicitly."""

from __future__ import annotations

import socket

from palme.operator.auth import is_loopback
from palme.operator.errors import AddressError

MAX_PORT = 65535


def listen(host: str, port: int, beyond_loopback: bool = False) -> socket.socket:
    """Open a listening socket.

    Args:
        host: address to listen on; any but a loopback address needs `beyond_loopback`.
        port: 0 = any free port.
        beyond_loopback: allow an address that other computers can reach.

    Raises:
        AddressError: the address is beyond the loopback without permission, or cannot be bound.
    """
    if not (is_loopback(host) or beyond_loopback):
        raise AddressError(
            f"{host!r} can be reached by other computers: use 127.0.0.1 and a tunnel (ssh -L), or allow it "
            "with beyond_loopback=true (palme run and teleop: console_beyond_loopback=true)"
        )
    if not 0 <= port <= MAX_PORT:
        raise AddressError(f"port {port} outside 0 to {MAX_PORT}; 0 = any free port")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=64)
    except (OSError, UnicodeError) as error:  # UnicodeError: an invalid host name
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise AddressError(
            f"cannot listen at {host}:{port}: {why}; choose another port (0 = any free port), or an "
            "address of this computer"
        ) from error


def reached_at(listener: socket.socket) -> tuple[str, int]:
    """Host and port for a browser; 0.0.0.0 is resolved to an address of this computer."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        with socket.socket(listener.family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1" if host == "0.0.0.0" else "2001:db8::1", 9))  # sends no packet
                host = probe.getsockname()[0]
            except OSError:
                host = socket.gethostname()
    return host, port
