"""What a person wants of the arm at one tick, and what a device must be able to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robots.types import Array, RobotState

STALE = 0.100  # [s] after which a wish counts for nothing: hold to move
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
    """Bring the tool over a point while this is repeated: `xyz` (3,) in [m], base frame, turned as it is."""

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


Message = Jog | Reach | LeaderJoints | LeaderTool


@dataclass(frozen=True)
class Said:
    """What a device says at one tick.

    Attributes:
        wish: None = nothing is held down: the arm decelerates and holds.
        age: [s] since the hand said so.
        buttons: of `BUTTONS`, each once a press.
        clutch: False = the device may be moved freely, the arm holds. Closed again, it goes on from where
            both are then, without a jump.
    """

    wish: Message | None = None
    age: float = 0.0
    buttons: tuple[str, ...] = ()
    clutch: bool = True


class Teleoperator(Protocol):
    """A device in a person's hand."""

    name: str

    def connect(self) -> None:
        """Open the device. Raises DeviceError that names what is missing and how to get it."""
        ...

    def read(self, follower: RobotState) -> Said:
        """What the hand says now; returns at once. Raises DeviceError once it is unplugged."""
        ...

    def close(self) -> None:
        """Let go of it, the terminal as it was. Twice does no harm."""
        ...


def shares(values: Triple) -> Array:
    """(3,) of `values`, no longer than 1: pushing two keys is not faster than one.

    Raises ValueError for what is not three finite numbers.
    """
    out = np.asarray(values, dtype=np.float64)
    if not (out.shape == (3,) and np.isfinite(out).all()):
        raise ValueError(f"{values!r} are not three finite shares of a speed")
    out = np.clip(out, -1.0, 1.0)
    return out / max(1.0, float(np.sqrt(out @ out)))
