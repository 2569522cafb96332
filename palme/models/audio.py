"""What encoders of sound share: clips as a batch, and bands of frequency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from palme.models.encoders.base import Arrays, EncoderInputError, entry
from robots.types import AudioClip

LEAST = 1e-6  # added to energies before their logarithm: below a microphone's own noise


def prepare_audio(observations: Sequence[AudioClip]) -> Arrays:
    """`samples` (M, S) float32, shorter clips followed by silence, and `sample_hz` (M,).

    Raises:
        EncoderInputError: for what is no clip, or an empty one.
    """
    for o in observations:
        if not (isinstance(o, AudioClip) and o.samples.ndim == 1 and len(o.samples)):
            raise EncoderInputError(f"sound must be an AudioClip of samples (S,), got {type(o).__name__}")
    samples = np.zeros((len(observations), max(len(o.samples) for o in observations)), np.float32)
    for row, o in zip(samples, observations, strict=True):
        row[: len(o.samples)] = o.samples
    return {"samples": samples, "sample_hz": np.array([o.sample_hz for o in observations], np.float32)}


def samples_of(batch: Mapping[str, Tensor], sample_hz: int) -> Tensor:
    """The clips of `batch` (B, S).

    Raises:
        EncoderInputError: there are none, or they have another rate than `sample_hz`; 0 counts as blanked.
    """
    samples, rates = entry(batch, "samples", "(B, S)"), batch.get("sample_hz")
    other = [] if rates is None else rates[~((rates == sample_hz) | (rates == 0))].tolist()
    if other:
        raise EncoderInputError(
            f"a clip has {other[0]:g} samples a second, this encoder takes {sample_hz}; resample it"
        )
    return samples


@cache
def mel_filters(bands: int, window: int, sample_hz: int, low: float = 30.0) -> Tensor:
    """Triangles (bands, window // 2 + 1) that gather a power spectrum into bands equally wide to the ear.

    The scale is 2595 log10(1 + f / 700) (O'Shaughnessy 1987); each triangle sums to 1. On the CPU, and no
    buffer of an encoder: `from_pretrained` leaves those that are not saved empty.
    """
    with torch.device("cpu"):
        return _mel_filters(bands, window, sample_hz, low)


def _mel_filters(bands: int, window: int, sample_hz: int, low: float) -> Tensor:

    def mel(hz: Tensor) -> Tensor:
        return 2595 * torch.log10(1 + hz / 700)

    centres = torch.linspace(0, 1, bands + 2)
    ends = mel(torch.tensor([low, sample_hz / 2]))
    hz = 700 * (10 ** ((ends[0] + centres * (ends[1] - ends[0])) / 2595) - 1)  # (bands + 2,)
    at = torch.linspace(0, sample_hz / 2, window // 2 + 1)  # (F,)
    rising = (at - hz[:-2, None]) / (hz[1:-1] - hz[:-2])[:, None]
    falling = (hz[2:, None] - at) / (hz[2:] - hz[1:-1])[:, None]
    filters = torch.minimum(rising, falling).clamp(min=0)  # (bands, F)
    # a band narrower than the spectrum's step gets the nearest line of it
    nearest = (at[None] - hz[1:-1, None]).abs().argmin(1)
    filters[torch.arange(bands), nearest] += (filters.sum(1) == 0).float()
    return filters / filters.sum(1, keepdim=True)
