"""Step texts about what is in a picture, with the objects that they name."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from palme.perception.step_query import encode_words
from palme.training.datasets.rendered_scenes import Labels
from robots.skills import ENTITIES, N_SOLIDS


def sample_texts(batch: Labels, n: int, rng: np.random.Generator) -> dict[str, Tensor]:
    """Random step texts about what is in each image, with the rows that they name (B, n)."""
    b = len(batch["entity"])
    ids = np.zeros((b, n, len(encode_words("put"))), np.int64)
    what, where, relation = (np.full((b, n), -1) for _ in range(3))
    entity, visible = batch["entity"].numpy(), batch["visible"].numpy()
    held, clear = batch["held"].numpy(), batch["clear"].numpy()
    for i in range(b):
        solids = np.flatnonzero((entity[i] >= 0) & (entity[i] < N_SOLIDS) & (visible[i] > 0.15))
        bowls = np.flatnonzero((entity[i] >= N_SOLIDS) & (visible[i] > 0.15))
        tops = np.flatnonzero(
            (entity[i] >= 0) & (entity[i] < N_SOLIDS) & clear[i] & ~held[i] & (visible[i] > 0.15)
        )
        for j in range(n):
            if not len(solids):
                continue
            a = rng.choice(solids)
            kind = rng.choice(3, p=[0.4, 0.4, 0.2])
            others = tops[tops != a]
            if kind == 0 and len(bowls):
                c = rng.choice(bowls)
                text = f"put the {ENTITIES[entity[i, a]]} in the {ENTITIES[entity[i, c]]}"
            elif kind == 1 and len(others):
                c = rng.choice(others)
                text = f"put the {ENTITIES[entity[i, a]]} on the {ENTITIES[entity[i, c]]}"
            else:
                kind, c, text = 2, -1, f"put the {ENTITIES[entity[i, a]]} on the table"
            ids[i, j], what[i, j], where[i, j], relation[i, j] = encode_words(text), a, c, kind
    return {
        k: torch.from_numpy(np.asarray(v))
        for k, v in {"ids": ids, "what": what, "where": where, "relation": relation}.items()
    }
