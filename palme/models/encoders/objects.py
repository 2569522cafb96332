"""Detected objects as features: the detector's outputs for each, concatenated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from palme.models.encoders.base import Arrays, Encoder, EncoderInputError, entry
from palme.perception.objects import PerceivedObjects
from robots.skills import ENTITIES

FIELDS = {"class_probs": len(ENTITIES), "size_probs": 2, "xyz": 3, "score": 1}
WIDTH = sum(FIELDS.values())


class ObjectsEncoder(Encoder):
    """Objects of a scene -> features (B, N, `dim` + N + 1); the last N + 1 columns are holder probabilities.

    Args:
        feature_dim: width of the detector's visual feature of an object, 0 = left out.
    """

    def __init__(self, feature_dim: int = 0) -> None:
        super().__init__()
        self.feature_dim = feature_dim
        self.dim = WIDTH + feature_dim

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"feature_dim": self.feature_dim}

    @staticmethod
    def prepare(observations: Sequence[PerceivedObjects | Mapping[str, Any]]) -> Arrays:
        """Scenes padded to the largest number of objects N; absent rows are zero.

        Args:
            observations: M scenes, each a `PerceivedObjects` or a mapping with its fields.

        Returns:
            class_probs (M, N, 24), size_probs (M, N, 2), xyz (M, N, 3) in [m], holder_probs (M, N, N + 1),
            score (M, N) and, where every scene has it, feature (M, N, D).

        Raises:
            EncoderInputError: if an observation is no scene.
        """
        scenes = [vars(s) if isinstance(s, PerceivedObjects) else s for s in observations]
        wrong = [type(s).__name__ for s in scenes if not isinstance(s, Mapping) or "class_probs" not in s]
        if wrong:
            raise EncoderInputError(f"objects must be PerceivedObjects, got {wrong[0]}")
        m, n = len(scenes), max(1, *(len(s["score"]) for s in scenes), 1)
        shapes: dict[str, tuple[int, ...]] = {k: (w,) if w > 1 else () for k, w in FIELDS.items()}
        if all("feature" in s for s in scenes):
            shapes["feature"] = (np.shape(scenes[0]["feature"])[-1],)
        batch = {name: np.zeros((m, n, *shape), np.float32) for name, shape in shapes.items()}
        batch["holder_probs"] = np.zeros((m, n, n + 1), np.float32)
        for i, scene in enumerate(scenes):
            k = len(scene["score"])
            if k:
                for name in shapes:
                    batch[name][i, :k] = scene[name]
            batch["holder_probs"][i, :k, :k] = scene["holder_probs"][:, :k]
            batch["holder_probs"][i, :k, n] = scene["holder_probs"][:, k]
        return batch

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, N, dim + N + 1)."""
        parts = [entry(batch, name, f"(B, N, {width})") for name, width in FIELDS.items()]
        parts = [p if p.dim() == 3 else p[..., None] for p in parts]  # (B, N, 1)
        if self.feature_dim:
            feature = entry(batch, "feature", f"(B, N, {self.feature_dim})")
            if feature.shape[-1] != self.feature_dim:
                raise EncoderInputError(
                    f"feature must be (B, N, {self.feature_dim}), got {tuple(feature.shape)}"
                )
            parts.append(feature)
        return torch.cat([*parts, entry(batch, "holder_probs", "(B, N, N + 1)")], -1)


def split(features: Tensor, feature_dim: int) -> dict[str, Tensor]:
    """The fields of `ObjectsEncoder`'s features (B, N, dim + N + 1) by name."""
    widths = [*FIELDS.values(), feature_dim, features.shape[1] + 1]
    parts = dict(zip((*FIELDS, "feature", "holder_probs"), features.split(widths, -1), strict=True))
    parts["score"] = parts["score"][..., 0]  # (B, N)
    return parts


ENCODER = ObjectsEncoder
