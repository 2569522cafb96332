"""What every encoder keeps, and what goes into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from torch import Tensor, nn

Arrays = dict[str, np.ndarray]
"""M observations of one modality as arrays whose first axis is M. `mask` (M, N), where it is there, says
which of N features are real; the rest is padding."""


class EncoderInputError(ValueError):
    """An encoder was given a batch without its modality, or in another shape."""


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
        """Keywords that build an untrained encoder of this shape, for what is saved beside its weights."""
        raise NotImplementedError

    @staticmethod
    def prepare(observations: Sequence[Any]) -> Arrays:
        """M observations of this modality as arrays.

        Raises:
            EncoderInputError: if one of them is no such observation, or has another shape.
        """
        raise NotImplementedError

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, N, D). N may depend on the size of what comes in, never on its content.

        Raises:
            EncoderInputError: if the modality is missing or has another shape.
        """
        raise NotImplementedError


def entry(batch: Mapping[str, Tensor], name: str, shape: str) -> Tensor:
    """`batch[name]`. Raises EncoderInputError, which says what is wanted, where it is missing."""
    if name not in batch:
        raise EncoderInputError(
            f"this encoder needs {name} {shape}; the batch has {', '.join(sorted(batch))}"
        )
    return batch[name]


def rgb_of(batch: Mapping[str, Tensor]) -> Tensor:
    """The pictures of `batch`, uint8 (B, H, W, 3). Raises EncoderInputError where they are not that."""
    rgb = entry(batch, "rgb", "(B, H, W, 3)")
    if rgb.dim() != 4 or rgb.shape[-1] != 3 or rgb.is_floating_point():
        raise EncoderInputError(f"rgb must be uint8 (B, H, W, 3), got {rgb.dtype} {tuple(rgb.shape)}")
    return rgb
