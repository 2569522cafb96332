"""One batch of the detector's training: pictures, labels, step texts and crops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from palme.perception.rgbd import network_input, xyz_map
from palme.training.datasets.grasp_crops import GraspCrops, grasp_crops
from palme.training.datasets.rendered_scenes import Labels
from palme.training.datasets.step_texts import sample_texts


@dataclass(frozen=True)
class DetectorBatch:
    """B pictures with labels.

    Attributes:
        x: (B, 6, H, W) of `network_input`.
        labels: see `RenderedScenes`.
        texts: see `sample_texts`.
        crops: see `grasp_crops`.
    """

    x: Tensor
    labels: Labels
    texts: dict[str, Tensor]
    crops: GraspCrops


def detector_batch(
    rgb: Tensor, labels: Labels, texts: int, crops: int, rng: np.random.Generator, generator: torch.Generator
) -> DetectorBatch:
    """A batch with `texts` step texts and `crops` crops of each picture rgb (B, 3, H, W) in [0, 255]."""
    xyz = xyz_map(labels["depth_mm"], labels["intrinsics"], labels["base_from_camera"])
    x = network_input(rgb, xyz).contiguous(memory_format=torch.channels_last)
    asked = sample_texts(labels, texts, rng)
    return DetectorBatch(x, labels, asked, grasp_crops(rgb, xyz, labels, crops, generator))
