"""What a text encoder's vector must tell: the kind of goal of a sentence, and the way a tower is named."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from palme.language.instruction_encoder import InstructionEncoder
from palme.training.datasets.goal_sentences import KINDS, WAYS, Sentences
from palme.training.processes import global_mean


class GoalHeads(nn.Module):
    """The encoder with two linear heads.

    Word embeddings stay as they came: words that no training sentence uses keep their place among those that
    do.
    """

    def __init__(self, reader: InstructionEncoder) -> None:
        super().__init__()
        self.encoder = reader.encoder
        self.encoder.get_submodule("embeddings").requires_grad_(False)
        self.kind = nn.Linear(reader.dim, len(KINDS))
        self.way = nn.Linear(reader.dim, len(WAYS))

    def forward(self, reader: InstructionEncoder, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Logits of kinds (B, 4) and ways (B, 3)."""
        vectors = reader(texts).float()  # (B, D)
        return self.kind(vectors), self.way(vectors)


def goal_loss(logits: tuple[Tensor, Tensor], batch: Sentences) -> Tensor:
    """Cross-entropy of the kind, and of the way of sentences that have one; `logits` of `GoalHeads`."""
    kinds, ways = logits
    loss = F.cross_entropy(kinds, batch.kind)
    named = batch.way >= 0
    total = F.cross_entropy(ways, batch.way, ignore_index=-1, reduction="sum")
    return loss + global_mean(total, named.sum().clamp(min=1))
