"""Actions of an operator at one tick, and the protocol of teleoperation devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robots.types import Array, RobotState

STALE = 0.100  # [s] after which an action is ignored: the operator holds a control to move
BUTTONS = ("take", "hand_back", "toggle", "pause", "stop", "rearm")  # toggle: take, or hand back

Triple = tuple[float, float, float]
ZERO: Triple = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Jog:
    """Move the tool while this is repeated.

    Attributes:
        linear: (vx, vy, vz) in the base frame, each a fraction in [-1, 1] of the highest jogging speed.
        angular: (wx, wy, wz) likewise.
        gripper: requested opening in [0, 1]; None = unchanged.
    """

    linear: Triple = ZERO
    angular: Triple = ZERO
    gripper: float | None = None

    @property
    def is_zero(self) -> bool:
        """Whether both velocities are 0."""
        return not (any(self.linear) or any(self.angular))


@dataclass(frozen=True, eq=False)
class Reach:
    """Move the tool to `xyz` (3,) in [m] in the base frame while this is repeated; orientation unchanged."""

    xyz: Array
    gripper: float | None = None


@dataclass(frozen=True, eq=False)
class LeaderJoints:
    """State of a leader arm with the same joints: `q` (n_joints,) in [rad], `gripper` in [0, 1]."""

    q: Array
    gripper: float | None = None


@dataclass(frozen=True, eq=False)
class LeaderTool:
    """State of another leader arm: tool pose `base_from_ee` (4, 4) in its base, `gripper` in [0, 1]."""

    base_from_ee: Array
    gripper: float | None = None


TeleopAction = Jog | Reach | LeaderJoints | LeaderTool


@dataclass(frozen=True)
class Reading:
    """Reading of a device at one tick.

    Attributes:
        action: None = no control is held: the arm decelerates and holds.
        age: [s] age of the action.
        buttons: of `BUTTONS`, each once a press.
        clutch: False = the arm holds while the device moves freely. When it closes, the motion continues from
            the poses of both, without a jump.
    """

    action: TeleopAction | None = None
    age: float = 0.0
    buttons: tuple[str, ...] = ()
    clutch: bool = True


class Teleoperator(Protocol):
    """A teleoperation device.

    Attributes:
        name: identifies it as an operator.
    """

    name: str

    def connect(self) -> None:
        """Open the device. Raises DeviceError, which names what is missing and how to install it."""
        ...

    def read(self, follower: RobotState) -> Reading:
        """The current reading, without waiting. Raises DeviceError if the device was unplugged."""
        ...

    def close(self) -> None:
        """Release the device and restore the terminal. Idempotent."""
        ...


def speed_fractions(values: Triple) -> Array:
    """(3,) `values` scaled to a norm of at most 1, so that two keys are not faster than one.

    Raises:
        ValueError: `values` are not three finite numbers.
    """
    out = np.asarray(values, dtype=np.float64)
    if not (out.shape == (3,) and np.isfinite(out).all()):
        raise ValueError(f"{values!r} are not three finite fractions of a speed")
    out = np.clip(out, -1.0, 1.0)
    return out / max(1.0, float(np.sqrt(out @ out)))
