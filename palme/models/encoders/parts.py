"""Articulated things: one feature a part, of its pose, its joint and how far that has moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from torch import Tensor, nn

from palme.models.encoders.base import Arrays, Encoder, entry, padded
from palme.models.table_frame import MIDDLE, SPREAD
from robots.senses import Joint, Part, PartAssembly
from robots.types import Array

JOINTS = get_args(Joint)
# pose, kind of joint, value, limits, share of the way from one limit to the other
WIDTH = 12 + len(JOINTS) + 4


class PartsEncoder(Encoder):
    """Parts (B, N, `WIDTH`) -> features (B, N, `dim`), one each.

    Args:
        dim: width of the features.
    """

    def __init__(self, dim: int = 96) -> None:
        super().__init__()
        self.dim = dim
        self.body = nn.Sequential(nn.Linear(WIDTH, dim), nn.GELU(), nn.Linear(dim, dim), nn.LayerNorm(dim))

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"dim": self.dim}

    @staticmethod
    def prepare(observations: Sequence[PartAssembly]) -> Arrays:
        """`parts` (M, N, `WIDTH`) and `mask` (M, N): smaller assemblies are filled up.

        Raises:
            EncoderInputError: for an assembly without parts.
        """
        rows = [np.array([_described(part) for part in o.parts], np.float32) for o in observations]
        parts, mask = padded(rows, "an assembly has no parts")
        return {"parts": parts, "mask": mask}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, N, dim). Raises EncoderInputError without parts."""
        return self.body(entry(batch, "parts", f"(B, N, {WIDTH})"))


def _described(part: Part) -> Array:
    """One part as (`WIDTH`,) numbers around zero."""
    place = (part.base_from_part[:3, 3] - MIDDLE) / SPREAD / 2
    span = part.upper - part.lower
    share = (part.value - part.lower) / span if span > 0 else 0.0
    joint = [float(part.joint == kind) for kind in JOINTS]
    moved = (part.value / SPREAD, part.lower, part.upper, 2 * share - 1)
    return np.concatenate([place, part.base_from_part[:3, :3].ravel(), joint, moved])


ENCODER = PartsEncoder
