"""Losses and metrics of heatmaps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from palme.training.datasets.rendered_scenes import Labels
from palme.training.losses.cells import gaussian_heat


def heat_loss(logits: Tensor, labels: Labels, cells: Tensor) -> Tensor:
    """CenterNet's penalty-reduced focal loss (Zhou et al., 2019, eq. 1) on the entity heatmaps.

    Objects with a visible share of at most 0.15 are left out.

    Args:
        logits: (B, E, h, w), one heatmap for each class.
        labels: see `RenderedScenes`.
        cells: (B, K, 2) fractional cells (column, row) of the labelled objects.
    """
    b, e, h, w = logits.shape
    bumps = gaussian_heat(cells, h, w, 1.0)  # (B, K, h, w)
    target, weight = torch.zeros_like(logits), torch.ones_like(logits)
    for k in range(cells.shape[1]):
        entity = labels["entity"][:, k]
        i = torch.nonzero((entity >= 0) & (labels["visible"][:, k] > 0.15))[:, 0]
        target[i, entity[i]] = torch.maximum(target[i, entity[i]], bumps[i, k])
        i = torch.nonzero((entity >= 0) & (labels["visible"][:, k] <= 0.15))[:, 0]
        weight[i, entity[i]] *= (bumps[i, k] < 0.05).float()
    at = torch.nonzero(target > 0.88, as_tuple=True)  # the cell nearest to each point
    sure = logits[at]
    gain = torch.sigmoid(-sure) ** 2 * F.softplus(-sure)
    elsewhere = (1 - target).square().square() * weight  # peaks are in `gain`
    elsewhere[at] = 0
    cost = elsewhere * torch.sigmoid(logits).square() * F.softplus(logits)
    return (gain.sum() + cost.sum()) / max(len(sure), 1)


def soft_cross_entropy(logits: Tensor, target: Tensor, use: Tensor) -> Tensor:
    """Cross-entropy of heatmaps (..., N) with targets of any mass, mean over those in `use` (...)."""
    target = target / target.sum(-1, keepdim=True).clamp(min=1e-6)
    loss = -(target * F.log_softmax(logits, -1)).sum(-1)
    return (loss * use).sum() / use.sum().clamp(min=1)


def peak_hit(heat: Tensor, cells: Tensor, use: Tensor) -> Tensor:
    """Share of heatmaps whose maximum lies within 1.6 cells (6.4 px) of the true cell."""
    w = heat.shape[-1]
    peak = heat.flatten(2).argmax(-1)
    found = torch.stack([peak % w, peak // w], -1).float()
    return ((found - cells).norm(dim=-1) < 1.6)[use].float().mean()
