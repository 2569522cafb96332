"""One affine map a feature, as PaLM-E's for a ViT (Driess et al. 2023, section 4)."""

from __future__ import annotations

from torch import Tensor, nn

from palme.models.connectors.base import Connector, Instruction


class LinearConnector(Connector):
    """Features (B, N, D_enc) -> soft tokens (B, N, D_lm). The instruction is not used."""

    def __init__(self, d_encoder: int, d_lm: int) -> None:
        super().__init__()
        self.out = nn.Linear(d_encoder, d_lm)

    def forward(
        self,
        features: Tensor,
        mask: Tensor | None = None,
        instruction: Instruction | None = None,
        names: Tensor | None = None,
    ) -> Tensor:
        """Soft tokens (B, N, D_lm)."""
        return self.out(features)


CONNECTOR = LinearConnector
