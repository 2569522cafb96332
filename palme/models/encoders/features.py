"""Precomputed features, of a frozen encoder beside the language model, unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from palme.models.encoders.base import Arrays, Encoder, EncoderInputError, entry


class FeaturesEncoder(Encoder):
    """Features (B, N, `dim`) unchanged; observations may have different N."""

    def __init__(self, dim: int = 64) -> None:
        super().__init__()
        self.dim = dim

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"dim": self.dim}

    @staticmethod
    def prepare(observations: Sequence[Any]) -> Arrays:
        """`features` (M, N, D) and `mask` (M, N) of arrays (K, D), or (D,) for one feature."""
        rows = [np.atleast_2d(np.asarray(o, np.float32)) for o in observations]
        wrong = [r.shape for r in rows if r.ndim != 2 or r.shape[1] != rows[0].shape[1]]
        if wrong:
            raise EncoderInputError(f"features must be (K, {rows[0].shape[-1]}), got {wrong[0]}")
        n = max(len(r) for r in rows)
        features = np.zeros((len(rows), n, rows[0].shape[1]), np.float32)
        mask = np.zeros((len(rows), n), bool)
        for i, row in enumerate(rows):
            features[i, : len(row)], mask[i, : len(row)] = row, True
        return {"features": features, "mask": mask}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, N, dim). Raises EncoderInputError for another width."""
        features = entry(batch, "features", f"(B, N, {self.dim})")
        if features.dim() != 3 or features.shape[-1] != self.dim:
            raise EncoderInputError(f"features must be (B, N, {self.dim}), got {tuple(features.shape)}")
        return features


ENCODER = FeaturesEncoder
