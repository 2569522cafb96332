"""The planner protocol, its input and its results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from palme.language.sentence import Sentence
from palme.perception.objects import PerceivedObjects
from robots.skills import Location, Step
from robots.types import Observation


@dataclass(frozen=True)
class ReadLine:
    """One line of a program as it was understood.

    Attributes:
        text: as written.
        found: what it is about: its name for a person, and (x, y, z) in [m], base frame.
        said: what it brings about, or answers.
    """

    text: str
    found: tuple[tuple[str, Location], ...]
    said: str


@dataclass(frozen=True)
class Understanding:
    """How an instruction was understood, for a person.

    Attributes:
        program: that it was read as, one call a line.
        lines: of the program as they ran on what was seen; () = it was not run.
        moved: what will be moved.
        kept: what will not be touched.
        probability: of the reading, in [0, 1].
        seconds: that the reading took.
        confidence: calibrated probability that the reading is right, in [0, 1]; None = it was not checked.
    """

    program: str
    lines: tuple[ReadLine, ...]
    moved: tuple[str, ...]
    kept: tuple[str, ...]
    probability: float
    seconds: float
    confidence: float | None = None

    @property
    def text(self) -> str:
        """In plain words."""
        said = "; ".join(dict.fromkeys(line.said for line in self.lines if line.said))
        parts = [said[:1].upper() + said[1:].rstrip(".") + "."] if said else []
        if self.moved:
            parts.append(f"I will move {listed(self.moved)}.")
        if self.kept:
            parts.append(f"I will not touch {listed(self.kept)}.")
        return " ".join(parts) or self.program


def listed(names: Sequence[str]) -> str:
    """ "the red block, the blue block and the green bowl"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


class KeptGoal(Protocol):
    """What an instruction was read as: the agent keeps it for the planner from one step to the next."""

    @property
    def text(self) -> str:
        """For a person."""
        ...

    @property
    def order(self) -> Sequence[str]:
        """Names ("red_block") of what must have been seen before anything is done."""
        ...

    @property
    def understanding(self) -> Understanding | None:
        """How it was understood; None = the planner says no more than `text`."""
        ...


@dataclass(frozen=True)
class Blocked:
    """A step that the arm was kept from: by its safety gate, or because it cannot reach so far.

    Attributes:
        step: by names, with the locations that it was planned for.
        obstacle: what was in the way of it, for a person, such as "it is out of my reach".
    """

    step: Step
    obstacle: str


@dataclass(frozen=True)
class Context:
    """The input of a planner.

    Attributes:
        instruction: the person's sentence.
        observation: the current one.
        history: steps so far, and whether each was judged successful.
        goal: what the instruction was read as at first; the planner keeps to it. None = to be read.
        answers: a person's, to the planner's questions about the instruction, in order.
        failures: why each step of `history` failed, in plain words, with what the safety gate kept the arm
            from; "" = it succeeded, or nothing is known.
        blocked: those of them that the arm was kept from, as they happened: to be planned around.
    """

    instruction: str
    observation: Observation
    history: tuple[tuple[Step, bool], ...] = ()
    goal: KeptGoal | None = None
    answers: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    blocked: tuple[Blocked, ...] = ()


@dataclass(frozen=True)
class PlannedStep:
    """The next step with its reasons.

    Attributes:
        step: the next step; `DONE` where nothing is left to do.
        rationale: why, in plain words.
        probability: of the step's words given the rationale, in [0, 1]; None = the planner has none.
        sentence: the language model's prompt, for reports; None = no model.
        objects: detected objects; `obj_k` in `step` is row k - 1. None = no detection.
        goal: what the instruction was read as; None = the planner reads none.
        closing: with the step "done", what there is to be said at the end; "" = nothing.
    """

    step: Step
    rationale: str = ""
    probability: float | None = None
    sentence: Sentence | None = None
    objects: PerceivedObjects | None = None
    goal: KeptGoal | None = None
    closing: str = ""


def by_name(plan: PlannedStep) -> Step:
    """The step with `obj_k` replaced by class names. Raises BadStep for an object that is not listed."""
    if plan.objects is None:
        return plan.step
    return plan.step.resolve([plan.objects.name(i) for i in range(len(plan.objects))])


@dataclass(frozen=True)
class Verdict:
    """Whether a step succeeded; its truth value is `success`.

    Attributes:
        success: whether it did.
        probability: of success, in [0, 1]; None = the planner has none.
        reason: what was found, in plain words.
        unsure: whether it cannot be told from this picture; `success` is then False.
    """

    success: bool
    probability: float | None = None
    reason: str = ""
    unsure: bool = False

    def __bool__(self) -> bool:
        return self.success


class Planner(Protocol):
    """Plans the next step and judges the last one, from pictures and robot state alone."""

    def next_step(self, context: Context) -> PlannedStep:
        """The next step, or done.

        Raises:
            palme.errors.NoMotion: words instead of a step: an `Answer`, a `Question` back, or a refusal.
        """
        ...

    def was_successful(self, context: Context, step: Step) -> Verdict:
        """Whether `step`, the last one, succeeded."""
        ...
