"""Video: 3-D convolutions over a stack of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from palme.models.encoders.base import Arrays, Encoder, EncoderInputError, entry
from palme.models.gather import Gather
from robots.senses import VideoClip


class VideoEncoder(Encoder):
    """Clips (B, T, H, W, 3) uint8 -> features (B, `n`, `dim`).

    Args:
        dim: width of the features.
        n: features of a clip.
    """

    def __init__(self, dim: int = 96, n: int = 2) -> None:
        super().__init__()
        self.dim, self.n = dim, n
        self.body = nn.Sequential(
            nn.Conv3d(3, 16, (3, 5, 5), stride=(1, 2, 2), padding=(1, 2, 2)),
            nn.BatchNorm3d(16),
            nn.GELU(),
            nn.Conv3d(16, 32, 3, stride=(1, 2, 2), padding=1),
            nn.BatchNorm3d(32),
            nn.GELU(),
            nn.Conv3d(32, 48, 3, stride=2, padding=1),
            nn.BatchNorm3d(48),
            nn.GELU(),
        )
        self.gather = Gather(48, (3, 4, 5), dim, n)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"dim": self.dim, "n": self.n}

    @staticmethod
    def prepare(observations: Sequence[VideoClip]) -> Arrays:
        """`frames` (M, T, H, W, 3) uint8. Raises EncoderInputError where clips have different shapes."""
        if len({o.frames.shape for o in observations}) > 1:
            raise EncoderInputError("clips of a batch must have one shape (T, H, W, 3); cut or resize them")
        return {"frames": np.stack([o.frames for o in observations])}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, n, dim). Raises EncoderInputError without clips."""
        frames = entry(batch, "frames", "(B, T, H, W, 3)")
        x = frames.movedim(-1, 1).float() / 127.5 - 1  # (B, 3, T, H, W)
        return self.gather(self.body(x))


ENCODER = VideoEncoder
