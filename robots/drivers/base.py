"""Driver: the thin end between the bridge server and one arm. It decides nothing; the gate does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from robots.spec import ArmSpec
from robots.types import CameraFrame, JointCommand, RobotState


class Driver(Protocol):
    """One arm. Calls come from one thread, one `send` a control tick of `spec.control_hz`.

    All but `picture`, which has a thread of its own; a driver whose pictures and motion share something
    locks it. Before the first `send` of a session, and after a fault, the arm holds by itself.

    Attributes:
        spec: limits and chain of the arm.
        camera_names: what `picture` can look through, () for none.
    """

    spec: ArmSpec
    camera_names: Sequence[str]

    def connect(self) -> None:
        """Reach the arm and read it once; nothing moves. Raises DriverError, naming what is missing."""
        ...

    def read(self) -> RobotState:
        """State now, measured, not older than one control tick. Raises DriverError when the arm is silent."""
        ...

    def send(self, command: JointCommand) -> None:
        """One gated target; returns without waiting for the motion. The simulated arm steps its world here.

        Raises DriverError when the arm refuses it or has stopped itself.
        """
        ...

    def picture(self, camera: str) -> CameraFrame:
        """The newest picture of `camera`. Raises DriverError when its stream has stopped."""
        ...

    def stop(self) -> None:
        """The vendor's own controlled stop: where deceleration by `send` is no longer possible."""
        ...

    def close(self) -> None:
        """Let go of the arm, at rest. Twice does no harm."""
        ...


@runtime_checkable
class Enabled(Protocol):
    """A driver whose arm must be enabled before it takes targets, which takes longer than a tick.

    Attributes:
        enabled: whether it is.
    """

    @property
    def enabled(self) -> bool: ...

    def enable(self) -> None:
        """Make it take targets, holding where it is; nothing moves. Raises DriverError."""
        ...
