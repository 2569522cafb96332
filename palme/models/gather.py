"""Small layers that encoders of senses share: sets of points, and grids that become a few features."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class PointSet(nn.Module):
    """A set of points with features (B, N, C) -> (B, `tokens`, `dim`), whatever the order of the points.

    PointNet (Qi et al. 2017) in two rounds: each point sees the maximum over all of them before the second.

    Args:
        channels: C.
        dim: width of a token.
        tokens: that describe the set.
        hidden: width of the layers for each point.
    """

    def __init__(self, channels: int, dim: int, tokens: int, hidden: int = 96) -> None:
        super().__init__()
        self.tokens, self.dim = tokens, dim
        self.first = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        self.second = nn.Sequential(
            nn.LayerNorm(2 * hidden), nn.Linear(2 * hidden, hidden), nn.GELU(), nn.Linear(hidden, hidden)
        )
        self.out = nn.Linear(2 * hidden, tokens * dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, points: Tensor, mask: Tensor | None = None) -> Tensor:
        """Tokens (B, tokens, dim). `mask` (B, N) is True for points that are there; None = all."""
        x = self.first(points)  # (B, N, H)
        whole = _largest(x, mask)  # (B, 1, H)
        y = self.second(torch.cat([x, whole.expand_as(x)], -1))  # (B, N, H)
        both = torch.cat([whole, _largest(y, mask)], -1)[:, 0]  # (B, 2 H)
        return self.norm(self.out(both).unflatten(1, (self.tokens, self.dim)))


def _largest(x: Tensor, mask: Tensor | None) -> Tensor:
    if mask is not None:
        x = x.masked_fill(~mask[..., None], -1e4)
    return x.amax(1, keepdim=True)


class Gather(nn.Module):
    """A grid of features (B, C, ...) -> (B, `tokens`, `dim`): its cells, pooled to `grid`, in one affine map.

    Args:
        channels: C.
        grid: cells along each axis.
        dim: width of a token.
        tokens: that describe the grid.
    """

    def __init__(self, channels: int, grid: tuple[int, ...], dim: int, tokens: int) -> None:
        super().__init__()
        self.tokens, self.dim = tokens, dim
        pools = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
        self.pool = pools[len(grid)](grid)
        self.out = nn.Linear(channels * math.prod(grid), tokens * dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, grid: Tensor) -> Tensor:
        """Tokens (B, tokens, dim)."""
        x = self.out(self.pool(grid).flatten(1))  # (B, tokens * dim)
        return self.norm(x.unflatten(1, (self.tokens, self.dim)))


def picture_layers(channels: int, widths: tuple[int, ...] = (16, 32, 48)) -> nn.Sequential:
    """Convolutions that halve a picture (B, `channels`, H, W) once for each width."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.GELU()]
        channels = width
    return nn.Sequential(*layers)
