"""The embodied model while it learns: its state is what is learned alone, its output layer is cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.language.answers import DONE, NO, NOWHERE, UNKNOWN, YES
from palme.language.constrained_decoding import WAYS
from palme.language.vocabulary import ENTITY_WORDS, NOTHING, OBJECT_WORDS, TABLE, Vocabulary
from palme.models.embodied_lm import EmbodiedLM
from palme.training.datasets.asked_batches import AskedBatch
from robots.skills import COLOURS

ANSWER_WORDS = (
    *ENTITY_WORDS, *OBJECT_WORDS, *COLOURS, *WAYS, TABLE, NOTHING, UNKNOWN, NOWHERE, DONE, YES, NO,
    "goal", "in", "stack", "match", "put", "on", "under", "left", "right", "centre", ";", ".",
)  # fmt: skip


class EmbodiedWriter(nn.Module):
    """An `EmbodiedLM` whose answers are learned.

    Args:
        model: its parameters that require gradients learn.
        vocabulary: of its tokenizer.
    """

    rows: Tensor

    def __init__(self, model: EmbodiedLM, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.model = model
        tokens = sorted({i for word in ANSWER_WORDS for i in vocabulary.pieces(word)})
        self.register_buffer("rows", torch.tensor(tokens), persistent=False)
        self._learned = {name for name, p in self.named_parameters() if p.requires_grad}

    def forward(self, batch: AskedBatch) -> Tensor:
        """(M, A) logits of the M tokens of answers among the A tokens that answers have."""
        x = self.model.embed(batch.ids, batch.observations)  # (R, T, D)
        mask = torch.zeros(batch.sees.shape, dtype=x.dtype, device=x.device)
        mask = mask.masked_fill(~batch.sees, torch.finfo(x.dtype).min)  # (R, 1, T, T)
        body: Any = self.model.lm.base_model
        h = body(inputs_embeds=x, attention_mask=mask, position_ids=batch.positions, use_cache=False)[0]
        head: Any = self.model.get_output_embeddings()
        return F.linear(h.flatten(0, 1)[batch.at], head.weight[self.rows]).float()

    def loss(self, batch: AskedBatch) -> tuple[Tensor, Tensor]:
        """(loss, (Q,) whether each token of an answer is the most probable one).

        A question weighs as the root of its answer's length: neither do short answers drown, nor steps.
        """
        logits = self(batch)
        target = torch.searchsorted(self.rows, batch.target)  # (M,)
        each = F.cross_entropy(logits, target, reduction="none")
        length = torch.bincount(batch.question)[batch.question]  # (M,)
        weight = length.float().rsqrt()
        wrong = torch.zeros(len(batch.kind), device=each.device)
        wrong.index_add_(0, batch.question, (logits.argmax(-1) != target).float())
        return (each * weight).sum() / weight.sum(), wrong == 0

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """What is learned, by name."""
        whole = super().state_dict(*args, **kwargs)
        return {name: value for name, value in whole.items() if name in self._learned}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Fill what is learned.

        Raises:
            KeyError: with `strict`, for other names than those of what is learned.
        """
        if strict and set(state) != self._learned:
            raise KeyError(f"{len(set(state) ^ self._learned)} names are not those of what this model learns")
        return super().load_state_dict(state, strict=False, assign=assign)
