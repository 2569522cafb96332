"""Task families on symbolic states: pure Python; neither PyBullet nor gymnasium need be installed.

A new family is one file here, its name in `_families`, its phrasings and one test.
"""

from __future__ import annotations

from typing import Any

from sim.tasks.base import SPLITS, TASKS, NoOtherGoal, Task, UnknownTask, family_named, make_task, sample
from sim.tasks.match_bowls import MatchBowls
from sim.tasks.phrasings.template import BadPhrasing, load_phrasings
from sim.tasks.put_in_bowl import PutInBowl
from sim.tasks.stack_tower import StackTower

__all__ = [
    "SPLITS", "TASKS", "BadPhrasing", "NoOtherGoal", "Task", "UnknownTask",
    "family_named", "load_phrasings", "make_task", "sample",
]  # fmt: skip

_families: tuple[Any, ...] = (PutInBowl(), StackTower(), MatchBowls())
TASKS.update({family.name: family for family in _families})
