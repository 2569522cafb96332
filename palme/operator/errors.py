"""Errors of the console; a refused request carries its HTTP status."""

from __future__ import annotations


class ConsoleError(Exception):
    """Base of the console's errors."""


class AddressError(ConsoleError):
    """An address beyond the loopback that was not allowed explicitly, or one that cannot be bound."""


class WeakTokenError(ConsoleError):
    """A token that can be guessed, or that does not fit in an address."""


class TooManyClientsError(ConsoleError):
    """The maximum number of consoles is connected."""


class RequestRefusedError(ConsoleError):
    """A request is refused."""

    status = 403
    title = "Request refused"


class WrongHostError(RequestRefusedError):
    """The requested host name is not this console's, as in DNS rebinding."""

    status = 421
    title = "Unknown host name"


class WrongOriginError(RequestRefusedError):
    """Another site's page, or no page, opens a socket."""

    title = "Wrong origin"


class MissingTokenError(RequestRefusedError):
    """The address has no token."""

    status = 401
    title = "Missing token"


class WrongTokenError(RequestRefusedError):
    """The token is not this run's."""

    status = 401
    title = "Wrong token"
