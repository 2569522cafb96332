"""Crops of single objects for the grasp refiner, centred up to about 1 cm beside the object."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from palme.perception.grasp_refiner import CELLS, PITCH
from palme.perception.rgbd import rectified_crops
from palme.training.datasets.rendered_scenes import Labels
from palme.training.losses.cells import rows
from robots.skills import N_SOLIDS

BLUR = (0.1, 0.25, 0.3, 0.25, 0.1)  # weights of a good yaw on its neighbouring bins


@dataclass(frozen=True)
class GraspCrops:
    """n crops of each of B pictures.

    Attributes:
        crops: (B, n, 6, 32, 32), see `rectified_crops`.
        role: (B, n) 0: grasp, 1: put in, 2: put on.
        use: (B, n) bool, whether the object can be grasped or reached there.
        shift: (B, n, 3) in [m] from the crop's centre to the true point.
        yaw: (B, n, 36) blurred, > 0 where a grasp at that bin is good.
        opening: (B, n) of the gripper, in [0, 1].
    """

    crops: Tensor
    role: Tensor
    use: Tensor
    shift: Tensor
    yaw: Tensor
    opening: Tensor


def grasp_crops(rgb: Tensor, xyz: Tensor, labels: Labels, n: int, generator: torch.Generator) -> GraspCrops:
    """Crops around `n` random objects of each picture.

    Args:
        rgb: (B, 3, H, W) in [0, 255].
        xyz: (B, 3, H, W) in [m], base frame.
        labels: see `RenderedScenes`.
        n: crops of each picture.
        generator: source of the draws.
    """
    solid = (labels["entity"] >= 0) & (labels["entity"] < N_SOLIDS)
    ready = (labels["visible"] > 0.3) & (
        (solid & labels["clear"] & ~labels["held"]) | (labels["entity"] >= N_SOLIDS)
    )
    chosen = torch.multinomial(ready.float() + 1e-6, n, replacement=True, generator=generator)  # (B, n)
    is_bowl = rows(labels["entity"], chosen) >= N_SOLIDS
    role = torch.where(is_bowl, 1, torch.randint(0, 2, chosen.shape, generator=generator) * 2)
    truth = torch.where(is_bowl[..., None], rows(labels["place_in"], chosen), rows(labels["point"], chosen))
    jitter = torch.randn(truth.shape, generator=generator) * torch.tensor([0.006, 0.006, 0.003])
    centre = truth + jitter.clamp(-0.015, 0.015)
    crops = rectified_crops(
        rgb, xyz, labels["intrinsics"], labels["base_from_camera"], centre, CELLS, PITCH
    )  # (B, n, 6, 32, 32)
    good = torch.where((role == 0)[..., None], rows(labels["yaw"], chosen), rows(labels["place_yaw"], chosen))
    return GraspCrops(
        crops,
        role,
        rows(ready, chosen),
        truth - centre,
        blurred(good.flatten(0, 1).float()).unflatten(0, role.shape),
        rows(labels["opening"], chosen),
    )


def blurred(yaw: Tensor) -> Tensor:
    """Yaw bins (M, 36) smoothed over their neighbours, around the circle."""
    around = torch.cat([yaw[:, -2:], yaw, yaw[:, :2]], 1)  # (M, 40)
    return F.conv1d(around[:, None], torch.tensor(BLUR)[None, None])[:, 0]
