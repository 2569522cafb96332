"""Errors of the bridge. A refusal crosses the wire as the name of its class and its message."""

from __future__ import annotations

from robots import errors
from robots.errors import CommandRejected, MessageRefused, RobotError


class BridgeError(RobotError):
    """Base of errors that only the bridge raises."""


# -- frames ------------------------------------------------------------------------------------


class BadFrame(MessageRefused):
    """Bytes that are not a frame: too short, damaged, of an unknown kind, or with an invalid field."""


class FrameTooLarge(BadFrame):
    """The frame exceeds the size limit of its kind."""


class WrongVersion(BadFrame):
    """The frame has another protocol version."""


# -- keys and sockets --------------------------------------------------------------------------


class KeyProblem(BridgeError):
    """A key file is missing, malformed, or readable by others."""


class Insecure(BridgeError):
    """A socket without CURVE, a frame without an authenticated key, or an address not permitted."""


# -- sessions and the lease --------------------------------------------------------------------


class WrongSession(CommandRejected):
    """The frame belongs to an earlier start of the server; such a frame is never executed."""


class RoleNotAllowed(CommandRejected):
    """The role of the sender's key in the allow-list does not permit the request."""


class CommandStale(CommandRejected):
    """The command is too old, or the newest state that its sender had is."""


class CommandTooSoon(CommandRejected):
    """The tick already has a command, and the queue is full or closed."""


class FaultStands(CommandRejected):
    """A fault has not been cleared."""


class NoSuchCamera(BridgeError):
    """No camera has that name."""


class PictureUnavailable(BridgeError):
    """The camera provides no image, or none in a format that the client reads."""


class ServerFailed(BridgeError):
    """Internal error of the server while it handled a frame; the server continues."""


_KINDS: dict[str, type[RobotError]] = {
    kind.__name__: kind
    for module in (errors.__dict__, globals())
    for kind in module.values()
    if isinstance(kind, type) and issubclass(kind, RobotError)
}


def named(name: str, message: str) -> RobotError:
    """The exception `name` of a refusal; an unknown name becomes a `BridgeError` that contains it."""
    kind = _KINDS.get(name)
    return BridgeError(f"{name}: {message}") if kind is None else kind(message)
