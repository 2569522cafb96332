"""Meshes: a set of triangles, each by its middle, normal and size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from palme.models.encoders.base import Arrays, Encoder, entry, padded
from palme.models.gather import PointSet
from palme.models.table_frame import SPREAD, scaled
from robots.senses import Mesh

LEAST = 1e-9  # [m2] of a triangle, so that a flat one has a normal of zero and no NaN


class MeshEncoder(Encoder):
    """Triangles (B, F, 3, 3) in [m] -> features (B, `n`, `dim`), whatever the order of the triangles.

    Args:
        dim: width of the features.
        n: features of a mesh.
    """

    def __init__(self, dim: int = 96, n: int = 2) -> None:
        super().__init__()
        self.dim, self.n = dim, n
        self.body = PointSet(16, dim, n)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"dim": self.dim, "n": self.n}

    @staticmethod
    def prepare(observations: Sequence[Mesh]) -> Arrays:
        """`corners` (M, F, 3, 3) float32 and `there` (M, F): smaller meshes are filled up.

        Raises:
            EncoderInputError: for a mesh without triangles.
        """
        triangles = [np.asarray(o.vertices, np.float32)[o.faces] for o in observations]
        corners, there = padded(triangles, "a mesh has no triangles")
        return {"corners": corners, "there": there}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, n, dim). Raises EncoderInputError without triangles."""
        corners = entry(batch, "corners", "(B, F, 3, 3)")
        edges = corners[:, :, 1:] - corners[:, :, :1]  # (B, F, 2, 3)
        across = torch.linalg.cross(edges[:, :, 0], edges[:, :, 1])  # (B, F, 3)
        area = across.norm(dim=-1, keepdim=True)
        places = scaled(torch.cat([corners.mean(2, keepdim=True), corners], 2)).flatten(2)  # (B, F, 12)
        # a blanked mesh lies in one point, which is no place on the table
        features = torch.cat([places, across / (area + LEAST), area.sqrt() / SPREAD], -1)  # (B, F, 16)
        return self.body(features, entry(batch, "there", "(B, F)"))


ENCODER = MeshEncoder
