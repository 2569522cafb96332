"""What the bridge refuses or cannot do. A refusal crosses the wire as its class's name and its sentence."""

from __future__ import annotations

from robots import errors
from robots.errors import CommandRejected, MessageRefused, RobotError


class BridgeError(RobotError):
    """Base of what only the bridge can refuse."""


# -- frames ------------------------------------------------------------------------------------


class BadFrame(MessageRefused):
    """Bytes that are no frame: too short, damaged, of an unknown kind, or with a field of the wrong type."""


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
    """The frame belongs to another boot of the server: nothing from before a restart is executed."""


class RoleNotAllowed(CommandRejected):
    """The sender's key is on the allow-list for less than it asks for."""


class CommandStale(CommandRejected):
    """The command was on its way too long, or its sender has not heard from the arm for too long."""


class CommandTooSoon(CommandRejected):
    """The tick already has its command, and one more is waiting."""


class FaultStands(CommandRejected):
    """A fault has not been cleared."""


class NoSuchCamera(BridgeError):
    """There is no camera of that name."""


class PictureUnavailable(BridgeError):
    """The camera gives no picture, or not in a form that the asker can read."""


class ServerFailed(BridgeError):
    """The server met an error of its own while it handled a frame; it goes on."""


_KINDS: dict[str, type[RobotError]] = {
    kind.__name__: kind
    for module in (errors.__dict__, globals())
    for kind in module.values()
    if isinstance(kind, type) and issubclass(kind, RobotError)
}


def named(name: str, message: str) -> RobotError:
    """The exception that a refusal names; a name unknown here is a `BridgeError` that tells it."""
    kind = _KINDS.get(name)
    return BridgeError(f"{name}: {message}") if kind is None else kind(message)
