"""Robot: an arm that is observed, commanded and stopped. RobotWrapper stands before one and delegates to it.

What only some arms can do is a capability: a small protocol that the arm's class inherits, which declares it.
Callers ask `robot.capability(Rearmable)` and get the object that does it, or None. Nothing is probed for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from robots.types import JointCommand, Observation

if TYPE_CHECKING:
    from robots.safety.gate import SafetyGate
    from robots.spec import ArmSpec

C = TypeVar("C")
LINK_TIMEOUT = 1.0  # [s] without anything received, after which nobody waits for the other end any more


class Robot(Protocol):
    """An arm, simulated or real; every implementation inherits this class, and its capabilities beside it.

    Attributes:
        spec: limits, chain and hand of the arm.
    """

    spec: ArmSpec

    def observe(self, cameras: Sequence[str] | None = None) -> Observation:
        """State and images now. `cameras`: names to capture; None = all, () = state only."""
        ...

    def command(self, command: JointCommand) -> JointCommand:
        """Send one target through the safety gate and wait for the next control tick.

        Returns what was really sent. Raises `CommandRejected` (arm holds) on a bad command.
        """
        ...

    def stop(self, reason: str) -> None:
        """Decelerate within limits and hold; latched until re-armed (`Rearmable`)."""
        ...

    @property
    def unwrapped(self) -> Robot:
        """The arm itself, without the wrappers before it."""
        return self

    def capability(self, kind: type[C]) -> C | None:
        """What does `kind` for this robot, or None where no class here declares it.

        Args:
            kind: a capability of this module, or the class of an arm, such as the simulated one.
        """
        return cast(C, self) if kind in type(self).__mro__ else None


class RobotWrapper(Robot):
    """A `Robot` before another one. Subclasses override what they change; the rest is delegated.

    Capabilities are those of the wrapped robot. A wrapper that takes part in one inherits its protocol and
    is then what `capability` returns, provided that the wrapped robot has it.

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
        return self.robot.unwrapped

    def capability(self, kind: type[C]) -> C | None:
        wrapped = self.robot.capability(kind)
        return cast(C, self) if wrapped is not None and kind in type(self).__mro__ else wrapped


# -- capabilities ------------------------------------------------------------------------------


class Rearmable(Protocol):
    """Takes commands again after a stop."""

    def rearm(self) -> None:
        """Begin a new session: its first target must lie near where the arm is. Raises what refuses it."""
        ...


class HasCameras(Protocol):
    """Captures images.

    Attributes:
        cameras: names that `observe` captures when none are given.
    """

    cameras: Collection[str]


class HasGate(Protocol):
    """Its safety gate is in this process.

    Attributes:
        gate: the present one; a new session may bring another.
    """

    gate: SafetyGate


class Closable(Protocol):
    """Holds a connection that its owner closes."""

    def close(self) -> None:
        """Release it. Idempotent."""
        ...


class Leased(Protocol):
    """One of several clients commands it: whoever holds the lease."""

    def acquire(self) -> None:
        """Take the lease, which disarms the arm. Raises LeaseHeld, RoleNotAllowed."""
        ...

    def release(self, timeout: float | None = None) -> None:
        """Give the lease back. `timeout`: [s] to wait for an answer, None = the client's own."""
        ...


class Remote(Protocol):
    """An arm behind a connection, with a control loop of its own.

    Attributes:
        realtime: whether that loop ticks by the wall clock; False = one command, one tick.
        paced: whether `command` waits for its tick; False where the caller keeps the time.
    """

    realtime: bool
    paced: bool

    def age(self) -> float:
        """[s] since anything was received from the other end."""
        ...

    def give_up(self) -> bool:
        """Where nothing was received for `LINK_TIMEOUT`: end calls under way. Returns whether it did."""
        ...
