"""What the detector learns from at one step: pictures, labels, step texts and close looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from palme.perception.rgbd import network_input, xyz_map
from palme.training.datasets.close_looks import CloseLooks, close_looks
from palme.training.datasets.rendered_scenes import Labels
from palme.training.datasets.step_texts import sample_texts


@dataclass(frozen=True)
class DetectorBatch:
    """`x` (B, 6, H, W) of `network_input`, `labels` of `RenderedScenes`, `texts` of `sample_texts`."""

    x: Tensor
    labels: Labels
    texts: dict[str, Tensor]
    looks: CloseLooks


def detector_batch(
    rgb: Tensor, labels: Labels, texts: int, crops: int, rng: np.random.Generator, generator: torch.Generator
) -> DetectorBatch:
    """With `texts` step texts and `crops` close looks of each picture rgb (B, 3, H, W) in [0, 255]."""
    xyz = xyz_map(labels["depth_mm"], labels["intrinsics"], labels["base_from_camera"])
    x = network_input(rgb, xyz).contiguous(memory_format=torch.channels_last)
    asked = sample_texts(labels, texts, rng)
    return DetectorBatch(x, labels, asked, close_looks(rgb, xyz, labels, crops, generator))
