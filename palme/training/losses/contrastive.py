"""The loss of CLIP: symmetric cross-entropy over pictures and texts of a batch (Radford et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

MASKED = -1e4  # logit of a pair that is true without being the pair itself


def clip_loss(logits: Tensor, true: Tensor) -> Tensor:
    """Mean of the cross-entropies from pictures to texts and from texts to pictures.

    Args:
        logits: (B, B) of pictures (rows) and texts; pairs lie on the diagonal.
        true: (B, B) bool, whether a text is true of a picture. Off the diagonal such pairs are left out: they
            are no wrong answers. The published loss has none to leave out, as its texts are all of one
            picture.
    """
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    kept = logits.masked_fill(true & ~own, MASKED)
    at = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(kept, at) + F.cross_entropy(kept.T, at)) / 2


def retrieved(logits: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of pictures whose best text is true of them, and of texts true of their best picture."""
    rows = torch.arange(len(logits), device=logits.device)
    return true[rows, logits.argmax(1)].float().mean(), true[logits.argmax(0), rows].float().mean()
