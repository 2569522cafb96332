"""Voxels: 3-D convolutions over the cells of space that are occupied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from palme.models.encoders.base import Arrays, Encoder, EncoderInputError, entry
from palme.models.gather import Gather
from robots.senses import VoxelGrid


class VoxelsEncoder(Encoder):
    """Cells (B, X, Y, Z) -> features (B, `n`, `dim`).

    Height is kept cell by cell; the other two axes are made coarser.

    Args:
        dim: width of the features.
        n: features of a grid.
    """

    def __init__(self, dim: int = 96, n: int = 2) -> None:
        super().__init__()
        self.dim, self.n = dim, n
        self.body = nn.Sequential(
            nn.Conv3d(1, 8, (5, 5, 3), stride=(3, 3, 1), padding=(2, 2, 1)),
            nn.BatchNorm3d(8),
            nn.GELU(),
            nn.Conv3d(8, 16, 3, stride=(2, 2, 1), padding=1),
            nn.BatchNorm3d(16),
            nn.GELU(),
        )
        self.gather = Gather(16, (2, 4, 14), dim, n)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"dim": self.dim, "n": self.n}

    @staticmethod
    def prepare(observations: Sequence[VoxelGrid]) -> Arrays:
        """`occupied` (M, X, Y, Z) bool. Raises EncoderInputError where grids have different shapes."""
        if len({o.occupied.shape for o in observations}) > 1:
            raise EncoderInputError("voxel grids of a batch must have one shape (X, Y, Z); cut them alike")
        return {"occupied": np.stack([o.occupied for o in observations])}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, n, dim). Raises EncoderInputError without cells."""
        return self.gather(self.body(entry(batch, "occupied", "(B, X, Y, Z)").float()[:, None]))


ENCODER = VoxelsEncoder
