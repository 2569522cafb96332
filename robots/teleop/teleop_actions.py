"""Actions of a person at one tick, and the protocol of the devices that give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robots.types import Array, RobotState

STALE = 0.100  # [s] after which an action is ignored: hold to move
BUTTONS = ("take", "hand_back", "toggle", "pause", "stop", "rearm")  # toggle: take, or hand back what is held

Triple = tuple[float, float, float]
STILL: Triple = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Jog:
    """Move the tool while this is repeated, in the base frame.

    Attributes:
        linear: (vx, vy, vz) as shares in [-1, 1] of the highest jogging speed.
        angular: (wx, wy, wz) likewise.
        gripper: wanted opening in [0, 1]; None = as it is.
    """

    linear: Triple = STILL
    angular: Triple = STILL
    gripper: float | None = None

    @property
    def still(self) -> bool:
        return not (any(self.linear) or any(self.angular))


@dataclass(frozen=True, eq=False)
class Reach:
    """Move the tool over a point while this is repeated: `xyz` (3,) in [m], base frame, turned as it is."""

    xyz: Array
    gripper: float | None = None


@dataclass(frozen=True, eq=False)
class LeaderJoints:
    """A leader arm with the same joints: `q` (n_joints,) in [rad], `gripper` in [0, 1]."""

    q: Array
    gripper: float | None = None


@dataclass(frozen=True, eq=False)
class LeaderTool:
    """A leader arm of another kind: its tool, `base_from_ee` (4, 4) in its own base, `gripper` in [0, 1]."""

    base_from_ee: Array
    gripper: float | None = None


TeleopAction = Jog | Reach | LeaderJoints | LeaderTool


@dataclass(frozen=True)
class Reading:
    """What a device reads at one tick.

    Attributes:
        action: None = nothing is pressed: the arm decelerates and holds.
        age: [s] of the action.
        buttons: of `BUTTONS`, each once a press.
        clutch: False = the device moves freely and the arm holds. Closed again, motion continues from where
            both are then, without a jump.
    """

    action: TeleopAction | None = None
    age: float = 0.0
    buttons: tuple[str, ...] = ()
    clutch: bool = True


class Teleoperator(Protocol):
    """A device in a person's hand."""

    name: str

    def connect(self) -> None:
        """Open the device. Raises DeviceError that names what is missing and how to get it."""
        ...

    def read(self, follower: RobotState) -> Reading:
        """What the device reads now; returns at once. Raises DeviceError once it is unplugged."""
        ...

    def close(self) -> None:
        """Release the device, restore the terminal. Idempotent."""
        ...


def shares(values: Triple) -> Array:
    """(3,) of `values` with a norm of at most 1: two keys are not faster than one.

    Raises ValueError for what is not three finite numbers.
    """
    out = np.asarray(values, dtype=np.float64)
    if not (out.shape == (3,) and np.isfinite(out).all()):
        raise ValueError(f"{values!r} are not three finite shares of a speed")
    out = np.clip(out, -1.0, 1.0)
    return out / max(1.0, float(np.sqrt(out @ out)))
