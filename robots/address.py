"""Addresses `host:port` of every server: names, IPv4 and, in brackets, IPv6."""

from __future__ import annotations

import ipaddress
import re

_NAME = re.compile(r"\*|[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_BRACKETS = re.compile(r"\[([0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?)\]")
_DOTTED = re.compile(r"[0-9.]+")


def split(
    address: object, schemes: tuple[str, ...] = ("tcp://",), last: int = 65535
) -> tuple[str, int] | None:
    """(host, port) of `127.0.0.1:8000`, `arm.lab:8000` or `[::1]:8000`; None for anything else.

    Args:
        schemes: what may stand before the host.
        last: highest port. Port 0 lets the system choose one when the address is bound.

    Returns:
        The host without brackets, localhost as 127.0.0.1, and the port.
    """
    text = str(address)
    for scheme in schemes:
        if text.startswith(scheme):
            text = text.removeprefix(scheme)
            break
    host, colon, port = text.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= last):
        return None
    inside = _BRACKETS.fullmatch(host)
    try:
        if inside is not None:
            return str(ipaddress.IPv6Address(inside[1])), int(port)
        if _DOTTED.fullmatch(host):
            return str(ipaddress.IPv4Address(host)), int(port)
    except ValueError:
        return None
    if not _NAME.fullmatch(host):
        return None
    return ("127.0.0.1" if host == "localhost" else host), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches the IP address `host`. A name counts as remote, but localhost."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_ipv6(host: str) -> bool:
    """Whether `host` of `split` is an IPv6 address."""
    return ":" in host


def joined(host: str, port: int) -> str:
    """`host:port`, IPv6 in brackets."""
    return f"[{host}]:{port}" if is_ipv6(host) else f"{host}:{port}"


def zmq_address(host: str, port: int) -> str:
    """`tcp://host:port` for ZeroMQ, port 0 as `*`. An IPv6 address also needs the socket's option IPV6."""
    return f"tcp://{joined(host, port)}" if port else f"tcp://{joined(host, 0)[:-1]}*"
