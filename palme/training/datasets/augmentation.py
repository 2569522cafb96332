"""Augmentation of pictures: mirroring, exposure, contrast, white balance and sensor noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from palme.training.datasets.rendered_scenes import Labels, RenderedScenes


def mirrored(batch: Labels, which: Tensor) -> Labels:
    """The scene reflected in the plane y = 0 for the pictures marked in `which` (B,)."""
    out = dict(batch)
    pick = which.bool()

    def swap(key: str, value: Tensor) -> None:
        shape = (-1,) + (1,) * (value.dim() - 1)
        out[key] = torch.where(pick.reshape(shape), value, out[key])

    for key in ("rgb", "depth_mm", "free"):
        swap(key, batch[key].flip(-1))
    k = batch["intrinsics"].clone()
    k[:, 0, 2] = batch["rgb"].shape[-1] - 1 - k[:, 0, 2]
    swap("intrinsics", k)
    # Mirror world y and camera x together: a proper rotation again.
    t = batch["base_from_camera"].clone()
    t[:, 1] *= -1
    t[:, :, 0] *= -1
    swap("base_from_camera", t)
    for key in ("point", "centre", "place_in"):
        swap(key, batch[key] * batch[key].new_tensor([1.0, -1.0, 1.0]))
    for key in ("yaw", "place_yaw"):
        swap(key, batch[key].flip(-1))  # yaw -> pi - yaw: bin centres are symmetric
    return out


def augmented(rgb: Tensor, generator: torch.Generator) -> Tensor:
    """Exposure, contrast, white balance and sensor noise, drawn per picture: uint8 (B, 3, H, W) -> float."""
    b = len(rgb)
    gain = 1 + 0.18 * (torch.rand(b, 1, 1, 1, generator=generator) * 2 - 1)
    balance = 1 + 0.05 * (torch.rand(b, 3, 1, 1, generator=generator) * 2 - 1)
    bias = 14 * (torch.rand(b, 1, 1, 1, generator=generator) * 2 - 1)
    noise = torch.randn(rgb.shape, generator=generator) * 4 * torch.rand(b, 1, 1, 1, generator=generator)
    return (rgb.float() * gain * balance + bias + noise).clamp(0, 255)


def sample_pictures(
    scenes: RenderedScenes, n: int, rng: np.random.Generator, generator: torch.Generator
) -> tuple[Tensor, Labels]:
    """`n` random pictures, half of them mirrored: augmented rgb (n, 3, H, W) in [0, 255] and labels."""
    labels = scenes.batch(rng.integers(len(scenes), size=n))
    labels = mirrored(labels, torch.rand(n, generator=generator) < 0.5)
    return augmented(labels["rgb"], generator), labels
