"""Gives `sim.tasks` to the planner's training, which may not import it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from palme.training.datasets.tasks import TaskSource


def task_source() -> TaskSource:
    """Tasks, states and steps of `sim.tasks`."""
    from sim.tasks.steps import apply_step
    from sim.tasks.symbolic import feasible_steps

    return TaskSource(_midway, feasible_steps, apply_step, _on_state, _state)


def _midway(rng: random.Random, split: str, family: str | None) -> tuple[Any, Any]:
    from sim.tasks.symbolic import sample_midway

    while True:
        task, state = sample_midway(rng, split, family)
        if split != "train" or not _tells_the_way(task.goal):
            return task, state


def _tells_the_way(goal: Any) -> bool:
    """Whether two neighbours of a tower are a held-out pair turned round.

    Were these asked for, "red, then green" would always go down in training where green on red is held
    out: a model then learns the way from the colours. So neither order of such a pair is asked for.
    """
    from sim.tasks.splits import HELD_OUT_ON_BLOCK

    colours = [name.split()[0] for name in getattr(goal, "blocks", ())]
    return any(pair in HELD_OUT_ON_BLOCK for pair in zip(colours[:-1], colours[1:], strict=True))


def _state(looks: Sequence[tuple[str, str, str]], holder: Sequence[int | None]) -> Any:
    """The `SceneState` of objects (colour, kind, size) and what holds each."""
    from sim.world.state import ObjectSpec, SceneState

    return SceneState(tuple(ObjectSpec(*look) for look in looks), tuple(holder))


def _on_state(rng: random.Random, split: str, state: Any) -> Any:
    """A task about the objects of `state`, reached in it now and then; None if no family fits."""
    from sim.tasks import TASKS, Task
    from sim.tasks.put_in_bowl import InBowl
    from sim.tasks.stack_tower import Tower
    from sim.tasks.symbolic import FAMILY_WEIGHTS

    name = rng.choices(tuple(FAMILY_WEIGHTS), tuple(FAMILY_WEIGHTS.values()))[0]
    family = TASKS[name]
    goal: InBowl | Tower | None = None
    if rng.random() < 0.25:  # a goal that is reached, wholly or in part, as things stand
        word = [o.name for o in state.objects]
        i = rng.randrange(len(word))
        below = state.holder[i]
        bowl = state.container(i)
        if name == "put_in_bowl" and bowl is not None and word[i].endswith("block"):
            goal = InBowl(word[i], word[bowl])
        elif name == "stack_tower" and below is not None and word[i].endswith("block"):
            tower = [i]
            while below is not None and word[below].endswith("block"):
                tower.append(below)
                below = state.holder[below]
            more = [j for j, w in enumerate(word) if w.endswith("block") and j not in tower]
            if more and (len(tower) < 2 or rng.random() < 0.5):
                tower.insert(0, rng.choice(more))
            if 2 <= len(tower) <= 4:
                goal = Tower(tuple(word[j] for j in tower[::-1]))
    if goal is None:
        goal = family.other_goal(None, state, rng)
    if goal is None or (split == "train" and (family.is_held_out(goal) or _tells_the_way(goal))):
        return None
    return Task(name, goal, family.say(goal, rng, split))
