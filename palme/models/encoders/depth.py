"""Depth: convolutions over a depth picture alone, without its colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from palme.models.encoders.base import Arrays, Encoder, EncoderInputError, entry
from palme.models.gather import Gather, picture_layers
from robots.types import CameraFrame


class DepthEncoder(Encoder):
    """Depth (B, H, W) in [m] -> features (B, `n`, `dim`).

    Args:
        dim: width of the features.
        n: features of a picture.
        middle, spread: [m] depth that becomes 0, and difference that becomes 1.
    """

    def __init__(self, dim: int = 96, n: int = 3, middle: float = 0.9, spread: float = 0.1) -> None:
        super().__init__()
        self.dim, self.n, self.middle, self.spread = dim, n, middle, spread
        self.body = picture_layers(1)
        self.gather = Gather(48, (4, 6), dim, n)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"dim": self.dim, "n": self.n, "middle": self.middle, "spread": self.spread}

    @staticmethod
    def prepare(observations: Sequence[CameraFrame]) -> Arrays:
        """`depth` (M, H, W) float32 in [m]; a pixel without a measurement is 0.

        Raises:
            EncoderInputError: for a frame without depth, or frames of different sizes.
        """
        found = [o.depth for o in observations if o.depth is not None]
        if len(found) < len(observations):
            raise EncoderInputError("a picture has no depth, which this encoder needs; use an RGB-D camera")
        if len({d.shape for d in found}) > 1:
            raise EncoderInputError("depth pictures of a batch must have one size (H, W); resize them")
        return {"depth": np.nan_to_num(np.stack(found), posinf=0.0, neginf=0.0)}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, n, dim). Raises EncoderInputError without depth."""
        depth = entry(batch, "depth", "(B, H, W)")
        x = ((depth - self.middle) / self.spread).clamp(-5, 5)  # (B, H, W)
        return self.gather(self.body(x[:, None]))


ENCODER = DepthEncoder
