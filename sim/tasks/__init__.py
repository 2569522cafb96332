"""Task families on symbolic states: pure Python; neither PyBullet nor gymnasium need be installed.

A new family is one file here, one line in `TASKS`, its phrasings and one test.
"""

from __future__ import annotations

import difflib
from typing import Any

from sim.tasks.base import SPLITS, NoOtherGoal, Task, make_task, sample
from sim.tasks.match_bowls import MatchBowls
from sim.tasks.phrasings.template import BadPhrasing, load_phrasings
from sim.tasks.put_in_bowl import PutInBowl
from sim.tasks.stack_tower import StackTower

__all__ = [
    "SPLITS", "TASKS", "BadPhrasing", "NoOtherGoal", "Task", "UnknownTask",
    "family_named", "load_phrasings", "make_task", "sample",
]  # fmt: skip

TASKS: dict[str, Any] = {family.name: family for family in (PutInBowl(), StackTower(), MatchBowls())}
"""Every family by name; the values fulfil `sim.tasks.base.Family`."""


class UnknownTask(KeyError):
    """No family has this name."""

    def __str__(self) -> str:
        return str(self.args[0])


def family_named(name: str) -> Any:
    """The family called `name`. Raises UnknownTask, listing what exists and the nearest match."""
    if name in TASKS:
        return TASKS[name]
    near = difflib.get_close_matches(name, TASKS, n=1, cutoff=0.0)
    raise UnknownTask(f"no task {name!r}; there are {', '.join(TASKS)}; nearest: {near[0]}")
