"""Training heads of the instruction encoder: the kind of goal, and the direction of a tower's list."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from palme.language.instruction_encoder import InstructionEncoder
from palme.training.datasets.goal_sentences import KINDS, WAYS, Sentences
from palme.training.processes import global_mean


class GoalHeads(nn.Module):
    """The encoder with two linear heads.

    Word embeddings are frozen, so that words outside the training sentences stay consistent with the others.
    """

    def __init__(self, text_encoder: InstructionEncoder) -> None:
        super().__init__()
        self.encoder = text_encoder.encoder
        self.encoder.get_submodule("embeddings").requires_grad_(False)
        self.kind = nn.Linear(text_encoder.dim, len(KINDS))
        self.way = nn.Linear(text_encoder.dim, len(WAYS))

    def forward(self, text_encoder: InstructionEncoder, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Logits of kinds (B, 4) and ways (B, 3)."""
        vectors = text_encoder(texts).float()  # (B, D)
        return self.kind(vectors), self.way(vectors)


def goal_loss(logits: tuple[Tensor, Tensor], batch: Sentences) -> Tensor:
    """Cross-entropy of the kind, plus that of the way over sentences with one; `logits` of `GoalHeads`."""
    kinds, ways = logits
    loss = F.cross_entropy(kinds, batch.kind)
    named = batch.way >= 0
    total = F.cross_entropy(ways, batch.way, ignore_index=-1, reduction="sum")
    return loss + global_mean(total, named.sum().clamp(min=1))
