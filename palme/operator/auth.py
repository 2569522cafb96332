"""Authentication of requests: by host, origin and token.

The server speaks plain HTTP to whoever reaches its port, and any page in the person's browser reaches the
loopback. So the requested host name must be ours (a rebound DNS name is not), a socket must be opened by our
own page (browsers always send the origin), and the token must be this run's.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Mapping
from urllib.parse import parse_qs

from palme.operator.errors import (
    MissingTokenError,
    WeakTokenError,
    WrongHostError,
    WrongOriginError,
    WrongTokenError,
)

TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")  # 16 of 64 characters: 96 bits
MAX_QUERY = 512  # holds the token only


def new_token() -> str:
    """A random token of 128 bits."""
    return secrets.token_urlsafe(16)


class Auth:
    """Admits requests, or raises a `RequestRefusedError`.

    Attributes:
        token: this run's secret.
    """

    def __init__(self, host: str, token: str, names: tuple[str, ...] = ()) -> None:
        """Set up the checks.

        Args:
            host: address the server is bound to. A loopback address answers to loopback names only; any other
                also to every IP address (which cannot be rebound) and to this computer's name.
            token: this run's secret.
            names: further host names to answer to.

        Raises:
            WeakTokenError: the token is shorter than 16 characters, or does not fit in an address.
        """
        if not TOKEN.fullmatch(token):
            raise WeakTokenError(
                "a token has 16 to 128 letters, digits, - or _; leave it empty for a random one"
            )
        self.token = token
        self._loopback_only = is_loopback(host)
        own = () if self._loopback_only else (socket.gethostname(), f"{socket.gethostname()}.local")
        self._names = {name.lower() for name in ("localhost", host, *own, *names)}

    def check_host(self, headers: Mapping[str, str]) -> str:
        """The `Host` header; its port may differ, since a tunnel has its own.

        Raises:
            WrongHostError: the name is not ours.
        """
        host = headers.get("host", "")
        name = _name(host)
        if name in self._names or is_loopback(name) or (not self._loopback_only and _is_address(name)):
            return host
        raise WrongHostError(f"this console does not answer to host {name[:80]!r}")

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Check that a socket is opened by the page of the same host and port.

        Raises:
            WrongHostError: the host name is not ours.
            WrongOriginError: another page, or no page, opens it.
        """
        host, origin = self.check_host(headers), headers.get("origin", "")
        if origin not in (f"http://{host}", f"https://{host}"):
            raise WrongOriginError(f"only this console's own page may open a socket, not {origin[:80]!r}")

    def check_token(self, query: bytes) -> None:
        """Check `token=...` in the query, in constant time.

        Raises:
            MissingTokenError: there is none.
            WrongTokenError: it is not this run's.
        """
        if len(query) > MAX_QUERY:
            raise WrongTokenError("the address is too long")
        given = parse_qs(query.decode("latin-1"), max_num_fields=8).get("token", [])
        if len(given) != 1 or not given[0]:
            raise MissingTokenError("the run prints the whole address, token included, at its start")
        if not hmac.compare_digest(given[0].encode(), self.token.encode()):
            raise WrongTokenError("each run has its own token, printed at its start")


def is_loopback(name: str) -> bool:
    """Whether a host name or address is on the loopback."""
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name(host: str) -> str:
    """The name in `name:port` or `[v6]:port`, lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if host.count(":") == 1 else host.lower()
