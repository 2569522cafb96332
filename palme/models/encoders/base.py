"""The base class of encoders, and their inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from torch import Tensor, nn

Arrays = dict[str, np.ndarray]
"""M observations of one modality as arrays whose first axis is M. `mask` (M, N), if given, is True for real
features; the others are padding."""


class EncoderInputError(ValueError):
    """A batch lacks the encoder's modality, or has another shape."""


class Encoder(nn.Module):
    """Base of encoders: typed observations -> arrays (`prepare`) -> features (`forward`).

    Attributes:
        dim: width D of the features.
    """

    dim: int

    @classmethod
    def from_config(cls, **keywords: Any) -> Self:
        """The encoder that `keywords` of a configuration describe."""
        return cls(**keywords)

    def config(self) -> dict[str, Any]:
        """Keywords of an untrained encoder of this shape; saved with the weights."""
        raise NotImplementedError

    @staticmethod
    def prepare(observations: Sequence[Any]) -> Arrays:
        """M observations of this modality as arrays.

        Raises:
            EncoderInputError: if one of them is no such observation, or has another shape.
        """
        raise NotImplementedError

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, N, D). N may depend on the size of the input, never on its content.

        Raises:
            EncoderInputError: if the modality is missing or has another shape.
        """
        raise NotImplementedError


def entry(batch: Mapping[str, Tensor], name: str, shape: str) -> Tensor:
    """`batch[name]`.

    Raises:
        EncoderInputError: if it is missing, with the expected `shape`.
    """
    if name not in batch:
        raise EncoderInputError(
            f"this encoder needs {name} {shape}; the batch has {', '.join(sorted(batch))}"
        )
    return batch[name]


def rgb_of(batch: Mapping[str, Tensor]) -> Tensor:
    """The pictures of `batch`, uint8 (B, H, W, 3).

    Raises:
        EncoderInputError: if they are missing or of another type or shape.
    """
    rgb = entry(batch, "rgb", "(B, H, W, 3)")
    if rgb.dim() != 4 or rgb.shape[-1] != 3 or rgb.is_floating_point():
        raise EncoderInputError(f"rgb must be uint8 (B, H, W, 3), got {rgb.dtype} {tuple(rgb.shape)}")
    return rgb


def padded(rows: Sequence[np.ndarray], nothing: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows (N_i, ...) of one type as one array (M, N, ...), and which of its entries are real, bool (M, N).

    N is the largest N_i; shorter rows are followed by zeros.

    Raises:
        EncoderInputError: a row has no entries; `nothing` says it in words.
    """
    if any(len(row) == 0 for row in rows):
        raise EncoderInputError(f"{nothing}; leave the observation out of the sentence")
    m, n = len(rows), max(map(len, rows))
    filled = np.zeros((m, n, *rows[0].shape[1:]), rows[0].dtype)
    there = np.zeros((m, n), bool)
    for i, row in enumerate(rows):
        filled[i, : len(row)], there[i, : len(row)] = row, True
    return filled, there
