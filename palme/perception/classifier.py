"""Classifier of detected objects: name and size from a rectified crop.

In the U-Net's feature map a block is a few cells; shape of the top face and hue are clearer in a crop at the
picture's own resolution. The classifier's logits are added to the U-Net's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.perception.unet import conv_block
from robots.skills import ENTITIES, N_SOLIDS

CELLS = 32
PITCH = 0.003  # [m] between samples: about the front camera's own resolution, 9.6 cm across
FOREIGN = -1e4  # logit of classes of the other group: solids and bowls are never confused


def within_group(logits: Tensor, bowl: Tensor) -> Tensor:
    """Logits (..., 24), `FOREIGN` for solids where `bowl` (...) is True and for bowls where it is False."""
    names_bowl = torch.arange(len(ENTITIES), device=logits.device) >= N_SOLIDS
    return logits.masked_fill(names_bowl != bowl[..., None], FOREIGN)


class Classifier(nn.Module):
    """Name and size of M objects.

    Args:
        width: D of the U-Net's features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_block(6, 32),
            conv_block(32, 48, 2),
            conv_block(48, 64),
            conv_block(64, 96, 2),
            conv_block(96, 64, 2),
        )
        self.hidden = nn.Linear(64 * 16 + width + len(ENTITIES) + 1, 192)
        self.out = nn.Linear(192, len(ENTITIES) + 2)

    def forward(self, crops: Tensor, feature: Tensor, logits: Tensor, bowl: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of names and sizes.

        Args:
            crops: (M, 6, 32, 32), see `rectified_crops`.
            feature: (M, D) of the U-Net at the object.
            logits: (M, 24) of the entity heatmaps there.
            bowl: (M,) bool, whether the object is a bowl.

        Returns:
            (M, 24), limited by `within_group`, and (M, 2).
        """
        x = self.body(crops).flatten(1).float()  # (M, 1024)
        own = within_group(logits.float(), bowl).clamp(min=-12)
        x = torch.cat([x, feature.float(), 0.2 * own, bowl[:, None].float()], 1)
        y = self.out(F.relu(self.hidden(x))).float()
        return within_group(own + y[:, : len(ENTITIES)], bowl), y[:, len(ENTITIES) :]
