"""Several cameras at once: one set of convolutions for all pictures, and where each was taken from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from palme.models.encoders.base import Arrays, Encoder, EncoderInputError, entry
from palme.models.gather import Gather, picture_layers
from robots.senses import MultiView


class ViewsEncoder(Encoder):
    """Pictures of V cameras -> features (B, V * `n`, `dim`), camera by camera.

    Args:
        dim: width of the features.
        n: features of a picture.
    """

    def __init__(self, dim: int = 96, n: int = 2) -> None:
        super().__init__()
        self.dim, self.n = dim, n
        self.body = picture_layers(3)
        self.gather = Gather(48, (6, 7), dim, n)
        self.pose = nn.Linear(12, dim)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"dim": self.dim, "n": self.n}

    @staticmethod
    def prepare(observations: Sequence[MultiView]) -> Arrays:
        """`rgb` (M, V, H, W, 3) uint8 and `pose` (M, V, 12), the first rows of each `base_from_camera`.

        Raises:
            EncoderInputError: where observations have different numbers of cameras, or sizes.
        """
        if len({(len(o.frames), o.frames[0].rgb.shape) for o in observations}) > 1:
            raise EncoderInputError("observations of a batch must have the same cameras, of one size")
        rgb = np.stack([np.stack([f.rgb for f in o.frames]) for o in observations])
        pose = np.stack([[f.base_from_camera[:3].ravel() for f in o.frames] for o in observations])
        return {"rgb": rgb, "pose": pose.astype(np.float32)}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, V * n, dim). Raises EncoderInputError without pictures."""
        rgb, pose = entry(batch, "rgb", "(B, V, H, W, 3)"), entry(batch, "pose", "(B, V, 12)")
        b, v = rgb.shape[:2]
        x = rgb.flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1  # (B V, 3, H, W)
        x = self.gather(self.body(x)).unflatten(0, (b, v))  # (B, V, n, D)
        return (x + self.pose(pose)[:, :, None]).flatten(1, 2)


ENCODER = ViewsEncoder
