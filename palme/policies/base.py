"""What a policy is, and what it may ask of the arm it moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from palme.errors import GoalRefused
from palme.events import Look
from palme.types import ConditionGoal, Goal, GoalKind, ImageGoal
from robots.skills import Step
from robots.types import ActionChunk, Observation

Array = NDArray[np.float64]
GoalT = TypeVar("GoalT", Step, ImageGoal, ConditionGoal)


class Policy(Protocol):
    """Turns a goal into joint commands, from pictures and joint state alone.

    Attributes:
        accepts: the kinds of goal that `act` takes.
        done: the step needs nothing more.
        cameras: which pictures the next `act` wants; () = the joint state is enough.
        looks: where the last `act` looked, for reports.
    """

    done: bool
    cameras: tuple[str, ...]

    @property
    def accepts(self) -> tuple[GoalKind, ...]: ...
    @property
    def looks(self) -> Sequence[Look]: ...

    def reset(self) -> None:
        """Forget the step before."""
        ...

    def act(self, observation: Observation, goal: Goal) -> ActionChunk:
        """The next stretch of joint targets; the same goal until `reset`.

        Raises:
            palme.errors.GoalRefused: the goal is of no kind in `accepts`, or asks for no motion ("done").
            palme.errors.StepFailed: the step cannot be carried out; the arm may be anywhere.
        """
        ...


def accepted(goal: Goal, kinds: tuple[type[GoalT], ...], policy: object) -> GoalT:
    """`goal` where it is of one of `kinds`, for an implementation of `Policy.act`.

    Raises:
        GoalRefused: it is of another kind, or the step "done".
    """
    name, takes = type(policy).__name__, " or ".join(kind.__name__ for kind in kinds)
    if not isinstance(goal, kinds):
        raise GoalRefused(f"{name} accepts {takes}, not {type(goal).__name__}; choose another policy for it")
    if isinstance(goal, Step) and goal.is_done:
        raise GoalRefused(f"{name} accepts {takes} that moves a thing, not 'done'")
    return goal


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
