"""Sound as a power spectrum: which frequencies a whole clip holds, and nothing of when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from palme.models.audio import LEAST, mel_filters, prepare_audio, samples_of
from palme.models.encoders.base import Arrays, Encoder
from robots.types import AudioClip


class PowerSpectrumEncoder(Encoder):
    """Clips (B, S) -> features (B, `n`, `dim`).

    The periodogram of the clip, gathered into bands, its logarithm, then layers over the bands.

    Args:
        dim: width of the features.
        n: features of a clip.
        bands: of frequency.
        window: [samples] that are transformed; a shorter clip is followed by silence, a longer one cut.
        sample_hz: of the clips.
    """

    def __init__(
        self, dim: int = 96, n: int = 2, bands: int = 128, window: int = 8192, sample_hz: int = 16_000
    ) -> None:
        super().__init__()
        self.dim, self.n, self.bands, self.window, self.sample_hz = dim, n, bands, window, sample_hz
        self.body = nn.Sequential(
            nn.Conv1d(1, 16, 7, stride=2, padding=3),
            nn.BatchNorm1d(16),
            nn.GELU(),
            nn.Conv1d(16, 32, 5, stride=2, padding=2),
            nn.BatchNorm1d(32),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(32 * (bands // 4), n * dim),
        )
        self.norm = nn.LayerNorm(dim)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {
            "dim": self.dim, "n": self.n, "bands": self.bands, "window": self.window,
            "sample_hz": self.sample_hz,
        }  # fmt: skip

    @staticmethod
    def prepare(observations: Sequence[AudioClip]) -> Arrays:
        """`samples` (M, S) float32 and `sample_hz` (M,)."""
        return prepare_audio(observations)

    def spectrum(self, samples: Tensor) -> Tensor:
        """Clips (B, S) -> natural logarithm of the power in each band (B, bands), about in [-2, 2]."""
        power = torch.fft.rfft(samples, self.window).abs().square() / samples.shape[1]  # (B, F)
        filters = mel_filters(self.bands, self.window, self.sample_hz).to(samples)
        return (torch.log(power @ filters.T + LEAST) + 8) / 4

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, n, dim). Raises EncoderInputError without clips of the encoder's rate."""
        x = self.body(self.spectrum(samples_of(batch, self.sample_hz))[:, None])  # (B, n * D)
        return self.norm(x.unflatten(1, (self.n, self.dim)))


ENCODER = PowerSpectrumEncoder
