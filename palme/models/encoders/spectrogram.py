"""Sound as a spectrogram: 2-D convolutions over the log-mel picture of a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from palme.models.audio import LEAST, mel_filters, prepare_audio, samples_of
from palme.models.encoders.base import Arrays, Encoder
from robots.types import AudioClip


class SpectrogramEncoder(Encoder):
    """Clips (B, S) -> features (B, N, `dim`), one for each sixth of their time or so.

    The picture has `mels` bands of frequency, a column every `hop` samples. The convolutions take all
    frequencies together and leave time.

    Args:
        dim: width of the features.
        mels: bands, a multiple of 8.
        window, hop: of the short-time Fourier transform, in samples.
        sample_hz: of the clips.
    """

    def __init__(
        self, dim: int = 96, mels: int = 64, window: int = 512, hop: int = 160, sample_hz: int = 16_000
    ) -> None:
        super().__init__()
        self.dim, self.mels, self.window, self.hop, self.sample_hz = dim, mels, window, hop, sample_hz
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2, padding=2),
            nn.GELU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.BatchNorm2d(32),
            nn.GELU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.BatchNorm2d(64),
            nn.GELU(),
            nn.Conv2d(64, dim, (mels // 8, 1)),
        )
        self.norm = nn.LayerNorm(dim)

    def config(self) -> dict[str, Any]:
        """See `Encoder.config`."""
        return {
            "dim": self.dim, "mels": self.mels, "window": self.window, "hop": self.hop,
            "sample_hz": self.sample_hz,
        }  # fmt: skip

    @staticmethod
    def prepare(observations: Sequence[AudioClip]) -> Arrays:
        """`samples` (M, S) float32 and `sample_hz` (M,)."""
        return prepare_audio(observations)

    def picture(self, samples: Tensor) -> Tensor:
        """Clips (B, S) -> logarithm of the energy in each band (B, mels, columns), about in [-2, 2]."""
        window = torch.hann_window(self.window, device=samples.device)
        spectrum = torch.stft(samples, self.window, self.hop, window=window, return_complex=True)
        filters = mel_filters(self.mels, self.window, self.sample_hz).to(samples)
        power = filters @ spectrum.abs().square()  # (B, mels, columns)
        return (torch.log(power + LEAST) + 4) / 4

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features (B, N, dim). Raises EncoderInputError without clips of the encoder's rate."""
        x = self.body(self.picture(samples_of(batch, self.sample_hz))[:, None])  # (B, D, 1, N)
        return self.norm(x.flatten(2).transpose(1, 2))  # (B, N, D)


ENCODER = SpectrogramEncoder
