"""Instructions labelled with the kind of goal and, for a tower, the direction of its list."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from palme.language.answers import Goal
from palme.training.datasets.out_of_scope import nonsense
from palme.training.datasets.phrasings import phrase
from palme.training.datasets.tasks import TaskSource, goal_of

KINDS = ("in", "stack", "match", "nonsense")
WAYS = ("up", "down", "mixed")
FAMILIES = {"put_in_bowl": 0.12, "stack_tower": 0.72, "match_bowls": 0.08, "": 0.08}  # "" = nonsense

Labelled = tuple[str, int, int]
"""(sentence, index into `KINDS`, index into `WAYS` or -1)."""


@dataclass(frozen=True)
class Sentences:
    """B instructions.

    Attributes:
        texts: the instructions.
        kind: (B,) index into `KINDS`.
        way: (B,) index into `WAYS`, -1 = no tower.
    """

    texts: tuple[str, ...]
    kind: Tensor
    way: Tensor

    @classmethod
    def of(cls, rows: Sequence[Labelled]) -> Sentences:
        """A batch of `rows`."""
        texts, kinds, ways = zip(*rows, strict=True)
        return cls(texts, torch.tensor(kinds), torch.tensor(ways))


def sentences(source: TaskSource, seed: int, split: str, own_words: float = 0.0) -> Iterator[Labelled]:
    """Endless instructions.

    Args:
        source: tasks.
        seed: of all draws.
        split: of the tasks' phrasings, such as "train".
        own_words: share of training instructions phrased by `palme.training.datasets.phrasings`.
    """
    rng = random.Random(seed)
    while True:
        family = rng.choices(tuple(FAMILIES), tuple(FAMILIES.values()))[0]
        if not family:
            yield nonsense(rng), KINDS.index("nonsense"), -1
            continue
        task, _ = source.midway(rng, split, family)
        goal, text = goal_of(task), task.instruction
        if split == "train" and rng.random() < own_words:
            text = phrase(goal, rng)
            goal = goal_of(task, text)
        yield text, KINDS.index(goal.kind), _way(goal)


def _way(goal: Goal) -> int:
    return WAYS.index(goal.words()[2]) if goal.kind == "stack" else -1
