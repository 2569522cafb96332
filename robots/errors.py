"""Errors of arms: one exception a cause. A message names the thing, its value, the limit and the remedy."""

from __future__ import annotations


class RobotError(Exception):
    """Base of all errors of arms."""


class SpecError(RobotError):
    """A robot description has an unknown, missing or malformed entry."""


class UnknownRobot(SpecError):
    """No robot description has that name."""


class Unreachable(RobotError):
    """No joint configuration within the limits reaches the requested tool pose."""


class CommandRejected(RobotError):
    """A command was refused; no part of it was sent and the arm holds."""


class CommandNotFinite(CommandRejected):
    """A target is NaN or infinite."""


class CommandShape(CommandRejected):
    """A target has the wrong number of joints or is not an array of numbers."""


class CommandOutside(CommandRejected):
    """A target is far outside the arm's limits, as one in other units would be."""


class CommandOutOfOrder(CommandRejected):
    """`seq` is not greater than that of the last accepted command."""


class CommandFromFuture(CommandRejected):
    """The command's timestamp is in the future on the receiver's clock."""


class CommandJumps(CommandRejected):
    """The first target of a session is too far from the measured joints."""


class ArmLatched(CommandRejected):
    """The arm was stopped and accepts no commands until `rearm`."""


class FollowingError(ArmLatched):
    """The arm is not where it was sent: blocked, moved by hand, or without power. It holds until `rearm`."""


class DriverError(RobotError):
    """The arm's own interface is missing, does not answer, or refuses."""


class ArmMoving(CommandRejected):
    """The request needs an arm at rest, and the arm still decelerates."""


class LeaseHeld(CommandRejected):
    """Another client holds the lease of this arm."""


class LeaseMissing(CommandRejected):
    """The sender does not hold the lease of this arm, or holds it no longer."""


class LinkDead(RobotError):
    """No answer in time. The message says how long ago anything was received from the other end."""


class SessionLost(RobotError):
    """The server restarted: `reconnect`, observe where the arm is, and `rearm`."""


class NotAutonomous(CommandRejected):
    """A person has control, or had it since the last observation: observe and plan again."""


class StoppedByPerson(NotAutonomous, ArmLatched):
    """A person stopped the arm: it holds until `rearm`, and the plan is out of date."""


class TakeoverRefused(RobotError):
    """An operator's request is not possible now; the message says why and what is possible."""


class DeviceError(RobotError):
    """A teleoperation device or its library is missing, or the device was unplugged."""


class MessageRefused(RobotError):
    """Bytes that are not a message of the protocol, or that exceed its size or depth limits."""


class ArrayRefused(MessageRefused):
    """An array whose type is not allowed, or whose byte count does not match its shape."""
