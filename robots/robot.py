"""Robot: the interface of an arm. RobotWrapper delegates to another robot.

A capability is a small protocol for what only some arms can do; the class of such an arm inherits it.
`robot.capability(Rearmable)` returns the object that implements it, or None.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from robots.types import JointCommand, Observation

if TYPE_CHECKING:
    from robots.safety.gate import SafetyGate
    from robots.spec import ArmSpec

C = TypeVar("C")
LINK_TIMEOUT = 1.0  # [s] without anything received after which the other end counts as lost


class Robot(Protocol):
    """An arm, simulated or real. Implementations inherit this class and the capabilities they have.

    Attributes:
        spec: limits, kinematic chain and hand of the arm.
    """

    spec: ArmSpec

    def observe(self, cameras: Sequence[str] | None = None) -> Observation:
        """Measure the state and capture images.

        Args:
            cameras: names of the cameras; None = all, () = state only.
        """
        ...

    def command(self, command: JointCommand) -> JointCommand:
        """Send one target through the safety gate and wait for the next control tick.

        Returns:
            The command really sent.

        Raises:
            CommandRejected: the command was refused; the arm holds.
        """
        ...

    def stop(self, reason: str) -> None:
        """Decelerate within the limits and hold. Latched until `Rearmable.rearm`."""
        ...

    @property
    def unwrapped(self) -> Robot:
        """The arm itself, without wrappers."""
        return self

    def capability(self, kind: type[C]) -> C | None:
        """The object that implements `kind` for this robot, or None.

        Args:
            kind: a capability of this module, or the class of an arm.
        """
        return cast(C, self) if kind in type(self).__mro__ else None


class RobotWrapper(Robot):
    """A `Robot` that delegates to another one. Subclasses override what they change.

    It has the capabilities of the wrapped robot. A wrapper that changes one inherits its protocol; then
    `capability` returns the wrapper, provided that the wrapped robot has that capability.

    Args:
        robot: an arm, or another wrapper.
    """

    def __init__(self, robot: Robot) -> None:
        self.robot, self.spec = robot, robot.spec

    def observe(self, cameras: Sequence[str] | None = None) -> Observation:
        """Delegates to the wrapped robot."""
        return self.robot.observe(cameras)

    def command(self, command: JointCommand) -> JointCommand:
        """Delegates to the wrapped robot."""
        return self.robot.command(command)

    def stop(self, reason: str) -> None:
        """Delegates to the wrapped robot."""
        self.robot.stop(reason)

    @property
    def unwrapped(self) -> Robot:
        """The arm itself, without wrappers."""
        return self.robot.unwrapped

    def capability(self, kind: type[C]) -> C | None:
        """This wrapper where it inherits `kind` and the wrapped robot has it; otherwise delegated."""
        wrapped = self.robot.capability(kind)
        return cast(C, self) if wrapped is not None and kind in type(self).__mro__ else wrapped


# -- capabilities ------------------------------------------------------------------------------


class Rearmable(Protocol):
    """Can accept commands again after a stop."""

    def rearm(self) -> None:
        """Begin a new session; its first target must be near the measured joints.

        Raises:
            RobotError: the arm cannot be rearmed now.
        """
        ...


class HasCameras(Protocol):
    """Captures images.

    Attributes:
        cameras: names of the cameras.
    """

    cameras: Collection[str]


class HasGate(Protocol):
    """Has its safety gate in this process.

    Attributes:
        gate: the current gate; a new session may replace it.
    """

    gate: SafetyGate


class Closable(Protocol):
    """Has resources that its owner closes."""

    def close(self) -> None:
        """Release the resources. Idempotent."""
        ...


class Leased(Protocol):
    """Accepts commands only from the client that holds its lease."""

    def acquire(self) -> None:
        """Acquire the lease and disarm the arm. Raises LeaseHeld, RoleNotAllowed."""
        ...

    def release(self, timeout: float | None = None) -> None:
        """Release the lease. `timeout`: [s] to wait for the answer; None = the client's default."""
        ...


class Remote(Protocol):
    """An arm behind a network connection, with its own control loop.

    Attributes:
        realtime: whether that loop ticks by the wall clock; False = one tick a command.
        paced: whether `command` waits for its tick; False = the caller keeps the time.
    """

    realtime: bool
    paced: bool

    def age(self) -> float:
        """[s] since anything was received from the other end."""
        ...

    def abort_if_lost(self) -> bool:
        """Abort pending calls if nothing was received for `LINK_TIMEOUT`. Returns whether it did."""
        ...
