"""The loss of the chunk head: targets, gripper and next phase of an imitated motion."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from palme.policies.chunk import ACTION_SCALE, EXECUTED, ChunkHead
from palme.training.datasets.motion_ticks import Ticks


def imitation_loss(
    head: ChunkHead, batch: Ticks, gripper_weight: float, phase_weight: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """(loss, figures).

    The figures: mrad, error of the executed targets; gripper, error of its opening; phase, share of right
    phases.
    """
    observed = (batch[k] for k in ("q", "dq", "gripper", "goals", "openings", "phase"))
    targets, grips, phase = head(*observed)
    away = (targets - batch["q_targets"]) / ACTION_SCALE  # (B, 16, n)
    motion = F.smooth_l1_loss(away, torch.zeros_like(away), beta=0.02)
    gripper = F.l1_loss(grips, batch["grips"])
    phases = F.cross_entropy(phase, batch["next_phase"])
    error = (targets - batch["q_targets"])[:, :EXECUTED].detach().abs().mean()
    right = (phase.argmax(-1) == batch["next_phase"]).float().mean()
    total = motion + gripper_weight * gripper + phase_weight * phases
    return total, {"mrad": error * 1000, "gripper": gripper.detach(), "phase": right}
