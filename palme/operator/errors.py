"""Why a console does not open, or is not let in. A refusal at the door carries its HTTP status."""

from __future__ import annotations


class ConsoleError(Exception):
    """Base of what only the console can refuse."""


class AddressRefused(ConsoleError):
    """An address that others can reach and that nobody asked for by name, or one that cannot be bound."""


class TokenTooWeak(ConsoleError):
    """A token that could be guessed, or that does not fit in an address."""


class Refused(ConsoleError):
    """A request is not let in."""

    status = 403
    title = "Not let in"


class WrongHost(Refused):
    """The name in the request is none of this console's: how DNS rebinding looks from here."""

    status = 421
    title = "Another name than mine"


class WrongOrigin(Refused):
    """A socket that another site's page, or no page at all, tries to open."""

    title = "Another site's page"


class NoToken(Refused):
    """The address lacks its token."""

    status = 401
    title = "This address lacks its token"


class WrongToken(Refused):
    """The token is not this run's."""

    status = 401
    title = "This token is not this run's"
