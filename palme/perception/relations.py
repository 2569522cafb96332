"""Which object rests in or on which: a pairwise scorer over detected objects."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from palme.perception.rgbd import DETECTOR_CENTRE, DETECTOR_SCALE
from robots.skills import ENTITIES


class HolderNet(nn.Module):
    """Objects (B, N) -> logits (B, N, N + 1): object i is held by object j; the last column is the table."""

    def __init__(self, width: int, hidden: int = 96) -> None:
        super().__init__()
        self.own = nn.Linear(len(ENTITIES) + 2 + 3 + width, hidden)
        self.pair = nn.Linear(2 * hidden + 4, hidden)
        self.score = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.table = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(
        self, class_probs: Tensor, sizes: Tensor, xyz: Tensor, feature: Tensor, present: Tensor
    ) -> Tensor:
        """Logits (B, N, N + 1).

        Args:
            class_probs: (B, N, 24).
            sizes: (B, N, 2) probabilities.
            xyz: (B, N, 3) in [m], base frame.
            feature: (B, N, D).
            present: (B, N) bool; absent rows hold nothing.
        """
        b, n, _ = class_probs.shape
        place = (xyz - xyz.new_tensor(DETECTOR_CENTRE)) / xyz.new_tensor(DETECTOR_SCALE)
        own = self.own(torch.cat([class_probs, sizes, place, feature], -1))  # (B, N, H)
        gap = (xyz[:, :, None] - xyz[:, None]) / 0.05  # (B, N, N, 3)
        gap = torch.cat([gap, gap[..., :2].norm(dim=-1, keepdim=True)], -1).clamp(-4, 4)
        pair = torch.cat([own[:, :, None].expand(-1, -1, n, -1), own[:, None].expand(-1, n, -1, -1), gap], -1)
        held = self.score(self.pair(pair))[..., 0].float()  # (B, N, N)
        never = ~present[:, None, :] | torch.eye(n, dtype=torch.bool, device=present.device)
        held = held.masked_fill(never, -1e4)
        return torch.cat([held, self.table(own).float()], -1)
