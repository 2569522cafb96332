"""Which layer an episode failed in, by fixed rules on the simulator's truth. Nothing here reaches a planner.

The last step that went wrong, and was not put right by the same step later, decides; or, where every step
did what it said, the way in which the run ended:

    reading     what the instruction was read as names other things than the task (of a tower: in another
                order), or it was refused before any step
    perception  a thing of the step was detected farther than 3 cm from every true thing of its name, or not
                at all; or steps that succeeded were judged to have failed
    plan        the step is not among those that the oracle accepts there; or it ended too early
    gate        a command was refused, or what the gate held back left the step undone
    policy      the thing was never lifted (closed on nothing, on another one, did not finish), or was let go
                more than 3 cm from the target
    physics     the right thing was lifted, and fell, slipped or toppled

Precedence within a step is that of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from palme.perception.objects import PerceivedObjects
from robots.skills import TABLE, BadStep, Step
from sim.judging.snapshot import Snapshot
from sim.tasks import Task

Layer = Literal["reading", "perception", "plan", "policy", "gate", "physics"]
LAYERS: tuple[Layer, ...] = ("reading", "perception", "plan", "policy", "gate", "physics")
FAR = 0.03  # [m] a detection farther than this from the thing is of something else
OPENED = 0.05  # of the gripper's range: a command that opens it by more lets go
LIFTED = 0.02  # [m] a middle higher than this above where it was is lifted


@dataclass(frozen=True)
class StepTruth:
    """One step as it truly went.

    Attributes:
        step: as planned, `obj_k` included.
        objects: what the planner saw; None = no detector.
        before: the table when it was planned.
        during: after each chunk.
        grips: gripper opening that each chunk commanded last, in [0, 1].
        after: when it was judged; None = the run ended first.
        gate: what the gate refused or held back, "" = nothing.
    """

    step: Step
    objects: PerceivedObjects | None
    before: Snapshot
    during: tuple[Snapshot, ...] = ()
    grips: tuple[float, ...] = ()
    after: Snapshot | None = None
    gate: str = ""


@dataclass(frozen=True)
class Ending:
    """How the run ended: see `palme.events.Finished`; `read`: names of the reading, in order."""

    done: bool
    cause: str
    reason: str
    read: tuple[str, ...] | None = None


def attributed(task: Task[Any], steps: Sequence[StepTruth], ending: Ending) -> tuple[Layer, str]:
    """The layer of a failed episode, and the evidence in a few words."""
    wanted, read = _names(task), ending.read
    ordered = task.family == "stack_tower"
    if read is not None and wanted and not (read == wanted if ordered else set(read) == set(wanted)):
        return "reading", f"read as about {', '.join(read) or 'nothing'}, not {', '.join(wanted)}"
    right: set[str] = set()
    for step in reversed(steps):
        found = _of_step(task, step)
        if found is None:
            right.add(step.step.text)
        elif step.step.text not in right:
            return found
    if ending.cause == "rejected":
        return "gate", ending.reason
    if ending.cause in ("refused", "asked", "answered") and not any(s.during for s in steps):
        if "do not see" in ending.reason:
            return "perception", ending.reason
        return "reading", ending.reason
    if ending.done or ending.cause in ("stuck", "refused", "asked", "answered", "error"):
        return "plan", f"ended with {ending.cause!r} before the goal was reached"
    return "perception", "a step that succeeded was judged to have failed"


def _of_step(task: Task[Any], step: StepTruth) -> tuple[Layer, str] | None:
    """What went wrong with a step; None = it did what it said."""
    if step.step.is_done:
        return None
    try:
        named = _by_name(step)
    except BadStep as error:
        return "plan", str(error)
    for name in (named.what, named.target):
        if name != TABLE and (why := _unseen(name, step)):
            return "perception", why
    if named.by_name not in task.acceptable_steps(step.before.state):
        return "plan", f"{named.by_name.text!r} is not a right step there"
    rows = [i for i, spec in enumerate(step.before.specs) if spec.name == named.what]
    goals = [i for i, spec in enumerate(step.before.specs) if spec.name == named.target]
    return motion_fault(step, named, rows, goals)


def motion_fault(
    step: StepTruth, named: Step, rows: Sequence[int], goals: Sequence[int]
) -> tuple[Layer, str] | None:
    """What went wrong with the motion of a step; None = it did what it said.

    Args:
        named: the step by names.
        rows: indices of the things that it may mean to move; not empty.
        goals: of those that it may mean as the target; () = the table.
    """
    end = step.after or (step.during[-1] if step.during else step.before)
    if any(_holds(end, i, goals, named) for i in rows):
        return None
    if step.gate:
        return "gate", step.gate
    lifted = [i for i in rows if any(_rise(step, now, i) > LIFTED for now in step.during)]
    if not lifted:
        return "policy", f"the {named.what} was not lifted"
    i = lifted[0]
    carried = max(step.during, key=lambda now: now.positions[i, 2])
    if carried.held not in (None, i):
        return "policy", f"another thing than the {named.what} was lifted"
    off = _let_go(step, i, goals)
    if not off <= FAR:
        return "policy", f"the {named.what} was let go {100 * off:.0f} cm from its place"
    return "physics", f"the {named.what} was lifted and did not stay where it was put"


def _names(task: Task[Any]) -> tuple[str, ...]:
    """What the task names, a tower from the bottom to the top; () = nothing in particular."""
    goal = task.goal
    parts = [getattr(goal, part) for part in ("block", "bowl") if hasattr(goal, part)]
    parts += list(getattr(goal, "blocks", ()))
    return tuple(parts)


def _by_name(step: StepTruth) -> Step:
    if step.objects is None:
        return step.step
    return step.step.resolve([step.objects.name(i) for i in range(len(step.objects))])


def _unseen(name: str, step: StepTruth) -> str:
    """Why a detection of `name` is of nothing true; "" = it is right, or nothing was detected by design."""
    if step.objects is None:
        return ""
    true = [step.before.positions[i] for i, spec in enumerate(step.before.specs) if spec.name == name]
    seen = [step.objects.xyz[i] for i in range(len(step.objects)) if step.objects.name(i) == name]
    if not true:
        return f"there is no {name}"
    if not seen:
        return f"the {name} was not detected"
    off = min(float(np.linalg.norm(np.asarray(a)[:2] - b[:2])) for a in seen for b in true)
    return f"the {name} was detected {100 * off:.0f} cm from every true one" if not off <= FAR else ""


def _holds(end: Snapshot, i: int, goals: Sequence[int], step: Step) -> bool:
    if end.held == i:
        return False
    state = end.state
    if step.target == TABLE:
        return state.holder[i] is None
    return state.container(i) in goals if step.skill == "put_in" else state.holder[i] in goals


def _rise(step: StepTruth, now: Snapshot, i: int) -> float:
    return float(now.positions[i, 2] - step.before.positions[i, 2])


def _let_go(step: StepTruth, i: int, goals: Sequence[int]) -> float:
    """[m] across, from its target, at which the hand let go of thing `i`; 0 = it fell from a closed one."""
    held = [k for k, now in enumerate(step.during) if now.held == i]
    if not held or not goals:
        return 0.0
    k = held[-1]
    if k + 1 >= len(step.grips) or not step.grips[k + 1] > step.grips[k] + OPENED:
        return 0.0
    now = step.during[k]
    return min(float(np.linalg.norm(now.positions[i, :2] - now.positions[j, :2])) for j in goals)
