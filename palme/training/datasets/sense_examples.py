"""Events of simulated senses: drawn once by seed, kept in a file, turned into batches of questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from palme.language.sentence import Sentence
from palme.language.vocabulary import Vocabulary
from palme.models.processor import EmbodiedProcessor, Observations
from palme.training.datasets.observation_files import load_observations, save_observations

Draw = Callable[[np.random.Generator], tuple[Mapping[str, Any], Mapping[str, str]]]
"""Simulates one event: what was measured, by sensor, and what is true of it."""
Split = Literal["train", "validation", "bench"]
SPLITS: tuple[Split, ...] = ("train", "validation", "bench")


@dataclass(frozen=True)
class Events:
    """M events of one source: what was measured, by sensor, and what is true of each."""

    observations: Sequence[Mapping[str, Any]]
    truths: Sequence[Mapping[str, str]]

    def __len__(self) -> int:
        return len(self.observations)


def event_seed(source: str, split: Split, seed: int, k: int) -> list[int]:
    """Seed of the `k`-th event. Splits never share one, whatever their seeds are."""
    return [SPLITS.index(split), seed, crc32(source.encode()), k]


def events(draw: Draw, source: str, split: Split, seed: int, n: int, folder: Path | None = None) -> Events:
    """`n` events, the same for the same arguments.

    Args:
        draw: of the source.
        source: its name.
        split: see `event_seed`.
        seed: of the split.
        n: how many.
        folder: where they are kept, None = nowhere.
    """
    path = None if folder is None else folder / f"{source}-{split}-{seed}-{n}.safetensors"
    if path is not None and path.exists():
        return Events(*load_observations(path))
    drawn = [draw(np.random.default_rng(event_seed(source, split, seed, k))) for k in range(n)]
    made = Events([observation for observation, _ in drawn], [truth for _, truth in drawn])
    if path is not None:
        save_observations(path, made.observations, made.truths)
    return made


@dataclass(frozen=True)
class SenseBatch:
    """Questions with their answers, as tensors for `EmbodiedLM.forward`.

    Attributes:
        ids, mask: (Q, T) question, padded on the left, and answer, padded on the right.
        labels: (Q, T) token ids of the answers, -100 elsewhere.
        observations: see `Observations`.
        instruction_ids, instruction_mask: (Q, L) the questions, for connectors that see them.
        name: of the sense that is asked about.
    """

    ids: Tensor
    mask: Tensor
    labels: Tensor
    observations: Observations
    instruction_ids: Tensor
    instruction_mask: Tensor
    name: str = ""


def sense_batch(
    processor: EmbodiedProcessor,
    vocabulary: Vocabulary,
    sentences: Sequence[Sentence],
    answers: Sequence[str],
) -> SenseBatch:
    """Sentences and their answers, each of one or more words."""
    inputs = processor(list(sentences), side="left", begin=True)
    rows = [vocabulary.encode([*answer.split(), "</s>"]) for answer in answers]
    t = max(map(len, rows))
    ids = torch.tensor([[*row, *[vocabulary.pad] * (t - len(row))] for row in rows])  # (Q, t)
    mask = torch.tensor([[1] * len(row) + [0] * (t - len(row)) for row in rows])
    prompt = inputs["input_ids"]
    return SenseBatch(
        torch.cat([prompt, ids], 1),
        torch.cat([inputs["attention_mask"], mask], 1),
        torch.cat([torch.full_like(prompt, -100), ids.masked_fill(mask == 0, -100)], 1),
        inputs["observations"],
        inputs["instruction_ids"],
        inputs["instruction_mask"],
    )


def blanked(observations: Observations) -> dict[str, dict[str, Tensor]]:
    """The observations with zeros in place of everything that was measured: black, silent, flat."""
    kept = ("row", "place", "mask")
    return {
        source: {k: v if k in kept else torch.zeros_like(v) for k, v in arrays.items()}
        for source, arrays in observations.items()
    }
