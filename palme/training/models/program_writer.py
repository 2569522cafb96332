"""The model that learns to write programs: a frozen language model with an adapter, its output layer cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from palme.training.datasets.program_batches import IGNORED, ProgramBatch


class ProgramWriter(nn.Module):
    """Language model with an adapter (`palme.models.pretrained.load.with_new_adapter`).

    Its state is the adapter alone: the frozen model is on the disk already, and is 50 times larger.

    Args:
        adapted: the model.
        answers: tokens that a program can contain.
    """

    def __init__(self, adapted: Any, answers: Sequence[int]) -> None:
        super().__init__()
        self.adapted = adapted
        self.register_buffer("rows", torch.tensor(answers), persistent=False)

    @property
    def lm(self) -> Any:
        """The causal language model inside, with the adapter at work."""
        return self.adapted.base_model.model

    def forward(self, batch: ProgramBatch) -> Tensor:
        """(B, T, A) logits of the next token among the A `answers`."""
        hidden = self.lm.model(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state  # (B, T, D)
        return F.linear(hidden, self.lm.lm_head.weight[self.rows])  # (B, T, A)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """The adapter's weights by name."""
        whole = super().state_dict(*args, **kwargs)
        return {name: value for name, value in whole.items() if "lora_" in name}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Fill the adapter.

        Raises:
            KeyError: with `strict`, for names that are not the adapter's, all of them.
        """
        if strict and set(state) != set(self.state_dict()):
            raise KeyError(f"{len(set(state) ^ set(self.state_dict()))} names are not those of this adapter")
        return super().load_state_dict(state, strict=False, assign=assign)


def program_loss(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy over the tokens of programs, and (B,) whether a program is right at each token.

    Args:
        logits: (B, T, A).
        targets: (B, T), `IGNORED` = not learned.
    """
    learned = targets != IGNORED  # (B, T)
    loss = F.cross_entropy(logits[learned].float(), targets[learned])
    right = (logits.argmax(-1) == targets) | ~learned  # (B, T)
    return loss, right.all(1)
