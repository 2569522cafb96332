"""A second look at each object found: what it is called and how big it is, from a rectified crop.

The trunk sees a block as ten pixels among many; whether its top is round or square, and its exact hue, are
read better from a crop at the picture's own resolution. The answer is added to the trunk's own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.perception.unet import conv_block
from robots.skills import ENTITIES, N_SOLIDS

CELLS = 32
PITCH = 0.003  # [m] between samples: about the front camera's own resolution, 9.6 cm across
FOREIGN = -1e4  # logit of names of the other sort: a solid is never called a bowl


def of_its_sort(logits: Tensor, bowl: Tensor) -> Tensor:
    """Logits (..., 24) with the names of the other sort silenced; `bowl` (...) bool."""
    names_bowl = torch.arange(len(ENTITIES), device=logits.device) >= N_SOLIDS
    return logits.masked_fill(names_bowl != bowl[..., None], FOREIGN)


class Classifier(nn.Module):
    """Crops (M, 6, 32, 32), trunk features (M, D), entity logits (M, 24), bowl (M,) -> names and sizes."""

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
        """Returns name logits (M, 24), those of the other sort silenced, and size logits (M, 2)."""
        x = self.body(crops).flatten(1).float()  # (M, 1024)
        own = of_its_sort(logits.float(), bowl).clamp(min=-12)
        x = torch.cat([x, feature.float(), 0.2 * own, bowl[:, None].float()], 1)
        y = self.out(F.relu(self.hidden(x))).float()
        return of_its_sort(own + y[:, : len(ENTITIES)], bowl), y[:, len(ENTITIES) :]
