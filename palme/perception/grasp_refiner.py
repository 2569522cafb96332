"""Grasp refiner: exact position, grasp yaw and opening from a crop rectified to the table's plane."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.perception.unet import conv_block

CELLS = 32
PITCH = 0.0036  # [m] between samples: 11.5 cm across, room for neighbours and fingers
YAW_BINS = 36  # of 5 degrees over the half circle: a two-finger grasp has a symmetry of 180 degrees
REFINE_SCALE = 0.01  # [m] per unit of the refinement


@dataclass(frozen=True)
class GraspRefinement:
    """Refinement of M points.

    Attributes:
        shift: (M, 3) in [m], base frame, to add to the crop's centre.
        yaw_logits: (M, 36) over bins of [0, pi).
        opening: (M,) of the gripper, in [0, 1].
    """

    shift: Tensor
    yaw_logits: Tensor
    opening: Tensor

    def yaw(self) -> Tensor:
        """(M,) grasp yaw in [0, pi): the best bin, then the circular mean of its neighbourhood."""
        p = F.softmax(self.yaw_logits, -1)
        wrapped = torch.cat([p[:, -2:], p, p[:, :2]], 1)  # (M, 40)
        smooth = wrapped.unfold(1, 5, 1).sum(-1)  # (M, 36): mass within two bins
        best = smooth.argmax(-1)
        near = wrapped.gather(1, best[:, None] + torch.arange(5, device=p.device))  # (M, 5)
        centre = best + (near * torch.arange(-2, 3, device=p.device)).sum(1) / near.sum(1).clamp(min=1e-9)
        return (centre + 0.5) * (math.pi / YAW_BINS) % math.pi


class GraspRefiner(nn.Module):
    """Crops of M points -> `GraspRefinement`."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_block(6, 32),
            conv_block(32, 48, 2),
            conv_block(48, 64),
            conv_block(64, 96, 2),
            conv_block(96, 96),
            conv_block(96, 64, 2),
        )
        self.role = nn.Embedding(3, 64)
        self.hidden = nn.Linear(64 * 16, 256)
        self.role_in = nn.Linear(64, 256)
        self.out = nn.Linear(256, 3 + YAW_BINS + 1)

    def forward(self, crops: Tensor, role: Tensor) -> GraspRefinement:
        """Refinement for crops (M, 6, 32, 32) and role (M,): 0 = grasp, 1 = put in, 2 = put on."""
        x = self.body(crops).flatten(1)  # (M, 1024)
        x = F.relu(self.hidden(x) + self.role_in(self.role(role)))  # (M, 256)
        y = self.out(x).float()
        return GraspRefinement(y[:, :3] * REFINE_SCALE, y[:, 3 : 3 + YAW_BINS], torch.sigmoid(y[:, -1]))
