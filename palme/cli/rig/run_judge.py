"""What came of a run: whether a goal stated apart from the sentence is reached, and what else moved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from palme.cli.errors import UsageError, reason
from palme.cli.rig.tabletop import Table
from palme.events import Event, Planned
from palme.perception.objects import PerceivedObjects
from robots.skills import Step
from sim.judging.bystanders import Bystander, bystanders
from sim.judging.errors import BadGoalFile
from sim.judging.formula import UNMOVED, Moments
from sim.judging.goal_file import GoalFile
from sim.judging.judge import Verdict, verdict

SIMULATOR, CAMERA = "simulator", "camera"


@dataclass(frozen=True)
class Judgement:
    """What came of a run.

    Attributes:
        goal: the verdict on the stated goal, None = none was stated.
        bystanders: what moved by more than 2 cm although no step was about it.
        measured: where the movements come from: "simulator", or "camera" as the detector saw them.
    """

    goal: Verdict | None
    bystanders: tuple[Bystander, ...]
    measured: str

    def fields(self) -> dict[str, Any]:
        """For events.jsonl."""
        moved = [{"name": b.name, "metres": b.metres} for b in self.bystanders]
        out: dict[str, Any] = {"measured": self.measured, "bystanders_moved": moved}
        if self.goal is not None:
            out |= {"goal_reached": self.goal.holds, "failures": list(self.goal.failures)}
        return out

    def moved_besides(self) -> str:
        """A sentence for a person; "" where nothing else moved."""
        if not self.bystanders:
            return ""
        what = ", ".join(f"the {b.name} by {100 * b.metres:.0f} cm" for b in self.bystanders)
        seen = " (as the camera saw it)" if self.measured == CAMERA else ""
        return f"Also moved, though no step was about it: {what}{seen}."


def read_goal(path: Path | None) -> GoalFile | None:
    """The goal file at `path`. Raises UsageError."""
    if path is None:
        return None
    try:
        return GoalFile.read(path)
    except OSError as error:
        raise UsageError(
            f"goal={path}: {reason(error)}; name a YAML file with a formula, `want: ...`"
        ) from error
    except BadGoalFile as error:
        raise UsageError(f"goal={error}") from error


def closing(done: bool, judgement: Judgement | None, achieved: bool | None) -> str:
    """The last words of a run, for a person; `achieved` is None where no goal was stated."""
    goal = None if judgement is None else judgement.goal
    if achieved:
        text = "achieved"
    elif achieved is None:
        text = "done, as far as the model can see" if done else "not achieved"
    elif goal is None:
        text = "not achieved: the table cannot be asked any more"
    elif goal.holds:
        text = "not achieved: the goal is reached, but the run ended before the model found it so"
    else:
        text = f"not achieved: {'; '.join(goal.failures)}"
    besides = "" if judgement is None else judgement.moved_besides()
    return f"{text}\n{besides}" if besides else text


class RunJudge:
    """Looks at the table before a run and after it; a listener of the agent's events in between.

    Args:
        table: the simulated table, its scene loaded; None = a real one, of which only the camera tells.
        goal: what shall be reached.

    Raises:
        UsageError: the goal names what is not on the table.
    """

    def __init__(self, table: Table | None, goal: GoalFile | None) -> None:
        self._table = table
        self._start = None if table is None else table.snapshot()
        self._seen: list[PerceivedObjects] = []  # at first, and last
        self._formula = None
        if goal is not None and self._start is not None:
            try:
                self._formula = goal.on(self._start)
            except BadGoalFile as error:
                raise UsageError(f"goal={error}") from error

    def __call__(self, event: Event) -> None:
        """Keep what the detector saw at first and last."""
        if isinstance(event, Planned) and event.objects is not None:
            self._seen = [*self._seen[:1], event.objects]

    def judgement(self, steps: Iterable[Step]) -> Judgement:
        """What came of a run that carried out `steps`. Raises RobotError where the table does not answer."""
        if self._table is None or self._start is None:
            return Judgement(None, _seen_to_move(self._seen, steps), CAMERA)
        moments = Moments(self._start, self._table.snapshot())
        found = None if self._formula is None else verdict(self._formula, moments)
        return Judgement(found, bystanders(moments, steps), SIMULATOR)


def _seen_to_move(seen: list[PerceivedObjects], steps: Iterable[Step]) -> tuple[Bystander, ...]:
    """Of what was seen once at first and once at last, what no step was about and moved by more than 2 cm."""
    if len(seen) < 2:
        return ()
    own = {step.what for step in steps}
    before, after = (_places(objects) for objects in seen)
    far = {
        name: float(np.linalg.norm(after[name] - before[name]))
        for name in sorted(before.keys() & after.keys() - own)
    }
    return tuple(Bystander(name, round(metres, 4)) for name, metres in far.items() if not metres <= UNMOVED)


def _places(objects: PerceivedObjects) -> dict[str, Any]:
    """(3,) where each thing is, of those that only one looks like."""
    names = [objects.name(i) for i in range(len(objects))]
    return {name: objects.xyz[i] for i, name in enumerate(names) if names.count(name) == 1}
