"""The base class of connectors, and the instruction that they may condition on."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from torch import Tensor, nn


class Instruction(NamedTuple):
    """The instruction of each of B sentences, for connectors that condition on it.

    Attributes:
        ids: (B, L) token ids of the language model's tokenizer, padded on the right.
        mask: (B, L) bool, True where there is a token.
        embeddings: (B, L, D_lm) the language model's input embeddings of `ids`.
    """

    ids: Tensor
    mask: Tensor
    embeddings: Tensor

    def rows(self, index: Tensor) -> Instruction:
        """The instructions of sentences `index` (M,)."""
        return Instruction(self.ids[index], self.mask[index], self.embeddings[index])


class Connector(nn.Module):
    """Base of connectors.

    Attributes:
        names: words whose embeddings it needs; `forward` gets them as `names`, (len(names), D_lm), each the
            mean over the word's tokens.
        tokens: soft tokens of one observation, None = one a feature.
    """

    names: ClassVar[tuple[str, ...]] = ()
    tokens: int | None = None

    def forward(
        self,
        features: Tensor,
        mask: Tensor | None = None,
        instruction: Instruction | None = None,
        names: Tensor | None = None,
    ) -> Tensor:
        """Soft tokens (B, K, D_lm).

        Args:
            features: (B, N, D_enc) from an encoder.
            mask: (B, N) bool, True where there is a feature; None = everywhere.
            instruction: of the sentence of each of the B observations; None = no instruction.
            names: see `names`.
        """
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Set initial weights other than those of linear layers, which `EmbodiedLM` sets."""
