"""Tasks as training draws them, and their goals in entity words."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from palme.language.answers import Goal
from palme.language.text import mentions
from robots.skills import Step


class Task(Protocol):
    """The part of `sim.tasks.Task` that training uses."""

    family: str
    goal: Any
    instruction: str

    def acceptable_steps(self, state: Any) -> frozenset[Step]:
        """Correct next steps in `state`."""
        ...


@dataclass(frozen=True)
class TaskSource:
    """Where tasks come from; the command line passes functions of `sim.tasks`.

    Attributes:
        midway: (rng, split, family or None) -> (task, a state between its start and its goal).
        feasible: state -> its executable steps.
        apply: (state, step) -> state.
        on_state: (rng, split, state) -> a task about the state's objects, or None.
        make_state: ((colour, kind, size) of each object, holders) -> state.
    """

    midway: Callable[[random.Random, str, str | None], tuple[Task, Any]]
    feasible: Callable[[Any], list[Step]]
    apply: Callable[[Any, Step], Any]
    on_state: Callable[[random.Random, str, Any], Any] | None = None
    make_state: Callable[[Sequence[tuple[str, str, str]], Sequence[int | None]], Any] | None = None


def goal_of(task: Task, instruction: str = "", names: dict[str, str] | None = None) -> Goal:
    """The goal of a task of one of the three families, in entity words.

    Args:
        task: the task.
        instruction: in place of the task's own, "" = the task's.
        names: entity word of each `obj_k` in it.
    """
    goal = task.goal
    if hasattr(goal, "bowl"):
        return Goal("in", (_entity(goal.bowl), _entity(goal.block)))
    if hasattr(goal, "blocks"):
        order = tuple(_entity(b) for b in goal.blocks)
        mentioned = mentions(instruction or task.instruction)
        named = dict.fromkeys((names or {}).get(w, f"{w}_block") for w in mentioned)
        found = [w for w in named if w in order]
        return Goal("stack", order, (*found, *(w for w in order if w not in found)))
    return Goal("match")


def _entity(name: str) -> str:
    return name.replace(" ", "_")
