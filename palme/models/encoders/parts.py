"""Articulated things: one feature a part, of its pose, its joint and how far that has moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from torch import Tensor, nn

from palme.models.encoders.base import Arrays, Encoder, EncoderInputError, entry
from palme.models.table_frame import MIDDLE, SPREAD
from robots.senses import Joint, PartAssembly

JOINTS = get_args(Joint)
WIDTH = (
    12 + len(JOINTS) + 4
)  # pose, kind of joint, value, limits, share of the way from one limit to the other


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
        if any(len(o) == 0 for o in observations):
            raise EncoderInputError("an assembly has no parts; leave the observation out of the sentence")
        n = max(map(len, observations))
        parts = np.zeros((len(observations), n, WIDTH), np.float32)
        mask = np.zeros((len(observations), n), bool)
        for i, o in enumerate(observations):
            mask[i, : len(o)] = True
            for k, part in enumerate(o.parts):
                place = (part.base_from_part[:3, 3] - MIDDLE) / SPREAD / 2
                span = part.upper - part.lower
                share = (part.value - part.lower) / span if span > 0 else 0.0
                joint = [float(part.joint == kind) for kind in JOINTS]
                turn = part.base_from_part[:3, :3].ravel()
                moved = (part.value / SPREAD, part.lower, part.upper, 2 * share - 1)
                parts[i, k] = np.concatenate([place, turn, joint, moved])
        return {"parts": parts, "mask": mask}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, N, dim). Raises EncoderInputError without parts."""
        return self.body(entry(batch, "parts", f"(B, N, {WIDTH})"))


ENCODER = PartsEncoder
