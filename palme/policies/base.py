"""What a policy is, and what it may ask of the arm it moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from palme.events import Look
from robots.types import ActionChunk, Observation

Array = NDArray[np.float64]


class Policy(Protocol):
    """Turns a step's text into joint commands, from pictures and joint state alone.

    Attributes:
        done: the step needs nothing more.
        cameras: which pictures the next `act` wants; () = the joint state is enough.
        looks: where the last `act` looked, for reports.
    """

    done: bool
    cameras: tuple[str, ...]
    looks: Sequence[Look]

    def reset(self) -> None:
        """Forget the step before."""
        ...

    def act(self, observation: Observation, step: str) -> ActionChunk:
        """The next stretch of joint targets.

        Raises:
            palme.errors.StepFailed: the step cannot be carried out; the arm may be anywhere.
        """
        ...


class Motion(Protocol):
    """Paths of an arm (`robots.motion.ArmMotion`) at `control_hz`; q in [rad], xyz in [m], base frame."""

    @property
    def home(self) -> Array: ...
    @property
    def control_hz(self) -> float: ...
    @property
    def gripper_width(self) -> float: ...

    def tool(self, q: Array) -> Array:
        """(3,) where the tool is for `q`."""
        ...

    def yaw(self, q: Array) -> float:
        """How the tool is turned about base z for `q`, in [rad]."""
        ...

    def reach(self, xyz: Array, yaw: float, q_seed: Array) -> Array:
        """(n_joints,) with the tool at `xyz` pointing down."""
        ...

    def go(self, q_from: Array, q_to: Array) -> Array:
        """(T, n_joints) through joint space."""
        ...

    def line(self, q_from: Array, xyz: Array, speed: float) -> Array:
        """(T, n_joints) on a straight line at `speed` [m/s]."""
        ...

    def join(self, q_from: Array, *paths: Array, overlap: int = 2) -> Array:
        """One path from `q_from` out of several, corners cut."""
        ...
