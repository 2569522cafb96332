"""The small image encoder trained here: the detector's own trunk, its feature map averaged into patches."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.models.encoders.base import EncoderInputError, ObservationBatch, rgb_of
from palme.perception.rgbd import network_input
from palme.perception.unet import UNet


class SmallEncoder(nn.Module):
    """RGB and base-frame coordinates -> features (B, rows * columns, `dim`), row by row.

    Args:
        trunk: a trained trunk to look through, or None for a new one of width `dim`.
        rows, columns: of the grid of patches.
    """

    def __init__(self, trunk: UNet | None = None, dim: int = 64, rows: int = 8, columns: int = 8) -> None:
        super().__init__()
        self.trunk = trunk or UNet(dim)
        self.dim: int = self.trunk.out.out_channels
        self.grid = (rows, columns)

    def forward(self, batch: ObservationBatch) -> Tensor:
        """Features (B, rows * columns, dim). Raises EncoderInputError for missing or unequal pictures."""
        rgb = rgb_of(batch)
        b, h, w, _ = rgb.shape
        if h % 16 or w % 16:
            raise EncoderInputError(f"rgb must have a height and width that 16 divides, got {h} x {w}")
        if batch.xyz is None or tuple(batch.xyz.shape) != (b, 3, h, w):
            found = None if batch.xyz is None else tuple(batch.xyz.shape)
            raise EncoderInputError(f"xyz must be ({b}, 3, {h}, {w}) like the pictures, got {found}")
        xyz = torch.nan_to_num(batch.xyz)
        x = self.trunk(network_input(rgb.permute(0, 3, 1, 2), xyz))  # (B, D, H/4, W/4)
        return F.adaptive_avg_pool2d(x, self.grid).flatten(2).transpose(1, 2)  # (B, N, D)
