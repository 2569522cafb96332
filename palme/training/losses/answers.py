"""The planner's loss: which tokens may be said next, all right ones together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from palme.models.embodied_lm import EmbodiedLM
from palme.training.datasets.planner_batches import Batch
from palme.training.processes import global_mean


@dataclass(frozen=True)
class QuestionTensors:
    """A `Batch` of Q questions as tensors, names and shapes as there; `attention` (Q, T) is 0 on padding."""

    ids: Tensor
    attention: Tensor
    at: Tensor
    target: Tensor
    alternative: Tensor
    weight: Tensor
    kind: Tensor
    kinds: tuple[str, ...]
    objects: dict[str, Tensor]
    state: Tensor
    reading: Tensor | None

    @classmethod
    def of(cls, batch: Batch) -> QuestionTensors:
        ids = torch.from_numpy(batch.ids)
        return cls(
            ids=ids,
            attention=(torch.arange(ids.shape[1]) < torch.from_numpy(batch.length)[:, None]).long(),
            at=torch.from_numpy(batch.at),
            target=torch.from_numpy(batch.target),
            alternative=torch.from_numpy(batch.alternative),
            weight=torch.from_numpy(batch.weight),
            kind=torch.from_numpy(batch.kind),
            kinds=tuple(batch.kinds),
            objects={k: torch.from_numpy(v) for k, v in batch.objects.items()},
            state=torch.from_numpy(batch.state),
            reading=None if batch.reading is None else torch.from_numpy(batch.reading),
        )


def answer_loss(model: EmbodiedLM, batch: QuestionTensors) -> tuple[Tensor, Tensor]:
    """(weighted loss, loss of each said token (M,)): -log of the probability of all right tokens together."""
    x = model.embed(batch.ids, batch.objects, batch.state, reading=batch.reading)  # (Q, T, D)
    h = model.hidden(x, batch.attention).flatten(0, 1)[batch.at]  # (M, D)
    logits = model.get_output_embeddings()(h).float()  # (M, V)
    right = logits.gather(1, batch.target[:, None])  # (M, 1)
    other = batch.alternative
    if (other >= 0).any():
        more = logits.gather(1, other.clamp(0)).masked_fill(other < 0, float("-inf"))
        right = torch.cat([right, more], 1)
    each = logits.logsumexp(1) - right.logsumexp(1)  # (M,)
    return global_mean((each * batch.weight).sum(), batch.weight.sum()), each.detach()
