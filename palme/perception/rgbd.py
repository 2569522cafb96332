"""Calibrated RGB-D geometry in torch: base-frame coordinates per pixel, rays, rectified crops.

Pixel centres lie at integer coordinates; `base_from_camera` is OpenCV's camera (x right, y down,
z forward) in the arm's base frame.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# [m] Normalisation of points in the detector's weights: the reachable table is about [-1, 1].
DETECTOR_CENTRE = (0.50, 0.0, 0.05)
DETECTOR_SCALE = (0.20, 0.30, 0.10)


def pixel_rays(intrinsics: Tensor, base_from_camera: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Direction of each pixel's ray in the base frame, with unit length along the optical axis.

    Args:
        intrinsics: (B, 3, 3) in [px].
        base_from_camera: (B, 4, 4).
        u, v: (B, ...) pixel coordinates, same shape.

    Returns:
        (B, ..., 3): origin + depth * direction is the point at that depth in [m].
    """
    shape = (-1,) + (1,) * (u.dim() - 1)
    x = (u - intrinsics[:, 0, 2].reshape(shape)) / intrinsics[:, 0, 0].reshape(shape)
    y = (v - intrinsics[:, 1, 2].reshape(shape)) / intrinsics[:, 1, 1].reshape(shape)
    camera = torch.stack([x, y, torch.ones_like(x)], -1)  # (B, ..., 3)
    with torch.autocast(u.device.type, enabled=False):  # bf16 is good to 3 mm at 1 m
        return torch.einsum("bij,b...j->b...i", base_from_camera[:, :3, :3], camera)


def pixel_grid(
    height: int, width: int, stride: int, batch: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Pixel coordinates of the centres of `stride` x `stride` cells: u, v, each (B, H/stride, W/stride)."""
    centre = (stride - 1) / 2
    v, u = torch.meshgrid(
        torch.arange(height // stride, device=device) * stride + centre,
        torch.arange(width // stride, device=device) * stride + centre,
        indexing="ij",
    )
    return u.expand(batch, -1, -1).float(), v.expand(batch, -1, -1).float()


def xyz_map(depth: Tensor, intrinsics: Tensor, base_from_camera: Tensor) -> Tensor:
    """Base-frame coordinates of every pixel: depth (B, H, W) in [m] -> (B, 3, H, W) in [m]."""
    b, h, w = depth.shape
    u, v = pixel_grid(h, w, 1, b, depth.device)
    rays = pixel_rays(intrinsics, base_from_camera, u, v)  # (B, H, W, 3)
    points = base_from_camera[:, None, None, :3, 3] + depth[..., None] * rays
    return points.permute(0, 3, 1, 2)


def network_input(rgb: Tensor, xyz: Tensor) -> Tensor:
    """uint8 or float rgb (B, 3, H, W) in [0, 255] and xyz (B, 3, H, W) -> (B, 6, H, W), about unit scale."""
    centre = xyz.new_tensor(DETECTOR_CENTRE)[:, None, None]
    scale = xyz.new_tensor(DETECTOR_SCALE)[:, None, None]
    return torch.cat([rgb.float() / 127.5 - 1, ((xyz - centre) / scale).clamp(-3, 3)], 1)


def plane_points(intrinsics: Tensor, base_from_camera: Tensor, u: Tensor, v: Tensor, z: float) -> Tensor:
    """Points (B, ..., 3) in [m] where pixels' rays meet the horizontal plane at height `z` [m]."""
    rays = pixel_rays(intrinsics, base_from_camera, u, v)
    origin = base_from_camera[:, :3, 3].reshape((-1,) + (1,) * (u.dim() - 1) + (3,))
    # A ray at or above the horizon never meets the plane; its point is kept finite and far away.
    down = rays[..., 2].clamp(max=-0.1)
    return origin + rays * ((z - origin[..., 2]) / down)[..., None]


def project(points: Tensor, intrinsics: Tensor, base_from_camera: Tensor) -> Tensor:
    """Base-frame points (B, ..., 3) in [m] -> (B, ..., 3): u, v in [px] and depth in [m]."""
    shape = (-1,) + (1,) * (points.dim() - 2)
    relative = points - base_from_camera[:, :3, 3].reshape(shape + (3,))
    with torch.autocast(points.device.type, enabled=False):  # bf16 is good to a pixel
        camera = torch.einsum("bji,b...j->b...i", base_from_camera[:, :3, :3], relative)
    depth = camera[..., 2].clamp(min=1e-6)
    u = camera[..., 0] / depth * intrinsics[:, 0, 0].reshape(shape) + intrinsics[:, 0, 2].reshape(shape)
    v = camera[..., 1] / depth * intrinsics[:, 1, 1].reshape(shape) + intrinsics[:, 1, 2].reshape(shape)
    return torch.stack([u, v, depth], -1)


def rectified_crops(
    rgb: Tensor,
    xyz: Tensor,
    intrinsics: Tensor,
    base_from_camera: Tensor,
    centre: Tensor,
    cells: int,
    pitch: float,
) -> Tensor:
    """Patches resampled to a view from straight above the horizontal plane through each centre.

    In that plane a block's top face is metric and at its true yaw, whatever the camera's pose.

    Args:
        rgb: (B, 3, H, W) in [0, 255].
        xyz: (B, 3, H, W) in [m], base frame.
        intrinsics: (B, 3, 3) in [px].
        base_from_camera: (B, 4, 4).
        centre: (B, K, 3) in [m], base frame.
        cells: samples along an edge.
        pitch: spacing of samples in [m].

    Returns:
        (B, K, 6, cells, cells): rgb in [-1, 1] and the measured point minus the grid's own point, in units
        of 2 cm, clipped to [-3, 3]. Rows run along base x, columns along base y.
    """
    b, k, _ = centre.shape
    line = (torch.arange(cells, device=centre.device) - (cells - 1) / 2) * pitch
    dx, dy = torch.meshgrid(line, line, indexing="ij")
    grid = centre[:, :, None, None, :] + torch.stack([dx, dy, torch.zeros_like(dx)], -1)  # (B, K, S, S, 3)
    uvd = project(grid, intrinsics, base_from_camera)  # (B, K, S, S, 3)
    h, w = rgb.shape[-2:]
    sample = torch.stack([uvd[..., 0] / (w - 1), uvd[..., 1] / (h - 1)], -1) * 2 - 1
    sample = sample.reshape(b, k * cells, cells, 2)
    colour = F.grid_sample(rgb.float(), sample, align_corners=True)  # (B, 3, K*S, S)
    measured = F.grid_sample(xyz, sample, mode="nearest", align_corners=True)
    colour = colour.reshape(b, 3, k, cells, cells).transpose(1, 2) / 127.5 - 1
    measured = measured.reshape(b, 3, k, cells, cells).transpose(1, 2)
    relief = ((measured - grid.permute(0, 1, 4, 2, 3)) / 0.02).clamp(-3, 3)
    return torch.cat([colour, relief], 2)
