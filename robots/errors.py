"""What can go wrong with an arm: one named exception a cause, each saying thing, value, limit, remedy."""

from __future__ import annotations


class RobotError(Exception):
    """Base of everything an arm refuses or cannot do."""


class SpecError(RobotError):
    """A robot description has an unknown, missing or malformed entry."""


class UnknownRobot(SpecError):
    """There is no description of that name."""


class Unreachable(RobotError):
    """No joint configuration within the limits puts the tool where it was asked."""


class CommandRejected(RobotError):
    """A command was refused; nothing of it was sent and the arm holds."""


class CommandNotFinite(CommandRejected):
    """A target is NaN or infinite."""


class CommandShape(CommandRejected):
    """A target has the wrong number of joints or is no array of numbers."""


class CommandOutOfOrder(CommandRejected):
    """`seq` is not greater than that of the last accepted command."""


class CommandFromFuture(CommandRejected):
    """The command's timestamp is in the future of the receiver's clock."""


class CommandJumps(CommandRejected):
    """The first target of a session is too far from where the arm is."""


class ArmLatched(CommandRejected):
    """The arm was stopped and stays so until `rearm`."""


class DriverError(RobotError):
    """An arm's own interface is missing, silent, or refuses."""


class ArmMoving(CommandRejected):
    """Not while the arm still decelerates."""


class LeaseHeld(CommandRejected):
    """Another client commands this arm."""


class LeaseMissing(CommandRejected):
    """The sender does not, or no longer, command this arm."""


class LinkDead(RobotError):
    """No answer in time. Says for how long nothing has been received from the other end."""


class SessionLost(RobotError):
    """The server restarted: `reconnect`, observe where the arm is, and `rearm`."""


class NotAutonomous(CommandRejected):
    """A person has control, or had it since the last observation: observe and plan again."""


class StoppedByPerson(NotAutonomous, ArmLatched):
    """A person stopped the arm: it holds until `rearm`, and the plan is stale."""


class TakeoverRefused(RobotError):
    """A person's request is not possible now; the message says why and what is."""


class DeviceError(RobotError):
    """A teleoperation device is missing, its library is, or it was unplugged."""


class MessageRefused(RobotError):
    """Bytes that are not a message of the protocol, or exceed its limits of size or depth."""


class ArrayRefused(MessageRefused):
    """An array of a type that is not allowed, or whose bytes do not fit its shape."""
