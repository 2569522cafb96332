"""Sentences whose programs were got wrong, to be learned from once more."""

from __future__ import annotations

import random
from collections import deque

from torch import Tensor

from palme.training.datasets.program_batches import IGNORED, Pair, ProgramBatch


class MissedPrograms:
    """What was got wrong comes back once: most drawn sentences are read rightly already and teach little.

    Args:
        answers: token of each target (`palme.language.programs.prompt.answer_tokens`).
        share: of the pairs that are drawn, at most this many come back, in [0, 1).
        kept: at most; the oldest are forgotten.
    """

    def __init__(self, answers: list[int], share: float, kept: int = 4000) -> None:
        self._answers = answers
        self._share = share
        self._missed: deque[Pair] = deque(maxlen=kept)

    def __len__(self) -> int:
        return len(self._missed)

    def take(self, rng: random.Random) -> Pair | None:
        """One that was got wrong, the oldest first, or None: draw a new one."""
        return self._missed.popleft() if self._missed and rng.random() < self._share else None

    def note(self, batch: ProgramBatch, right: Tensor) -> None:
        """Keep the rows of a batch that are new and whose program is not `right`, (B,) bool."""
        for row in (batch.new & ~right).nonzero()[:, 0].tolist():
            learned = (batch.targets[row] != IGNORED).nonzero()[:, 0]
            begin = int(learned[0]) + 1  # the last token of the prompt has the first target
            answer = [self._answers[k] for k in batch.targets[row, learned].tolist()]
            self._missed.append((batch.ids[row, :begin].tolist(), answer))
