"""The towers of our CLIP, and their temperature: crops, and vectors of a sentence encoder, to one space.

Trained as by Radford et al. 2021: unit vectors, logits = exp(`logit_scale`) * cosine, with `logit_scale` from
ln(1 / 0.07) and the factor at most 100.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.perception.unet import conv_block

FEATURES = 256
START, LARGEST = math.log(1 / 0.07), math.log(100.0)


class ImageTower(nn.Module):
    """Crops (B, 64, 64, 3) uint8 -> (B, dim). 1.0 M parameters at dim 128, 19 M products a crop."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_block(3, 24, 2),  # 32
            conv_block(24, 48, 2),  # 16
            conv_block(48, 64),
            conv_block(64, 96, 2),  # 8
            conv_block(96, 96),
            conv_block(96, 128, 2),  # 4
            conv_block(128, 128),
        )
        self.hidden = nn.Linear(128 * 16, FEATURES)
        self.out = nn.Linear(FEATURES, dim)

    def features(self, rgb: Tensor) -> Tensor:
        """(B, 256) before the space."""
        x = rgb.permute(0, 3, 1, 2).float() / 127.5 - 1  # (B, 3, 64, 64)
        x = self.body(x.contiguous(memory_format=torch.channels_last)).flatten(1)  # (B, 2048)
        return F.relu(self.hidden(x))

    def forward(self, rgb: Tensor) -> Tensor:
        """(B, dim), not of length 1."""
        out: Tensor = self.out(self.features(rgb))
        return out


class TextTower(nn.Module):
    """Vectors (M, width) of a pretrained sentence encoder, which stays as it is -> (M, dim)."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.hidden, self.out = nn.Linear(width, 512), nn.Linear(512, dim)

    def forward(self, vectors: Tensor) -> Tensor:
        """(M, dim), not of length 1."""
        out: Tensor = self.out(F.gelu(self.hidden(self.norm(vectors))))
        return out


class Towers(nn.Module):
    """See module.

    Args:
        width: of the sentence encoder's vectors.
        dim: of the space.
    """

    def __init__(self, width: int = 384, dim: int = 128) -> None:
        super().__init__()
        self.width, self.dim = width, dim
        self.image, self.text = ImageTower(dim), TextTower(width, dim)
        self.logit_scale = nn.Parameter(torch.tensor(START))

    @property
    def scale(self) -> Tensor:
        """Factor on cosines, at most 100."""
        return self.logit_scale.clamp(max=LARGEST).exp()

    def images(self, rgb: Tensor) -> Tensor:
        """Unit vectors (B, dim) of crops (B, 64, 64, 3) uint8."""
        return F.normalize(self.image(rgb).float(), dim=-1)

    def texts(self, vectors: Tensor) -> Tensor:
        """Unit vectors (M, dim) of a sentence encoder's (M, width)."""
        return F.normalize(self.text(vectors).float(), dim=-1)

    def forward(self, rgb: Tensor, vectors: Tensor) -> Tensor:
        """Logits (B, M) of crops and texts."""
        return self.scale * self.images(rgb) @ self.texts(vectors).T
