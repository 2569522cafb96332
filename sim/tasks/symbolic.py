"""Endless (task, state) samples for the language model, without rendering.

A state is where a task may be in the middle: some right steps done, sometimes a wrong one, sometimes
all of them. About one in seven is done.
"""

from __future__ import annotations

import random
from typing import Any

from robots.skills import DONE, TABLE, Step
from sim.tasks.base import TASKS, NoOtherGoal, Rng, Task, as_random, sample
from sim.tasks.steps import apply_step
from sim.tasks.table import MAX_PILE, random_state
from sim.world.state import SceneState

__all__ = ["feasible_steps", "random_state", "sample_midway"]

FAMILY_WEIGHTS = {"put_in_bowl": 0.3, "stack_tower": 0.45, "match_bowls": 0.25}
"""Towers have the most branches and the hardest sentences."""

P_DONE = 0.18
P_ASTRAY = 0.2  # one step that leads nowhere, or away
MAX_STEPS = 40


def sample_midway(
    rng: Rng, split: str = "train", family: str | None = None, n_distractors: int | None = None
) -> tuple[Task[Any], SceneState]:
    """A task and a state somewhere on the way to its goal, or at it, or astray.

    Args:
        rng: seeds every draw.
        split: one of `SPLITS`.
        family: which one; None draws it by `FAMILY_WEIGHTS`.
        n_distractors: how many objects the goal does not name; None draws it.
    """
    draw = as_random(rng)
    if family is None:
        family = draw.choices(tuple(FAMILY_WEIGHTS), tuple(FAMILY_WEIGHTS.values()))[0]
    task, state = sample(family, draw, split, n_distractors)
    states = way(task, state, draw)
    if draw.random() < P_DONE:
        state = states[-1]
    elif len(states) > 1:
        state = draw.choice(states[:-1])
    if draw.random() < P_ASTRAY:
        state = astray(state, draw)
    return task, state


def way(task: Task[Any], state: SceneState, rng: random.Random) -> list[SceneState]:
    """`state` and those after each right step up to the goal."""
    states = [state]
    for _ in range(MAX_STEPS):
        steps = task.acceptable_steps(state)
        if DONE in steps:
            return states
        state = apply_step(state, rng.choice(sorted(steps, key=str)))
        states.append(state)
    raise RuntimeError(f"{task.instruction!r}: not done after {MAX_STEPS} right steps from {states[0]}")


def swapped(task: Task[Any], rng: Rng, state: SceneState) -> Task[Any]:
    """A task with another goal on the same objects: told in place of `task`, it is the control that shows
    whether the words count. Reaching it does not reach `task`.

    Where the family has no other goal here, it is another family's.

    Raises:
        NoOtherGoal: if these objects allow none.
    """
    draw = as_random(rng)
    for name in (task.family, *(name for name in TASKS if name != task.family)):
        family = TASKS[name]
        for _ in range(8):
            goal = family.other_goal(task.goal, state, draw)
            if goal is None:
                break
            other = Task(name, goal, family.say(goal, draw, "test"))
            if not task.is_success(way(other, state, draw)[-1]):
                return other
    raise NoOtherGoal(f"{task.instruction!r}: these objects allow no other goal; add a distractor")


def astray(state: SceneState, rng: random.Random) -> SceneState:
    """The state after one step that has nothing to do with the goal."""
    steps = feasible_steps(state)
    return apply_step(state, rng.choice(steps)) if steps else state


def feasible_steps(state: SceneState) -> list[Step]:
    """Every step that can be carried out in `state` (sorted as the objects are), "done" left out."""
    carrying = set(state.holder)
    free = [i for i, o in enumerate(state.objects) if o.kind != "bowl" and i not in carrying]
    bowls = [i for i, o in enumerate(state.objects) if o.kind == "bowl"]
    supports = [i for i in free if state.objects[i].kind == "block" and _height(state, i) < MAX_PILE]
    steps = []
    for i in free:
        name = state.objects[i].name
        if state.holder[i] is not None:
            steps.append(Step.put(name, TABLE))
        for j in (*bowls, *supports):
            if j != i and j != state.holder[i]:
                steps.append(Step.put(name, state.objects[j].name))
    return steps


def _height(state: SceneState, i: int) -> int:
    height, h = 1, state.holder[i]
    while h is not None:
        height, h = height + 1, state.holder[h]
    return height
