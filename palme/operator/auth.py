"""Auth: who is let in. Three questions, the cheap ones first: which host, whose page, which token.

The server speaks plain HTTP to whoever reaches its port, and any page in the person's browser reaches the
loopback. So the name that was asked for must be one of ours (a rebound DNS name is not), a socket must be
opened by our own page (browsers always say whose page it is), and the token must be this run's.
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

TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")  # 16 of 64 letters: 96 bits
MAX_QUERY = 512  # [bytes]; a token and nothing else stands there


def new_token() -> str:
    """128 bits that fit in an address."""
    return secrets.token_urlsafe(16)


class Auth:
    """Lets requests in or raises a `RequestRefusedError`.

    Args:
        host: what the server is bound to. A loopback address answers to loopback names alone; any other one
            also to every IP address (which cannot be rebound) and to this computer's own name.
        token: this run's secret.
        names: further host names to answer to.

    Raises:
        WeakTokenError: fewer than 16 characters, or some that do not belong in an address.
    """

    def __init__(self, host: str, token: str, names: tuple[str, ...] = ()) -> None:
        if not TOKEN.fullmatch(token):
            raise WeakTokenError("a token has 16 to 128 letters, digits, - or _; without one, one is drawn")
        self.token = token
        self._loopback_only = is_loopback(host)
        own = () if self._loopback_only else (socket.gethostname(), f"{socket.gethostname()}.local")
        self._names = {name.lower() for name in ("localhost", host, *own, *names)}

    def check_host(self, headers: Mapping[str, str]) -> str:
        """The `Host` header, if its name is one of ours. Its port may differ: a tunnel has its own."""
        host = headers.get("host", "")
        name = _name(host)
        if name in self._names or is_loopback(name) or (not self._loopback_only and _is_address(name)):
            return host
        raise WrongHostError(f"this console does not answer to {name[:80]!r}")

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """A socket is opened by the page that was read from the same host and port."""
        host, origin = self.check_host(headers), headers.get("origin", "")
        if origin not in (f"http://{host}", f"https://{host}"):
            raise WrongOriginError(
                f"a socket is opened by this console's own page alone, not by {origin[:80]!r}"
            )

    def check_token(self, query: bytes) -> None:
        """`token=...` in the query, compared in constant time."""
        if len(query) > MAX_QUERY:
            raise WrongTokenError("the address is too long")
        given = parse_qs(query.decode("latin-1"), max_num_fields=8).get("token", [])
        if len(given) != 1 or not given[0]:
            raise MissingTokenError("the run printed the whole address, token included, when it began")
        if not hmac.compare_digest(given[0].encode(), self.token.encode()):
            raise WrongTokenError("each run has a token of its own, printed when it begins")


def is_loopback(name: str) -> bool:
    """Whether a host name or address is this computer's own and nobody else's."""
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
