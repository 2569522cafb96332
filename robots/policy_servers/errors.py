"""What can go wrong with a guest: each cause by name, said to whoever caused it and to nobody else."""

from __future__ import annotations

import re

from robots.errors import RobotError

# An absolute path of two parts or more, not the middle of a key such as observation/joint_position.
_PATH = re.compile(r"(?<![\w/\\.])(?:[A-Za-z]:|~)?(?:[/\\][\w.\-+@ ]*\w){2,}[/\\]?")


class GuestError(RobotError):
    """Base of everything between us and a guest."""


class AddressRefused(GuestError):
    """An address is malformed, or open to others than this machine where it must not be."""


class MessageRefused(GuestError):
    """Bytes that are no message of the protocol, or larger or deeper than one may be."""


class ArrayRefused(MessageRefused):
    """An array of a type that is not allowed, or whose bytes do not fit its shape."""


class FieldMissing(GuestError):
    """A request lacks what the policy needs."""


class FieldRefused(GuestError):
    """A request's entry has the wrong type, shape or range."""


class ActionsRefused(GuestError):
    """A policy's answer is not finite or has the wrong shape; nothing of it is passed on."""


class ServerFull(GuestError):
    """As many guests as allowed are being served."""


class PolicyServerSilent(GuestError):
    """A policy server cannot be reached or has not answered in time."""


class PolicyServerRefused(GuestError):
    """A policy server answered with an error of its own."""


def told(error: Exception, speakable: tuple[type[Exception], ...] = ()) -> str:
    """What a guest may read of `error`: its name, and its text where it is one of ours or `speakable`.

    Texts of other exceptions may hold anything; paths are taken out of all of them.
    """
    name = type(error).__name__
    if not isinstance(error, (RobotError, *speakable)):
        return f"{name} in the server; its log says more"
    return f"{name}: {_PATH.sub('<path>', str(error))}"
