"""Operator: everything that a console may see and do. The run implements it; the page knows nothing else.

Every method may be called from any thread, returns at once and never raises for what a person typed: what
cannot be done is told in `Reply`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robots.teleop.teleop_actions import Jog

__all__ = ["MODES", "Operator", "Jog", "Joint", "Picture", "Status", "StepLine", "Reply"]
MODES = ("autonomous", "paused", "correcting", "stopped")


@dataclass(frozen=True)
class StepLine:
    """One step of the plan. `state`: "now", "done", "failed", "corrected" (by hand) or "replaced"."""

    text: str
    state: str
    probability: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Joint:
    """One joint: position [rad], its limits [rad], speed [rad/s] and the limit of that."""

    name: str
    q: float
    q_min: float
    q_max: float
    dq: float
    dq_max: float


@dataclass(frozen=True)
class Status:
    """What stands on the desk now.

    Attributes:
        mode: one of `MODES`.
        holder: who commands the arm: "policy", or the id of a console ("" = nobody).
        sentence: the multimodal sentence as the planner last read it, HTML made by `palme.report.parts`.
        sure: probability of the present step, in [0, 1], or None.
        gripper: opening in [0, 1], 1 = open.
        held_by: what the safety gate holds the arm back at ("table: fingers"), or "".
        age: [s] since the arm was last heard; what a person reads the link's health from.
        loop_late: control ticks that came late, of `loop_ticks`.
        message: the last thing worth telling ("stopped: token of console 2", "handed back: planning anew").
    """

    mode: str
    holder: str
    instruction: str
    steps: tuple[StepLine, ...]
    sentence: str
    sure: float | None
    joints: tuple[Joint, ...]
    gripper: float
    cameras: tuple[str, ...]
    held_by: str
    age: float
    loop_ticks: int
    loop_late: int
    message: str
    t_mono: float


@dataclass(frozen=True)
class Picture:
    """uint8 (H, W, 3) RGB and when it was taken, [s] monotonic."""

    rgb: NDArray[np.uint8]
    t_mono: float


@dataclass(frozen=True)
class Reply:
    """Whether something was done, and why not."""

    done: bool
    message: str = ""


class Operator(Protocol):
    """See the module. `who` is the id of the console that asks."""

    def status(self) -> Status: ...

    def picture(self, camera: str) -> Picture | None:
        """The newest picture of `camera`, None if there is none yet."""
        ...

    def stop(self, who: str, reason: str) -> Reply:
        """Decelerate, hold, latch: anybody may, at any time."""
        ...

    def rearm(self, who: str) -> Reply:
        """Listen again after a stop; the run stays paused."""
        ...

    def pause(self, who: str) -> Reply:
        """Decelerate and hold; the run waits."""
        ...

    def take(self, who: str) -> Reply:
        """Take the arm. RequestRefusedError while another console holds it."""
        ...

    def jog(self, who: str, jog: Jog) -> Reply:
        """Move while it is repeated: a jog older than 100 ms counts for nothing. Only the holder's counts."""
        ...

    def reach(self, who: str, camera: str, u: float, v: float) -> Reply:
        """Move the tool over what is seen at pixel (u, v) of `camera`, while the holder repeats it."""
        ...

    def hand_back(self, who: str) -> Reply:
        """Give the arm back: the planner looks and plans anew."""
        ...

    def correct(self, who: str, text: str) -> Reply:
        """Correct by words.

        Args:
            text: a step of the skill grammar, which replaces the present one, or a sentence that the planner
                goes on from with its history ("no, the other bowl").
        """
        ...

    def disconnect(self, who: str) -> None:
        """A console is gone. If it held the arm: decelerate, hold, pause."""
        ...
