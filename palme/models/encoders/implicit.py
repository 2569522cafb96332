"""Implicit shapes: samples of a signed distance, as a set of points that each know how far the surface is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from palme.models.encoders.base import Arrays, Encoder, EncoderInputError, entry
from palme.models.gather import PointSet
from palme.models.table_frame import SPREAD, scaled
from robots.senses import ImplicitShape


class ImplicitEncoder(Encoder):
    """Points (B, N, 3) and distances (B, N) in [m] -> features (B, `n`, `dim`), whatever their order.

    Args:
        dim: width of the features.
        n: features of a shape.
    """

    def __init__(self, dim: int = 96, n: int = 2) -> None:
        super().__init__()
        self.dim, self.n = dim, n
        self.body = PointSet(6, dim, n)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"dim": self.dim, "n": self.n}

    @staticmethod
    def prepare(observations: Sequence[ImplicitShape]) -> Arrays:
        """`points` (M, N, 3) and `distance` (M, N) float32.

        Raises:
            EncoderInputError: where observations have different numbers of samples.
        """
        if len({len(o.points) for o in observations}) > 1:
            raise EncoderInputError("implicit shapes of a batch must have the same number of samples")
        return {
            "points": np.stack([o.points for o in observations]).astype(np.float32),
            "distance": np.stack([o.distance for o in observations]).astype(np.float32),
        }

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, n, dim). Raises EncoderInputError without samples."""
        points, distance = entry(batch, "points", "(B, N, 3)"), entry(batch, "distance", "(B, N)")
        d = distance[..., None] / SPREAD  # (B, N, 1)
        # near the surface a millimetre counts
        near = torch.exp(-(4 * d).square())
        return self.body(torch.cat([scaled(points), d, near, torch.tanh(10 * d)], -1))  # (B, N, 6)


ENCODER = ImplicitEncoder
