"""Why a console does not open, or is not let in. A refusal at the door carries its HTTP status."""

from __future__ import annotations


class ConsoleError(Exception):
    """Base of what only the console can refuse."""


class AddressError(ConsoleError):
    """An address that others can reach and that nobody asked for by name, or one that cannot be bound."""


class WeakTokenError(ConsoleError):
    """A token that could be guessed, or that does not fit in an address."""


class RequestRefusedError(ConsoleError):
    """A request is not let in."""

    status = 403
    title = "Not let in"


class WrongHostError(RequestRefusedError):
    """The name in the request is none of this console's: how DNS rebinding looks from here."""

    status = 421
    title = "Another name than mine"


class WrongOriginError(RequestRefusedError):
    """A socket that another site's page, or no page at all, tries to open."""

    title = "Another site's page"


class MissingTokenError(RequestRefusedError):
    """The address lacks its token."""

    status = 401
    title = "This address lacks its token"


class WrongTokenError(RequestRefusedError):
    """The token is not this run's."""

    status = 401
    title = "This token is not this run's"
