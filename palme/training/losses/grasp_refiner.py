"""Losses of the grasp refiner: position of the object in its crop, grasp yaw, gripper opening."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from palme.perception.grasp_refiner import YAW_BINS, GraspRefiner
from palme.training.datasets.grasp_crops import GraspCrops
from palme.training.losses.heatmaps import soft_cross_entropy


def refiner_losses(refiner: GraspRefiner, batch: GraspCrops) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(losses: shift, yaw, opening; figures: shift_mm and yaw_ok, the share of good yaws)."""
    use, role, good = batch.use.flatten(), batch.role.flatten(), batch.yaw.flatten(0, 1)  # (M,), (M, 36)
    shift, opening = batch.shift.flatten(0, 1), batch.opening.flatten()  # (M, 3), (M,)
    crops = batch.crops.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (M, 6, 32, 32)
    found = refiner(crops, role)
    off = F.smooth_l1_loss(found.shift * 100, shift * 100, reduction="none", beta=0.2).mean(-1)  # (M,) [cm]
    grasp = use & (role == 0) & (good.sum(-1) > 0)
    losses = {
        "shift": (off * use).sum() / use.sum().clamp(min=1),
        "yaw": soft_cross_entropy(found.yaw_logits, good, use & (good.sum(-1) > 0)),
        "opening": ((found.opening - opening).abs() * grasp).sum() / grasp.sum().clamp(min=1),
    }
    bins = (found.yaw().detach() / (math.pi / YAW_BINS)).long().clamp(0, YAW_BINS - 1)  # (M,)
    figures = {
        "shift_mm": (found.shift - shift)[:, :2].norm(dim=-1)[use].median().detach() * 1000,
        "yaw_ok": (good.gather(1, bins[:, None])[:, 0] > 0.05)[grasp].float().mean(),
    }
    return losses, figures
