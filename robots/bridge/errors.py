"""Errors of the bridge. A refusal crosses the wire as the name of its class and its message."""

from __future__ import annotations

from robots import errors
from robots.errors import CommandRejected, MessageRefused, RobotError


class BridgeError(RobotError):
    """Base of errors that only the bridge raises."""


# -- frames ------------------------------------------------------------------------------------


class BadFrame(MessageRefused):
    """Bytes that are not a frame: too short, damaged, of an unknown kind, or with a wrong field."""


class FrameTooLarge(BadFrame):
    """More bytes than a frame of its kind may have."""


class WrongVersion(BadFrame):
    """The frame speaks another version of the protocol."""


# -- keys and sockets --------------------------------------------------------------------------


class KeyProblem(BridgeError):
    """A key file is missing, malformed, or readable by others."""


class Insecure(BridgeError):
    """A socket without CURVE, a frame without an authenticated key, or an address that was not asked for."""


# -- sessions and the lease --------------------------------------------------------------------


class WrongSession(CommandRejected):
    """The frame belongs to an earlier start of the server: nothing from before a restart is executed."""


class RoleNotAllowed(CommandRejected):
    """The allow-list gives the sender's key a role that may not do this."""


class CommandStale(CommandRejected):
    """The command was under way too long, or its sender's newest state of the arm is too old."""


class CommandTooSoon(CommandRejected):
    """The tick already has its command, and the queue is full or closed."""


class FaultStands(CommandRejected):
    """A fault has not been cleared."""


class NoSuchCamera(BridgeError):
    """There is no camera of that name."""


class PictureUnavailable(BridgeError):
    """The camera gives no image, or none in a format that the client reads."""


class ServerFailed(BridgeError):
    """An internal error of the server while it handled a frame; it continues."""


_KINDS: dict[str, type[RobotError]] = {
    kind.__name__: kind
    for module in (errors.__dict__, globals())
    for kind in module.values()
    if isinstance(kind, type) and issubclass(kind, RobotError)
}


def named(name: str, message: str) -> RobotError:
    """The exception that a refusal names; an unknown name becomes a `BridgeError` that contains it."""
    kind = _KINDS.get(name)
    return BridgeError(f"{name}: {message}") if kind is None else kind(message)
