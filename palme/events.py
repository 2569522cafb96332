"""What an agent says while it works: one frozen event a happening, in the order they happen.

Listeners (the terminal, the log, the report, a test) get these and nothing else, so that a run can be told
again from its events. Times are in [s] since the run began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.skills import Step
from robots.types import JointCommand, Observation


@dataclass(frozen=True)
class Look:
    """Where a policy looked, over one picture.

    Attributes:
        camera: name of the picture it looked at.
        role: what it looked for, such as "pick" or "place".
        heat: (h, w) non-negative weights that cover the whole picture, at any resolution.
        pixel: (u, v) the point it settled on in [px] of the picture, or None.
        xyz: (3,) the same in [m] in the base frame, by the calibration that the picture came with, or None.
        score: how sure the detector is, in [0, 1].
    """

    camera: str
    role: str
    heat: NDArray[np.float32]
    pixel: tuple[float, float] | None = None
    xyz: tuple[float, float, float] | None = None
    score: float | None = None


@dataclass(frozen=True)
class Started:
    """The sentence was heard and the scene seen for the first time."""

    t: float
    instruction: str
    observation: Observation


@dataclass(frozen=True)
class Planned:
    """The planner wrote the next step.

    `sentence` and `objects` are what it read, `probability` is that of the step's words, where it tells.
    """

    t: float
    index: int
    step: Step
    rationale: str
    seconds: float
    observation: Observation
    sentence: Any = None
    objects: Any = None
    probability: float | None = None


@dataclass(frozen=True)
class Acted:
    """One chunk was carried out. `sent` is what the safety gate let through, tick by tick."""

    t: float
    index: int
    observation: Observation
    sent: tuple[JointCommand, ...]
    looks: tuple[Look, ...]
    policy_s: float
    execute_s: float
    note: str = ""


@dataclass(frozen=True)
class Judged:
    """The step was looked at again.

    Attributes:
        probability: that it succeeded, where the planner tells.
        reason: why it could not even be carried out, "" if it could.
        found: what the planner saw, in its words.
    """

    t: float
    index: int
    step: Step
    success: bool
    probability: float | None
    reason: str
    seconds: float
    observation: Observation
    found: str = ""


@dataclass(frozen=True)
class TakenOver:
    """A person broke the agent off: took the arm, paused or stopped it, or said something.

    Attributes:
        step: the one that was being done, None between two.
        reason: what the arm answered to the next command.
    """

    t: float
    index: int
    step: Step | None
    reason: str


@dataclass(frozen=True)
class HandedBack:
    """The agent goes on: it looks and plans anew.

    Attributes:
        who, why: who stepped in, and by what: "taken", "paused", "stopped" or "told".
        seconds: how long it took. commands: what was sent for a person's hand, tick by tick.
        observation: the new look.
    """

    t: float
    index: int
    who: str
    why: str
    seconds: float
    commands: tuple[JointCommand, ...]
    observation: Observation


@dataclass(frozen=True)
class Corrected:
    """A person corrected by words.

    Attributes:
        words: as typed.
        step: what is done now in place of `before`, None where the planner is asked.
        before: the step that was broken off, None between two.
        instruction: what the planner works on from now on.
    """

    t: float
    index: int
    who: str
    words: str
    step: Step | None
    before: Step | None
    instruction: str


@dataclass(frozen=True)
class Finished:
    """The run is over.

    Attributes:
        done: the planner said that nothing is left to do. It may be wrong: this is its belief.
        reason: why it ended, for a person.
        cause: one word for a table: "done", "answer", "replans", "steps", "refused", "stopped" or "error".
        seconds: time spent in each part: "observe", "plan", "policy", "execute", "judge".
    """

    t: float
    done: bool
    cause: str
    reason: str
    n_steps: int
    n_replans: int
    seconds: Mapping[str, float] = field(default_factory=dict)


Event = Started | Planned | Acted | Judged | TakenOver | HandedBack | Corrected | Finished
