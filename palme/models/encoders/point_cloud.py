"""Point clouds: PointNet over points in the base frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from palme.models.encoders.base import Arrays, Encoder, entry, padded
from palme.models.gather import PointSet
from palme.models.table_frame import scaled
from robots.senses import PointCloud


class PointCloudEncoder(Encoder):
    """Points (B, N, 3) in [m] -> features (B, `n`, `dim`), whatever their order. Colours are not used.

    Args:
        dim: width of the features.
        n: features of a cloud.
    """

    def __init__(self, dim: int = 96, n: int = 2) -> None:
        super().__init__()
        self.dim, self.n = dim, n
        self.body = PointSet(3, dim, n)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"dim": self.dim, "n": self.n}

    @staticmethod
    def prepare(observations: Sequence[PointCloud]) -> Arrays:
        """`xyz` (M, N, 3) float32 and `there` (M, N): smaller clouds are filled up.

        Raises:
            EncoderInputError: for a cloud without points.
        """
        xyz, there = padded(
            [np.asarray(o.xyz, np.float32) for o in observations], "a point cloud has no points"
        )
        return {"xyz": xyz, "there": there}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, n, dim). Raises EncoderInputError without points."""
        return self.body(scaled(entry(batch, "xyz", "(B, N, 3)")), entry(batch, "there", "(B, N)"))


ENCODER = PointCloudEncoder
