"""Errors of policy servers and their clients, one named exception a cause."""

from __future__ import annotations

import re

from robots.errors import RobotError

# An absolute path of two parts or more, not the middle of a key such as observation/joint_position.
_PATH = re.compile(r"(?<![\w/\\.])(?:[A-Za-z]:|~)?(?:[/\\][\w.\-+@ ]*\w){2,}[/\\]?")


class PolicyServerError(RobotError):
    """Base of the errors of policy servers and their clients."""


class AddressRefused(PolicyServerError):
    """An address is malformed, in use, or reachable from other computers where that is not allowed."""


class FieldMissing(PolicyServerError):
    """A request lacks an entry that the policy needs."""


class FieldRefused(PolicyServerError):
    """A request's entry has the wrong type, shape or range."""


class ActionsRefused(PolicyServerError):
    """A policy's actions are not finite or have the wrong shape; none of them is passed on."""


class ServerFull(PolicyServerError):
    """The server already has its maximum number of clients."""


class PolicyServerUnavailable(PolicyServerError):
    """A policy server cannot be reached or has not answered in time."""


class PolicyServerRefused(PolicyServerError):
    """A policy server answered with an error of its own."""


def error_text(error: Exception, public: tuple[type[Exception], ...] = ()) -> str:
    """The text that a client may read of `error`: its class name, then its message.

    The message of an exception that is neither a `RobotError` nor of a class in `public` may hold anything
    and is left out. Paths are removed from every message.
    """
    name = type(error).__name__
    if not isinstance(error, (RobotError, *public)):
        return f"{name} in the server; see its log"
    return f"{name}: {_PATH.sub('<path>', str(error))}"
