"""Crops of single objects for the classifier, with the cells of the frozen detector's features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from palme.perception.classifier import CELLS, PITCH
from palme.perception.rgbd import network_input, rectified_crops, xyz_map
from palme.training.datasets.rendered_scenes import Labels
from palme.training.losses.cells import rows, to_cells
from robots.skills import N_SOLIDS

VISIBLE = 0.15  # least visible share of an object
CELL_JITTER = 0.3  # [cells] standard deviation of a heatmap's maximum around the centre


@dataclass(frozen=True)
class ClassifierCrops:
    """n objects of each of B pictures.

    Attributes:
        x: (B, 6, H, W) of `network_input`.
        intrinsics: (B, 3, 3) in [px].
        base_from_camera: (B, 4, 4).
        crops: (B, n, 6, 32, 32), see `rectified_crops`.
        cells: (B, n, 2) fractional cells (column, row) of the detector's maxima.
        entity: (B, n) true index into `ENTITIES`.
        size: (B, n) true size, 0 = small, 1 = large.
        use: (B, n) bool, whether the object is visible.
    """

    x: Tensor
    intrinsics: Tensor
    base_from_camera: Tensor
    crops: Tensor
    cells: Tensor
    entity: Tensor
    size: Tensor
    use: Tensor


def classifier_crops(
    rgb: Tensor,
    labels: Labels,
    n: int,
    cylinders: float,
    jitter: float,
    stride: int,
    generator: torch.Generator,
) -> ClassifierCrops:
    """Crops around `n` random visible objects of each picture.

    Args:
        rgb: (B, 3, H, W) in [0, 255].
        labels: see `RenderedScenes`.
        n: objects of each picture.
        cylinders: factor on the rate at which cylinders are drawn.
        jitter: [m] standard deviation of the detector's position, per axis.
        stride: [px] of the detector's cells.
        generator: source of the draws.
    """
    k, pose = labels["intrinsics"], labels["base_from_camera"]
    xyz = xyz_map(labels["depth_mm"], k, pose)
    seen = (labels["entity"] >= 0) & (labels["visible"] > VISIBLE)
    cylinder = (labels["entity"] >= N_SOLIDS // 2) & (labels["entity"] < N_SOLIDS)
    often = seen.float() * torch.where(cylinder, cylinders, 1.0)
    chosen = torch.multinomial(often + 1e-6, n, replacement=True, generator=generator)  # (B, n)
    centre = rows(labels["point"], chosen)
    centre = centre + torch.randn(centre.shape, generator=generator) * jitter
    cells = rows(to_cells(labels["centre"], labels, stride), chosen)
    cells = cells + torch.randn(cells.shape, generator=generator) * CELL_JITTER
    return ClassifierCrops(
        network_input(rgb, xyz).contiguous(memory_format=torch.channels_last),
        k,
        pose,
        rectified_crops(rgb, xyz, k, pose, centre, CELLS, PITCH),
        cells,
        rows(labels["entity"], chosen),
        rows(labels["size"], chosen),
        rows(seen, chosen),
    )
