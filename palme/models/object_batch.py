"""Perceived objects of several scenes, padded to one batch of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from palme.perception.objects import PerceivedObjects
from robots.skills import ENTITIES

ObjectBatch = dict[str, Tensor]
"""class_probs (B, N, 24), size_probs (B, N, 2), xyz (B, N, 3), holder_probs (B, N, N + 1), score (B, N) and,
where the detector gives features, feature (B, N, D). Absent rows are zero."""


def collate_objects(scenes: Sequence[PerceivedObjects], feature_dim: int = 0) -> ObjectBatch:
    """One batch, as wide as the fullest scene."""
    arrays = collate_arrays([vars(s) for s in scenes], feature_dim)
    return {name: torch.from_numpy(a) for name, a in arrays.items()}


def collate_arrays(scenes: Sequence[dict[str, Any]], feature_dim: int = 0) -> dict[str, np.ndarray]:
    """The same in numpy, from dicts with the fields of `PerceivedObjects` (in workers without torch)."""
    b, n = len(scenes), max(1, *(len(s["score"]) for s in scenes), 1)
    batch = {
        "class_probs": np.zeros((b, n, len(ENTITIES)), np.float32),
        "size_probs": np.zeros((b, n, 2), np.float32),
        "xyz": np.zeros((b, n, 3), np.float32),
        "holder_probs": np.zeros((b, n, n + 1), np.float32),
        "score": np.zeros((b, n), np.float32),
    }
    if feature_dim:
        batch["feature"] = np.zeros((b, n, feature_dim), np.float32)
    for i, scene in enumerate(scenes):
        k = len(scene["score"])
        for name in batch:
            if name != "holder_probs" and k:
                batch[name][i, :k] = scene[name]
        batch["holder_probs"][i, :k, :k] = scene["holder_probs"][:, :k]
        batch["holder_probs"][i, :k, n] = scene["holder_probs"][:, k]
    return batch
