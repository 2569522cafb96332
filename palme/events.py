"""Events of an agent's run, as frozen dataclasses, in the order in which they happen.

Listeners (terminal, log, report, tests) get these and nothing else, so that a run can be reconstructed from
its events. In each, `t` is the time in [s] since the run began and `index` the number of the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.safety.chunk_verdict import ChunkVerdict
from robots.skills import Step
from robots.types import ActionChunk, JointCommand, Observation


@dataclass(frozen=True)
class Localisation:
    """A point to act on that a policy located in a picture.

    Attributes:
        camera: name of the picture.
        role: of the point, such as "pick" or "place".
        heat: (h, w) non-negative weights that cover the whole picture, at any resolution.
        pixel: (u, v) of the point in [px], or None.
        xyz: (3,) the point in [m] in the base frame, by the calibration of the frame as received, or None.
        score: confidence of the detector, in [0, 1].
    """

    camera: str
    role: str
    heat: NDArray[np.float32]
    pixel: tuple[float, float] | None = None
    xyz: tuple[float, float, float] | None = None
    score: float | None = None


@dataclass(frozen=True)
class Started:
    """The run began, with an instruction and a first observation."""

    t: float
    instruction: str
    observation: Observation


@dataclass(frozen=True)
class Understood:
    """The instruction was read, once; the planner keeps to this until the instruction changes.

    Attributes:
        goal: what it was read as, in plain words.
        understanding: `palme.planners.base.Understanding`; None = the planner says no more than `goal`.
        observation: that it was understood on; None = not known.
        names: "red_block", ... of what the reading names; None = not known.
    """

    t: float
    index: int
    instruction: str
    goal: str
    understanding: Any = None
    observation: Observation | None = None
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Asked:
    """A person was asked.

    Attributes:
        question: as it was put.
        answer: as it was given; None = there was nobody to ask.
    """

    t: float
    index: int
    question: str
    answer: str | None


@dataclass(frozen=True)
class Planned:
    """The planner decided on the next step.

    Attributes:
        step: the next step.
        rationale: why, in plain words.
        seconds: time of planning, [s], further pictures not counted.
        observation: the planner's input.
        sentence: the language model's prompt, None = no model.
        objects: detected objects, None = no detection.
        probability: of the step's words, in [0, 1]; None = the planner has none.
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
    """One chunk was executed.

    Attributes:
        observation: the policy's input.
        sent: commands after the safety gate, one a tick.
        localisations: points that the policy located.
        policy_s: time of the policy, [s].
        execute_s: time of the chunk, [s].
        note: a remark for the report.
        chunk: as the policy asked for it; None = not known.
        verdict: what the safety gate made of it; None = not known.
    """

    t: float
    index: int
    observation: Observation
    sent: tuple[JointCommand, ...]
    localisations: tuple[Localisation, ...]
    policy_s: float
    execute_s: float
    note: str = ""
    chunk: ActionChunk | None = None
    verdict: ChunkVerdict | None = None


@dataclass(frozen=True)
class Judged:
    """The step was judged.

    Attributes:
        success: whether it succeeded.
        probability: of success, in [0, 1]; None = the planner has none.
        reason: why it could not be executed, "" if it could.
        seconds: time of judging, [s].
        observation: the planner's input.
        found: the planner's reason, in plain words.
        unsure: whether it could not be told; `success` is then False.
        gate: what the safety gate kept the arm from in this step, in plain words; "" = nothing.
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
    unsure: bool = False
    gate: str = ""


@dataclass(frozen=True)
class TakenOver:
    """A person interrupted the agent: took over, paused or stopped the arm, or typed a correction.

    Attributes:
        step: the aborted step, None = between two steps.
        reason: the arm's refusal of the next command.
    """

    t: float
    index: int
    step: Step | None
    reason: str


@dataclass(frozen=True)
class HandedBack:
    """The agent continues: it observes and plans again.

    Attributes:
        who: who intervened.
        why: how: "taken", "paused", "stopped" or "told".
        seconds: duration of the intervention, [s].
        commands: what a person's device commanded, one a tick.
        observation: after the intervention.
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
    """A person typed a correction.

    Attributes:
        who: who typed it.
        words: as typed.
        step: done now in place of `before`, None = the planner decides.
        before: the aborted step, None = between two steps.
        instruction: of the planner from now on.
    """

    t: float
    index: int
    who: str
    words: str
    step: Step | None
    before: Step | None
    instruction: str


@dataclass(frozen=True)
class CorrectionRefused:
    """The planner cannot act on a typed correction: the run pauses, and the former instruction stands.

    Attributes:
        reason: the planner's answer.
        instruction: of the planner from now on.
    """

    t: float
    index: int
    reason: str
    instruction: str


@dataclass(frozen=True)
class Typed:
    """A line that a person typed; one event for each state it reaches.

    Attributes:
        t: time at which it reached this state.
        number: of the line, from 1, in the order of typing.
        who: who typed it: "command line", "console 1".
        words: as typed.
        typed_t: time at which it was typed, in [s] since the run began.
        state: one of `LINE_STATES`; each but the first is final.
        note: where it was taken, or why it was not.
    """

    t: float
    number: int
    who: str
    words: str
    typed_t: float
    state: str
    note: str = ""


LINE_STATES = ("waiting", "taken", "refused", "replaced", "lost")
"""Of a typed line: not read yet; acted on; not acted on, with the reason; a newer line came first; the run
ended first."""


@dataclass(frozen=True)
class Finished:
    """The run ended.

    Attributes:
        done: the planner found nothing left to do, judged from pictures; it may be wrong.
        cause: one word: "done"; of the planner "answered" (a question), "asked" (which things are meant, and
            nobody said so), "refused" or "stuck" (no way to go on); "replans" or "steps" at a limit;
            "rejected" (a command, by the arm or its gate), "stopped" or "error".
        reason: why it ended, for a person.
        n_steps: executed steps.
        n_replans: plans after a failed step.
        seconds: time in [s] by part: "observe", "plan", "policy", "execute", "judge".
        first: [s] from the start to the first joint command: "total", and its parts "read" (of the sentence),
            "look", "plan" and "policy"; empty where no command was sent.
    """

    t: float
    done: bool
    cause: str
    reason: str
    n_steps: int
    n_replans: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    first: Mapping[str, float] = field(default_factory=dict)


Event = (
    Started
    | Understood
    | Asked
    | Planned
    | Acted
    | Judged
    | TakenOver
    | HandedBack
    | Corrected
    | CorrectionRefused
    | Typed
    | Finished
)
