"""Step texts as query vectors: what to grasp in the picture, and where to put it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robots.skills import COLOURS, KINDS, Step

WORDS = ("<pad>", "put", "the", "in", "on", "table", *COLOURS, *KINDS)
MAX_WORDS = 12


class UnknownWord(ValueError):
    """A text has a word outside `WORDS`, or too many words."""


def encode_words(text: str) -> list[int]:
    """Token ids of a text, padded to `MAX_WORDS`.

    Raises:
        UnknownWord: for a word outside `WORDS`, or more than `MAX_WORDS`.
    """
    ids = []
    for word in text.lower().split():
        if word not in WORDS:
            raise UnknownWord(f"step {text!r}: {word!r} is not one of {', '.join(WORDS[1:])}")
        ids.append(WORDS.index(word))
    if len(ids) > MAX_WORDS:
        raise UnknownWord(f"step {text!r}: {len(ids)} words; at most {MAX_WORDS}")
    return ids + [0] * (MAX_WORDS - len(ids))


def encode_step(step: Step) -> list[int]:
    """Token ids of a step's text by name, padded to `MAX_WORDS`.

    Raises:
        UnknownWord: for an unresolved `obj_k`.
    """
    return encode_words(step.words)


class QueryEncoder(nn.Module):
    """Token ids (..., MAX_WORDS) -> queries (..., 2, D + 1): what to grasp, where to put it."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.words = nn.Embedding(len(WORDS), dim)
        self.places = nn.Parameter(torch.randn(MAX_WORDS, dim) * 0.02)
        layer = nn.TransformerEncoderLayer(dim, 4, 2 * dim, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.roles = nn.Parameter(torch.randn(2, dim) * 0.02)
        self.out = nn.Linear(dim, dim + 1)
        with torch.no_grad():
            self.out.bias[-1] = -4.0  # heatmaps start low: most cells are empty

    def forward(self, ids: Tensor) -> Tensor:
        """Queries (..., 2, D + 1)."""
        flat = ids.reshape(-1, MAX_WORDS)
        x = self.words(flat) + self.places  # (M, L, D)
        x = torch.cat([self.roles.expand(len(flat), -1, -1), x], 1)  # (M, 2 + L, D)
        pad = torch.cat([torch.zeros_like(flat[:, :2], dtype=torch.bool), flat == 0], 1)
        x = self.encoder(x, src_key_padding_mask=pad)[:, :2]  # (M, 2, D)
        return self.out(x).reshape(*ids.shape[:-1], 2, -1)
