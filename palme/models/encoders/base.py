"""The protocol that every encoder keeps, and what goes into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class EncoderInputError(ValueError):
    """An encoder was given a batch without its modality, or in another shape."""


@dataclass(frozen=True)
class ObservationBatch:
    """B observations; None = not measured.

    Attributes:
        rgb: uint8 (B, H, W, 3).
        xyz: (B, 3, H, W) base-frame coordinates of every pixel in [m].
        state: (B, D_state) robot state.
    """

    rgb: Tensor | None = None
    xyz: Tensor | None = None
    state: Tensor | None = None


class Encoder(Protocol):
    """A `torch.nn.Module` that turns one modality into features.

    Attributes:
        dim: width D of its features.
    """

    dim: int

    def forward(self, batch: ObservationBatch) -> Tensor:
        """Features (B, N, D). N may depend on the size of what comes in, never on its content.

        Raises:
            EncoderInputError: if the modality is missing or has another shape.
        """
        ...


def rgb_of(batch: ObservationBatch) -> Tensor:
    """The pictures of `batch`, uint8 (B, H, W, 3). Raises EncoderInputError where they are not that."""
    rgb = batch.rgb
    if rgb is None:
        raise EncoderInputError("this encoder looks at pictures, and the batch has no rgb")
    if rgb.dim() != 4 or rgb.shape[-1] != 3 or rgb.is_floating_point():
        raise EncoderInputError(f"rgb must be uint8 (B, H, W, 3), got {rgb.dtype} {tuple(rgb.shape)}")
    return rgb
