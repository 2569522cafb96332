"""What a task is: a goal, a sentence that asks for it, and which steps lead there.

A family is one kind of task (one file in `sim/tasks/`). It draws goals and scenes, knows which next
steps are right in a given state and when the goal is reached, and how its goals are said.
"""

from __future__ import annotations

import difflib
import operator
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from robots.skills import Step
from sim.tasks.table import MAX_OBJECTS
from sim.world.state import SceneState

SPLITS = ("train", "validation", "test", "held_out")
"""train: training phrasings and colour pairs. validation: phrasings never trained on, but looked at while
training's were widened; any pair. test: phrasings never trained on nor looked at, any pair.
held_out: those of test, only colour pairs that are never asked for in training."""

Rng = np.random.Generator | random.Random
"""One generator seeds every draw. numpy's costs about 3 us a scalar and Python's 0.3, so a numpy
generator is asked once, for the seed of a Python one."""

GoalT = TypeVar("GoalT")


def as_random(rng: Rng) -> random.Random:
    """`rng` itself if it is Python's, else a Python generator seeded by one draw from it."""
    if isinstance(rng, random.Random):
        return rng
    return random.Random(int(rng.integers(1 << 62)))


def check_split(split: str) -> None:
    """Raises ValueError, listing the splits, if `split` is none of them."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown; there are {', '.join(SPLITS)}")


MAX_DISTRACTORS = MAX_OBJECTS - 2  # every goal names two objects at least


class BadDistractors(ValueError):
    """A number of distractors that is no number, or that no table has room for."""


def check_distractors(n: Any) -> int | None:
    """`n`: None = drawn, or how many objects the goal does not name.

    Raises:
        BadDistractors: not a whole number in [0, 10].
    """
    if n is None:
        return None
    try:
        whole = -1 if isinstance(n, bool) else operator.index(n)
    except TypeError:
        whole = -1
    if not 0 <= whole <= MAX_DISTRACTORS:
        raise BadDistractors(
            f"n_distractors={n!r}: must be None, to draw it, or a whole number in [0, {MAX_DISTRACTORS}]"
        )
    return whole


class NoOtherGoal(ValueError):
    """A scene whose objects allow no goal but the task's own."""


class Family(Protocol[GoalT]):
    """One kind of task. `TASKS` lists the families by name."""

    name: str
    summary: str
    slots: tuple[frozenset[str], ...]

    def draw(self, rng: random.Random, split: str, n_distractors: int | None) -> tuple[GoalT, SceneState]:
        """A goal and a scene in which it is not yet reached."""
        ...

    def acceptable_steps(self, goal: GoalT, state: SceneState) -> frozenset[Step]:
        """Every right next step; {DONE} when the goal is reached."""
        ...

    def is_success(self, goal: GoalT, state: SceneState) -> bool:
        """Whether the goal is reached (the gripper having let go is the caller's business)."""
        ...

    def phrase(self, template: str, goal: GoalT, rng: random.Random) -> str:
        """`template` with its slots filled for `goal`."""
        ...

    def say(self, goal: GoalT, rng: random.Random, split: str) -> str:
        """A sentence that asks for `goal`, in the words of `split`."""
        ...

    def is_held_out(self, goal: GoalT) -> bool:
        """Whether training never asks for `goal` (split "held_out")."""
        ...

    def other_goal(self, goal: GoalT, state: SceneState, rng: random.Random) -> GoalT | None:
        """A different goal on the objects of `state`, or None where there is none."""
        ...


TASKS: dict[str, Family[Any]] = {}
"""Every family by name; `sim.tasks` registers them."""


class UnknownTask(KeyError):
    """No family has this name."""

    def __str__(self) -> str:
        return str(self.args[0])


def family_named(name: str) -> Family[Any]:
    """The family called `name`. Raises UnknownTask, listing what exists and the nearest match."""
    if isinstance(name, str) and name in TASKS:
        return TASKS[name]
    near = difflib.get_close_matches(str(name), TASKS, n=1, cutoff=0.0)
    raise UnknownTask(f"no task {name!r}; there are {', '.join(TASKS)}; nearest: {near[0]}")


@dataclass(frozen=True)
class Task(Generic[GoalT]):
    """A goal and the sentence that asks for it.

    Attributes:
        family: name in `TASKS`.
        goal: the family's own frozen dataclass, by object names ("red block").
        instruction: what the person says.
    """

    family: str
    goal: GoalT
    instruction: str

    def acceptable_steps(self, state: SceneState) -> frozenset[Step]:
        """Every right next step in `state`; {DONE} when the goal is reached."""
        return family_named(self.family).acceptable_steps(self.goal, state)

    def is_success(self, state: SceneState) -> bool:
        """Whether `state` fulfils the goal."""
        return family_named(self.family).is_success(self.goal, state)


def make_task(family: str, goal: Any, template: str | None = None, rng: Rng | None = None) -> Task[Any]:
    """The task of reaching `goal`, said by `template` or, without one, in a test phrasing.

    Raises:
        UnknownTask: if there is no such family.
        BadPhrasing: if `template` has slots that the family does not fill.
    """
    draw = random.Random(0) if rng is None else as_random(rng)
    kind = family_named(family)
    text = kind.say(goal, draw, "test") if template is None else kind.phrase(template, goal, draw)
    return Task(family, goal, text)


def sample(
    family: str,
    rng: Rng,
    split: str = "train",
    n_distractors: int | None = None,
    templates: Sequence[str] | None = None,
) -> tuple[Task[Any], SceneState]:
    """A task of `family` and a scene in which it is not yet reached.

    Args:
        rng: seeds every draw.
        split: one of `SPLITS`.
        n_distractors: how many objects the goal does not name, in [0, 10], fewer where the table (12 objects
            in all) is full; None draws it.
        templates: the phrasings to draw from, in place of those of `split`.
    """
    check_split(split)
    n_distractors = check_distractors(n_distractors)
    draw = as_random(rng)
    kind = family_named(family)
    goal, state = kind.draw(draw, split, n_distractors)
    if templates is None:
        text = kind.say(goal, draw, split)
    else:
        text = kind.phrase(draw.choice(templates), goal, draw)
    return Task(family, goal, text), state
