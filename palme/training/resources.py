"""Functions that recipes need from outside `palme`, passed in by the caller of a training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from palme.policies.base import Motion
    from palme.training.datasets.tasks import TaskSource

Draw = Callable[[np.random.Generator], tuple[Mapping[str, Any], Mapping[str, str]]]
"""Simulates one event: what was measured, by sensor, and what is true of it."""


def _no_tasks() -> TaskSource:
    raise LookupError("this recipe draws tasks: pass Resources(task_source=...)")


def _no_motion(arm: str) -> Motion:
    raise LookupError(f"this recipe needs the kinematics of {arm}: pass Resources(motion=...)")


def _no_senses(source: str) -> AbstractContextManager[Draw]:
    raise LookupError(f"this recipe simulates {source}: pass Resources(senses=...)")


Watched = Callable[[Sequence[int], str], Iterable[int]]
"""Passes numbers on while it shows, under a title, how many there were."""


def quietly(numbers: Sequence[int], title: str) -> Iterable[int]:
    """`numbers`; shows nothing."""
    return numbers


@dataclass(frozen=True)
class Resources:
    """Functions that are called only by the recipes that need them.

    Attributes:
        task_source: tasks, states and steps of the simulator.
        motion: name of an arm -> its kinematics.
        senses: name of a source of `sim.sensing` -> what simulates its events, within a context.
        watched: shows how far a long preparation is; by default nothing.
    """

    task_source: Callable[[], TaskSource] = _no_tasks
    motion: Callable[[str], Motion] = _no_motion
    senses: Callable[[str], AbstractContextManager[Draw]] = _no_senses
    watched: Watched = quietly
