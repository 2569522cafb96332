"""Token learner: each soft token is a learned weighted mean of all features (Ryoo et al. 2021).

PaLM-E's ViT + TL is this on a ViT trained from scratch (Driess et al. 2023, section 4).
"""

from __future__ import annotations

from torch import Tensor, nn

from palme.models.connectors.base import Connector, Instruction


class TokenLearner(Connector):
    """Features (B, N, D_enc) -> `tokens` soft tokens (B, K, D_lm). The instruction is not used."""

    def __init__(self, d_encoder: int, d_lm: int, tokens: int = 8) -> None:
        super().__init__()
        self.tokens = tokens
        self.score = nn.Sequential(
            nn.LayerNorm(d_encoder), nn.Linear(d_encoder, d_encoder), nn.GELU(), nn.Linear(d_encoder, tokens)
        )
        self.out = nn.Linear(d_encoder, d_lm)

    def forward(
        self,
        features: Tensor,
        mask: Tensor | None = None,
        instruction: Instruction | None = None,
        names: Tensor | None = None,
    ) -> Tensor:
        """Soft tokens (B, K, D_lm)."""
        scores = self.score(features)  # (B, N, K)
        if mask is not None:
            scores = scores.masked_fill(~mask[..., None], -1e4)
        return self.out(scores.softmax(1).transpose(1, 2) @ features)  # (B, K, D_lm)


CONNECTOR = TokenLearner
