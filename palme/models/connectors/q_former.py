"""Instruction-aware Q-Former of InstructBLIP (Dai et al. 2023), transformers' `InstructBlipQFormerModel`.

Learned queries attend to the features by cross-attention in every second block and to the instruction's
tokens by self-attention; their last states are mapped linearly to the language model's width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import InstructBlipQFormerConfig, InstructBlipQFormerModel

from palme.models.connectors.base import Connector, Instruction


class _Embeddings(nn.Module):
    """Queries, then the instruction's tokens with their positions, in the width of the Q-Former."""

    def __init__(self, config: InstructBlipQFormerConfig) -> None:
        super().__init__()
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, queries: Tensor, text: Tensor) -> Tensor:
        """(B, K + L, W) of queries (B, K, W) and text (B, L, W)."""
        text = text + self.position_embeddings.weight[: text.shape[1]]
        return self.dropout(self.layernorm(torch.cat([queries, text], 1)))


class QFormerConnector(Connector):
    """Features (B, N, D_enc) and the instruction -> `queries` soft tokens (B, K, D_lm).

    Args:
        queries, width, layers, heads: of the Q-Former; published: 32 queries and BERT-base's 768, 12, 12.
        instruction: whether its queries attend to the instruction (InstructBLIP) or not (BLIP-2).
    """

    def __init__(
        self,
        d_encoder: int,
        d_lm: int,
        queries: int = 32,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        instruction: bool = True,
    ) -> None:
        super().__init__()
        self.tokens = queries
        self.queries = nn.Parameter(torch.zeros(1, queries, width))
        self.words = nn.Linear(d_lm, width) if instruction else None
        config = InstructBlipQFormerConfig(
            vocab_size=1,  # the instruction comes as the language model's own embeddings, see `forward`
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=4 * width,
            encoder_hidden_size=d_encoder,
            cross_attention_frequency=2,
        )
        self.q_former = InstructBlipQFormerModel._from_config(config, attn_implementation="eager")
        self.q_former.embeddings = _Embeddings(config)
        self.out = nn.Linear(width, d_lm)

    def reset_parameters(self) -> None:
        """Queries start as noise with standard deviation 0.02, as published."""
        nn.init.normal_(self.queries, std=0.02)

    def forward(
        self,
        features: Tensor,
        mask: Tensor | None = None,
        instruction: Instruction | None = None,
        names: Tensor | None = None,
    ) -> Tensor:
        """Soft tokens (B, K, D_lm)."""
        b, k = len(features), self.queries.shape[1]
        text = self.queries.new_zeros(b, 0, self.queries.shape[2])  # (B, L, W)
        here = torch.ones(b, k, dtype=torch.long, device=features.device)  # (B, K + L)
        if self.words is not None and instruction is not None:
            text = self.words(instruction.embeddings.to(features.dtype))
            here = torch.cat([here, instruction.mask.long()], 1)
        x = self.q_former.embeddings(self.queries.expand(b, -1, -1), text)
        # The model's own forward (transformers 5.23) drops the mask of the features: its encoder takes it.
        out = self.q_former.encoder(
            x,
            attention_mask=_additive(here, x.dtype),
            encoder_hidden_states=features,
            encoder_attention_mask=None if mask is None else _additive(mask, x.dtype),
            query_length=k,
        )
        return self.out(out.last_hidden_state[:, :k])  # (B, K, D_lm)


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, N) of true and false -> (B, 1, 1, N), 0 where attention is allowed and very low elsewhere."""
    return torch.where(mask.bool(), 0.0, torch.finfo(dtype).min)[:, None, None].to(dtype)


CONNECTOR = QFormerConnector
