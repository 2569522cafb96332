"""The small image encoder: the detector's U-Net, its feature map averaged into patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from palme.models.encoders.base import Arrays, Encoder, EncoderInputError, entry, rgb_of
from palme.perception.rgbd import network_input, xyz_map
from palme.perception.unet import UNet
from robots.types import CameraFrame


class SmallEncoder(Encoder):
    """RGB and base-frame coordinates -> features (B, rows * columns, `dim`), row by row.

    Args:
        trunk: a trained U-Net, or None for a new one of width `dim`.
        rows, columns: of the grid of patches.
    """

    def __init__(self, trunk: UNet | None = None, dim: int = 64, rows: int = 8, columns: int = 8) -> None:
        super().__init__()
        self.trunk = trunk or UNet(dim)
        self.dim: int = self.trunk.out.out_channels
        self.grid = (rows, columns)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"dim": self.dim, "rows": self.grid[0], "columns": self.grid[1]}

    @staticmethod
    def prepare(observations: Sequence[CameraFrame]) -> Arrays:
        """`rgb` (M, H, W, 3) uint8 and `xyz` (M, 3, H, W), base-frame coordinates of each pixel in [m].

        Raises:
            EncoderInputError: for a picture without depth.
        """
        if any(o.depth is None for o in observations):
            raise EncoderInputError("a picture has no depth, which this encoder needs; use an RGB-D camera")
        depth, k, pose = (
            torch.from_numpy(np.stack([np.asarray(getattr(o, name), np.float32) for o in observations]))
            for name in ("depth", "intrinsics", "base_from_camera")
        )
        return {"rgb": np.stack([o.rgb for o in observations]), "xyz": xyz_map(depth, k, pose).numpy()}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, rows * columns, dim).

        Raises:
            EncoderInputError: if rgb or xyz is missing or has another shape.
        """
        rgb = rgb_of(batch)
        b, h, w, _ = rgb.shape
        if h % 16 or w % 16:
            raise EncoderInputError(f"rgb must have a height and width that 16 divides, got {h} x {w}")
        xyz = entry(batch, "xyz", f"({b}, 3, {h}, {w})")
        if tuple(xyz.shape) != (b, 3, h, w):
            raise EncoderInputError(
                f"xyz must be ({b}, 3, {h}, {w}) like the pictures, got {tuple(xyz.shape)}"
            )
        xyz = torch.nan_to_num(xyz)
        x = self.trunk(network_input(rgb.permute(0, 3, 1, 2), xyz))  # (B, D, H/4, W/4)
        return F.adaptive_avg_pool2d(x, self.grid).flatten(2).transpose(1, 2)  # (B, N, D)


ENCODER = SmallEncoder
