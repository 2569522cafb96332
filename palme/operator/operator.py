"""The protocol between a console and a run: what a person sees and may do.

Every method may be called from any thread, returns at once, and never raises for a person's input: `Reply`
says what could not be done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from palme.events import Typed
from palme.operator.run_phase import RUNNING, RunEnd
from robots.teleop.teleop_actions import Jog

__all__ = ["MODES", "Operator", "Jog", "Joint", "Picture", "Status", "StepStatus", "Reply"]
MAX_LINES = 30  # of those typed, in a status
MODES = ("autonomous", "paused", "correcting", "stopped")


@dataclass(frozen=True)
class StepStatus:
    """One step of the plan.

    Attributes:
        text: the step text.
        state: "now", "done", "failed", "corrected" (done by hand), "replaced", or "unfinished": it ended with
            the run.
        probability: of the step or of its verdict, None if unknown.
        reason: the planner's rationale, or what the success check found.
    """

    text: str
    state: str
    probability: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Joint:
    """One joint.

    Attributes:
        name: its name.
        q: position in [rad].
        q_min, q_max: limits of the position in [rad].
        dq: velocity in [rad/s].
        dq_max: limit of the velocity in [rad/s].
    """

    name: str
    q: float
    q_min: float
    q_max: float
    dq: float
    dq_max: float


@dataclass(frozen=True)
class Status:
    """The present status of a run.

    Attributes:
        mode: one of `MODES`.
        holder: who has control: "policy", the name of a console, or "" for nobody.
        instruction: what the planner works on.
        steps: of the plan, in order.
        sentence: the planner's last input as HTML, from `palme.report.parts`.
        probability: of the present step, in [0, 1], or None.
        joints: of the arm.
        gripper: opening in [0, 1], 1 = open.
        cameras: names.
        limited_by: the limit that holds the arm back ("table: fingers"), or "".
        state_age: time in [s] since the arm's last state.
        ticks, missed_ticks: number of control ticks, and of those that came late.
        message: the last event ("stopped: Space of console 2").
        t_mono: monotonic time of this status in [s].
        phase: "waiting" for a person to begin, "running" or "ended".
        begins_in: time in [s] until a waiting run begins by itself, None = it does not.
        end: how the run ended, None until then.
        lines: typed by persons, in order: the newest `MAX_LINES`.
    """

    mode: str
    holder: str
    instruction: str
    steps: tuple[StepStatus, ...]
    sentence: str
    probability: float | None
    joints: tuple[Joint, ...]
    gripper: float
    cameras: tuple[str, ...]
    limited_by: str
    state_age: float
    ticks: int
    missed_ticks: int
    message: str
    t_mono: float
    phase: str = RUNNING
    begins_in: float | None = None
    end: RunEnd | None = None
    lines: tuple[Typed, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A camera image.

    Attributes:
        rgb: uint8 (H, W, 3).
        t_mono: monotonic time of capture in [s].
    """

    rgb: NDArray[np.uint8]
    t_mono: float


@dataclass(frozen=True)
class Reply:
    """The result of a request.

    Attributes:
        done: whether it was carried out.
        message: why not, or what happened.
    """

    done: bool
    message: str = ""


class Operator(Protocol):
    """What a console requires of a run; `who` is the name of the console that asks."""

    def status(self) -> Status:
        """The present status."""
        ...

    def picture(self, camera: str) -> Picture | None:
        """The newest image of `camera`, None if there is none yet."""
        ...

    def start(self, who: str) -> Reply:
        """Begin a run that waits for it."""
        ...

    def wait_for_start(self, who: str) -> Reply:
        """A waiting run does not begin by itself, but by `start` alone."""
        ...

    def stop(self, who: str, reason: str) -> Reply:
        """Decelerate, hold, and refuse commands until `rearm`; anyone may stop, at any time."""
        ...

    def rearm(self, who: str) -> Reply:
        """Accept commands again after a stop; the run stays paused."""
        ...

    def pause(self, who: str) -> Reply:
        """Decelerate and hold; the run waits."""
        ...

    def take(self, who: str) -> Reply:
        """Take control; refused while another console has it."""
        ...

    def jog(self, who: str, jog: Jog) -> Reply:
        """Move the tool while repeated; a jog expires after 100 ms. Only the holder's are accepted."""
        ...

    def reach(self, who: str, camera: str, u: float, v: float) -> Reply:
        """Move the tool over the point at pixel (u, v) of `camera`, while the holder repeats it."""
        ...

    def hand_back(self, who: str) -> Reply:
        """Return control to the policy; the planner observes and replans."""
        ...

    def correct(self, who: str, text: str) -> Reply:
        """Correct the run verbally.

        Args:
            who: the console.
            text: a step of the skill grammar, which replaces the present one, or a sentence that the planner
                continues from ("no, the other bowl").
        """
        ...

    def connect(self, who: str) -> None:
        """A console has connected."""
        ...

    def disconnect(self, who: str) -> None:
        """A console has disconnected; if it had control: decelerate, hold, pause."""
        ...
