"""Driver: the interface between the bridge server and one arm. It limits nothing; the safety gate does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from robots.spec import ArmSpec
from robots.types import CameraFrame, JointCommand, RobotState


class Driver(Protocol):
    """One arm. Calls come from one thread, with one `send` a control tick of `spec.control_hz`.

    Only `picture` is called from another thread; a driver whose images and motion share a resource locks it.
    Before the first `send` of a session, and after a fault, the arm holds its posture by itself.

    Attributes:
        spec: limits and kinematics of the arm.
        camera_names: names that `picture` accepts, () for none.
    """

    spec: ArmSpec
    camera_names: Sequence[str]

    def connect(self) -> None:
        """Connect and read the state once; nothing moves. Raises DriverError, naming what is missing."""
        ...

    def read(self) -> RobotState:
        """The measured state, at most one control tick old. Raises DriverError when the arm is silent."""
        ...

    def send(self, command: JointCommand) -> None:
        """Send one gated target and return without waiting for the motion. A simulated arm steps its world.

        Args:
            command: `q_target` (n_joints,) in [rad], `gripper` in [0, 1], 1 = open.

        Raises:
            DriverError: the arm refuses the target or has stopped itself.
        """
        ...

    def picture(self, camera: str) -> CameraFrame:
        """The newest image of `camera`. Raises DriverError when its stream has stopped."""
        ...

    def stop(self) -> None:
        """The vendor's own controlled stop, for when deceleration by `send` is no longer possible."""
        ...

    def close(self) -> None:
        """Disconnect, at rest. Idempotent."""
        ...


@runtime_checkable
class HasClock(Protocol):
    """A driver whose arm has a clock of its own, as a simulated one has."""

    @property
    def time(self) -> float:
        """[s] since the arm's world was loaded."""
        ...


@runtime_checkable
class Enabled(Protocol):
    """A driver whose arm must be enabled before it accepts targets, which takes longer than a tick."""

    @property
    def enabled(self) -> bool:
        """Whether the arm accepts targets."""
        ...

    def enable(self) -> None:
        """Make the arm accept targets while it holds its posture; nothing moves. Raises DriverError."""
        ...
