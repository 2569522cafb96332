"""Sound as a waveform: learned filters over its samples, no Fourier transform."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from palme.models.audio import LEAST, prepare_audio, samples_of
from palme.models.encoders.base import Arrays, Encoder
from robots.types import AudioClip


class WaveformEncoder(Encoder):
    """Clips (B, S) -> features (B, `n`, `dim`), in the order of time.

    Filters that are learned, their energy, its logarithm, then convolutions over time: LEAF (Zeghidour et al.
    2021). The filters begin as Gabor filters, evenly spaced in the logarithm of frequency.

    Args:
        dim: width of the features.
        n: features of a clip.
        filters: number of them, in pairs of a cosine and a sine.
        length, stride: of a filter, in samples.
        sample_hz: of the clips.
    """

    def __init__(
        self,
        dim: int = 96,
        n: int = 6,
        filters: int = 48,
        length: int = 256,
        stride: int = 64,
        sample_hz: int = 16_000,
    ) -> None:
        super().__init__()
        self.dim, self.n, self.filters, self.length = dim, n, filters, length
        self.stride, self.sample_hz = stride, sample_hz
        self.bank = nn.Parameter(_gabor(filters, length, sample_hz))  # (2 filters, 1, length)
        self.body = nn.Sequential(
            nn.BatchNorm1d(filters),
            nn.Conv1d(filters, 64, 5, stride=2, padding=2),
            nn.BatchNorm1d(64),
            nn.GELU(),
            nn.Conv1d(64, 96, 5, stride=2, padding=2),
            nn.BatchNorm1d(96),
            nn.GELU(),
            nn.AdaptiveAvgPool1d(n),
            nn.Conv1d(96, dim, 1),
        )
        self.norm = nn.LayerNorm(dim)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {
            "dim": self.dim, "n": self.n, "filters": self.filters, "length": self.length,
            "stride": self.stride, "sample_hz": self.sample_hz,
        }  # fmt: skip

    @staticmethod
    def prepare(observations: Sequence[AudioClip]) -> Arrays:
        """`samples` (M, S) float32 and `sample_hz` (M,)."""
        return prepare_audio(observations)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, n, dim). Raises EncoderInputError without clips of the encoder's rate."""
        samples = samples_of(batch, self.sample_hz)
        waves = nn.functional.conv1d(samples[:, None], self.bank, stride=self.stride)  # (B, 2 F, T)
        energy = waves.square().unflatten(1, (self.filters, 2)).sum(2)  # (B, F, T)
        x = self.body(torch.log(energy + LEAST))  # (B, D, n)
        return self.norm(x.transpose(1, 2))


def _gabor(filters: int, length: int, sample_hz: int) -> Tensor:
    """(2 filters, 1, length): cosine and sine of frequencies from 60 Hz to 7/16 of the sampling rate."""
    hz = torch.logspace(math.log10(60), math.log10(sample_hz * 7 / 16), filters)
    t = (torch.arange(length) - length / 2) / sample_hz
    phase = 2 * math.pi * hz[:, None] * t
    window = torch.hann_window(length) / length**0.5
    return torch.stack([phase.cos() * window, phase.sin() * window], 1).reshape(2 * filters, 1, length)


ENCODER = WaveformEncoder
