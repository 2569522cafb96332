"""Immutable data types shared by cameras, models and arms.

Frames: `a_from_b` maps coordinates of b into a. `base` is the arm's own base; `camera` is
OpenCV's (x right, y down, z forward); `ee` is the tool frame between the finger tips,
z pointing out of the hand. SI units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CameraFrame:
    """One camera image with its calibration.

    Attributes:
        rgb: uint8 (H, W, 3).
        depth: float32 (H, W) in [m] along the optical axis, or None.
        intrinsics: (3, 3) pinhole matrix in [px]; pixel centres lie at integer coordinates.
        base_from_camera: (4, 4) rigid transform.
        taken: [s] on the monotonic clock of this process, when the picture was taken or asked for; None =
            with its observation. One that equals the picture before it, byte for byte, keeps that one's.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32] | None
    intrinsics: Array
    base_from_camera: Array
    taken: float | None = None


def dated(frame: CameraFrame, taken: float, before: CameraFrame | None) -> CameraFrame:
    """`frame` with its time; a camera that gave its last picture, `before`, once more took nothing new."""
    if before is not None and before.taken is not None and np.array_equal(frame.rgb, before.rgb):
        taken = before.taken
    return replace(frame, taken=taken)


@dataclass(frozen=True)
class RobotState:
    """Measured state of an arm.

    Attributes:
        q, dq: (n_joints,) in [rad], [rad/s].
        gripper: opening in [0, 1]; 1 = open.
        base_from_ee: (4, 4) tool frame from forward kinematics of `q`.
    """

    q: Array
    dq: Array
    gripper: float
    base_from_ee: Array


@dataclass(frozen=True)
class AudioClip:
    """Mono sound: float32 (n_samples,) in [-1, 1] at `sample_hz`."""

    samples: NDArray[np.float32]
    sample_hz: int


@dataclass(frozen=True)
class Observation:
    """Input of planners and policies: images by camera name, robot state and audio at `t_mono` [s]."""

    images: Mapping[str, CameraFrame]
    robot: RobotState
    t_mono: float
    audio: AudioClip | None = None


class JointCommand(NamedTuple):
    """Target joint positions `q_target` (n_joints,) in [rad] and gripper opening in [0, 1].

    A tuple, because two are made every tick and a frozen dataclass takes three times as long to make.
    """

    q_target: Array
    gripper: float
    seq: int
    t_mono: float


class CommandLike(Protocol):
    """A `JointCommand`, or a command decoded from the wire, whose target is a tuple of floats."""

    @property
    def q_target(self) -> Array | tuple[float, ...]:
        """(n_joints,) in [rad]."""
        ...

    @property
    def gripper(self) -> float:
        """Opening in [0, 1]."""
        ...

    @property
    def seq(self) -> int:
        """Sequence number."""
        ...

    @property
    def t_mono(self) -> float:
        """Timestamp in [s] on the receiver's clock."""
        ...


@dataclass(frozen=True)
class ActionChunk:
    """T consecutive targets at `control_hz`: `q_targets` (T, n_joints) in [rad], `gripper` (T,) in [0, 1]."""

    q_targets: Array
    gripper: Array
    control_hz: float
