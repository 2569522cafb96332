"""The planner's loss: the cross-entropy of the answers' tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from palme.models.embodied_lm import EmbodiedLM
from palme.models.processor import tensors
from palme.training.datasets.planner_batches import Batch
from palme.training.processes import global_mean


@dataclass(frozen=True)
class QuestionTensors:
    """A `Batch` of Q questions as tensors, with its names and shapes; `attention` (Q, T) is 0 on padding."""

    ids: Tensor
    attention: Tensor
    at: Tensor
    target: Tensor
    weight: Tensor
    kind: Tensor
    kinds: tuple[str, ...]
    observations: dict[str, dict[str, Tensor]]

    @classmethod
    def of(cls, batch: Batch) -> QuestionTensors:
        """The tensors of `batch`, on the CPU."""
        ids = torch.from_numpy(batch.ids)
        return cls(
            ids=ids,
            attention=(torch.arange(ids.shape[1]) < torch.from_numpy(batch.length)[:, None]).long(),
            at=torch.from_numpy(batch.at),
            target=torch.from_numpy(batch.target),
            weight=torch.from_numpy(batch.weight),
            kind=torch.from_numpy(batch.kind),
            kinds=tuple(batch.kinds),
            observations=tensors(batch.observations),
        )


def answer_loss(model: EmbodiedLM, batch: QuestionTensors) -> tuple[Tensor, Tensor]:
    """(weighted mean over all processes, loss of each of the M target tokens, detached)."""
    x = model.embed(batch.ids, batch.observations)  # (Q, T, D)
    h = model.hidden(x, batch.attention).flatten(0, 1)[batch.at]  # (M, D)
    logits = model.get_output_embeddings()(h).float()  # (M, V)
    each = logits.logsumexp(1) - logits.gather(1, batch.target[:, None])[:, 0]  # (M,)
    return global_mean((each * batch.weight).sum(), batch.weight.sum()), each.detach()
