"""Force and torque at the wrist over time: convolutions over the signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from palme.models.encoders.base import Arrays, Encoder, EncoderInputError, entry
from palme.models.gather import Gather
from robots.senses import WrenchSignal


class WrenchEncoder(Encoder):
    """Signals (B, T, 6) in [N] and [N m] in the tool frame -> features (B, `n`, `dim`).

    Args:
        dim: width of the features.
        n: features of a signal.
    """

    def __init__(self, dim: int = 96, n: int = 2) -> None:
        super().__init__()
        self.dim, self.n = dim, n
        self.body = nn.Sequential(
            nn.BatchNorm1d(6),  # what is usual for this hand becomes zero
            nn.Conv1d(6, 32, 5, stride=2, padding=2),
            nn.GELU(),
            nn.Conv1d(32, 48, 3, padding=1),
            nn.GELU(),
        )
        self.gather = Gather(48, (4,), dim, n)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {"dim": self.dim, "n": self.n}

    @staticmethod
    def prepare(observations: Sequence[WrenchSignal]) -> Arrays:
        """`wrench` (M, T, 6) float32. Raises EncoderInputError where signals have different lengths."""
        if len({len(o.wrench) for o in observations}) > 1:
            raise EncoderInputError("signals of a batch must have one length (T, 6); cut them alike")
        return {"wrench": np.stack([o.wrench for o in observations]).astype(np.float32)}

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, n, dim). Raises EncoderInputError without a signal."""
        return self.gather(self.body(entry(batch, "wrench", "(B, T, 6)").transpose(1, 2)))


ENCODER = WrenchEncoder
