"""Cells of a feature map: projections of points, and Gaussian bumps around them."""

from __future__ import annotations

import torch
from torch import Tensor

from palme.perception.rgbd import project
from palme.training.datasets.rendered_scenes import Labels


def rows(x: Tensor, index: Tensor) -> Tensor:
    """x (B, K, ...) taken at index (B, M) -> (B, M, ...)."""
    return x[torch.arange(len(x), device=x.device)[:, None], index]


def to_cells(points: Tensor, labels: Labels, stride: int) -> Tensor:
    """Base-frame points (B, K, 3) -> fractional feature cells (B, K, 2) (column, row)."""
    uv = project(points, labels["intrinsics"], labels["base_from_camera"])[..., :2]
    return (uv - (stride - 1) / 2) / stride


def gaussian_heat(cells: Tensor, h: int, w: int, sigma: float) -> Tensor:
    """Bumps of height 1 at fractional cells (..., 2) (column, row): (..., h, w)."""
    columns = torch.arange(w, device=cells.device) - cells[..., 0, None]  # (..., w)
    rows = torch.arange(h, device=cells.device) - cells[..., 1, None]  # (..., h)
    return torch.exp(-(rows[..., :, None] ** 2 + columns[..., None, :] ** 2) / (2 * sigma**2))


def near_cells(cells: Tensor, h: int, w: int) -> tuple[Tensor, Tensor]:
    """The 3 x 3 cells around fractional cells (B, M, 2): flat indices and weights, each (B, M, 9)."""
    centre = cells.round()
    d = torch.tensor([[dx, dy] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]).to(cells)
    around = centre[:, :, None] + d  # (B, M, 9, 2)
    inside = (around[..., 0] >= 0) & (around[..., 0] < w) & (around[..., 1] >= 0) & (around[..., 1] < h)
    weight = torch.exp(-((around - cells[:, :, None]) ** 2).sum(-1) / 1.0) * inside
    flat = around[..., 1].clamp(0, h - 1) * w + around[..., 0].clamp(0, w - 1)
    return flat.long(), weight
