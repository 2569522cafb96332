"""Events of simulated senses: drawn once by seed, kept in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

import numpy as np

from palme.training.datasets.observation_files import load_observations, save_observations
from palme.training.resources import Draw, Watched, quietly

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


def events(
    draw: Draw,
    source: str,
    split: Split,
    seed: int,
    n: int,
    folder: Path | None = None,
    watched: Watched = quietly,
) -> Events:
    """`n` events, the same for the same arguments.

    Args:
        draw: of the source.
        source: its name.
        split: see `event_seed`.
        seed: of the split.
        n: how many.
        folder: where they are kept, None = nowhere.
        watched: shows how many are simulated.
    """
    path = None if folder is None else folder / f"{source}-{split}-{seed}-{n}.safetensors"
    if path is not None and path.exists():
        return Events(*load_observations(path))
    drawn = [
        draw(np.random.default_rng(event_seed(source, split, seed, k)))
        for k in watched(range(n), f"{source}, {split}")
    ]
    made = Events([observation for observation, _ in drawn], [truth for _, truth in drawn])
    if path is not None:
        save_observations(path, made.observations, made.truths)
    return made
