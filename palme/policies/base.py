"""The policy protocol, and the kinematics that policies use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from palme.errors import GoalRefused
from palme.events import Localisation
from palme.types import ConditionGoal, Goal, GoalKind, ImageGoal
from robots.skills import Step
from robots.types import ActionChunk, Observation

Array = NDArray[np.float64]
GoalT = TypeVar("GoalT", Step, ImageGoal, ConditionGoal)


class Policy(Protocol):
    """Turns a goal into joint commands, from pictures and joint state alone.

    Attributes:
        accepts: the kinds of goal that `act` takes.
        done: whether the goal needs no further chunk.
        cameras: pictures that the next `act` needs; () = the joint state is enough.
        localisations: points that the last `act` located, for reports.
    """

    done: bool
    cameras: tuple[str, ...]

    @property
    def accepts(self) -> tuple[GoalKind, ...]:
        """See class."""
        ...

    @property
    def localisations(self) -> Sequence[Localisation]:
        """See class."""
        ...

    def reset(self) -> None:
        """Drop the previous goal."""
        ...

    def act(self, observation: Observation, goal: Goal) -> ActionChunk:
        """The next chunk of joint targets; the same goal until `reset`.

        Raises:
            palme.errors.GoalRefused: the goal is of no kind in `accepts`, or asks for no motion ("done").
            palme.errors.StepFailed: the step cannot be carried out; the arm may be anywhere.
        """
        ...


def accepted(goal: Goal, kinds: tuple[type[GoalT], ...], policy: object) -> GoalT:
    """`goal`, checked to be of one of `kinds`, for an implementation of `Policy.act`.

    Raises:
        GoalRefused: if it is of another kind, or the step "done".
    """
    name, takes = type(policy).__name__, " or ".join(kind.__name__ for kind in kinds)
    if not isinstance(goal, kinds):
        raise GoalRefused(f"{name} accepts {takes}, not {type(goal).__name__}; choose another policy")
    if isinstance(goal, Step) and goal.is_done:
        raise GoalRefused(f"{name} accepts {takes} that moves an object, not 'done'")
    return goal


def chosen_ahead(step: Step) -> bool:
    """Whether the place is chosen in the first picture, with no arm over it: in a bowl that was seen."""
    return step.skill == "put_in" and step.target_at is not None


class Motion(Protocol):
    """Paths of an arm (`robots.motion.ArmMotion`) at `control_hz`; q in [rad], xyz in [m], base frame."""

    @property
    def home(self) -> Array:
        """(n_joints,) home position in [rad]."""
        ...

    @property
    def control_hz(self) -> float:
        """Commands a second."""
        ...

    @property
    def gripper_width(self) -> float:
        """Distance of the open fingers in [m]."""
        ...

    def tool(self, q: Array) -> Array:
        """(3,) position of the tool at `q`."""
        ...

    def yaw(self, q: Array) -> float:
        """Rotation of the tool about base z at `q`, in [rad]."""
        ...

    def reach(self, xyz: Array, yaw: float, q_seed: Array) -> Array:
        """(n_joints,) with the tool at `xyz`, pointing down, at `yaw` [rad]; near `q_seed`."""
        ...

    def go(self, q_from: Array, q_to: Array) -> Array:
        """(T, n_joints) through joint space."""
        ...

    def line(self, q_from: Array, xyz: Array, speed: float) -> Array:
        """(T, n_joints) on a straight line at `speed` [m/s]."""
        ...

    def join(self, q_from: Array, *paths: Array, overlap: int = 2) -> Array:
        """(T, n_joints) the `paths` in one from `q_from`, blended over `overlap` ticks at each corner."""
        ...
