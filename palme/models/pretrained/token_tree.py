"""A tree of tokens: each comes after any earlier one and sees its ancestors alone.

So several continuations share what stands before them and enter one pass together (tree attention; SpecInfer,
Miao et al., 2024).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


class TokenTree:
    """Which token sees which.

    Args:
        n: tokens to begin with, one after the other.

    Attributes:
        depths: of each token: its position in the text that ends with it.
        sees: (T, T) bool; row i: the tokens that token i sees, itself included.
    """

    def __init__(self, n: int = 0) -> None:
        self.depths = list(range(n))
        self.sees = torch.ones(n, n, dtype=torch.bool).tril()

    def __len__(self) -> int:
        return len(self.depths)

    def add(self, parents: Sequence[int]) -> Tensor:
        """Append tokens.

        Args:
            parents: number of the token before each, where those added here are counted on; -1 = none.

        Returns:
            What is added to attention scores of the new tokens (N, T): 0, or -inf where one is not seen.
        """
        begun = len(self.depths)
        sees = F.pad(self.sees, (0, len(parents), 0, len(parents)))
        for k, parent in enumerate(parents, begun):
            if not -1 <= parent < k:
                raise ValueError(f"token {k} comes after token {parent}, which is not there")
            if parent >= 0:
                sees[k] = sees[parent]
            sees[k, k] = True
            self.depths.append(0 if parent < 0 else self.depths[parent] + 1)
        self.sees = sees
        return torch.zeros(len(parents), len(sees)).masked_fill_(~sees[begun:], float("-inf"))


def chain(after: int, begun: int, n: int) -> list[int]:
    """Parents of `n` tokens in a row behind token `after`, in a tree that has `begun` tokens."""
    return [after, *range(begun, begun + n - 1)][:n]
