"""Solids of any size that stand on the sensing table: their meshes and signed distances, pure geometry.

The frame of a solid has its origin in the middle of its height and z up. Units are [m].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.senses import Mesh
from robots.types import Array

KINDS = ("block", "cylinder", "cone", "ball")
SIDES = 12  # of a round solid's mesh
RINGS = 6  # of a ball's mesh


@dataclass(frozen=True)
class Solid:
    """One solid.

    Attributes:
        kind: one of `KINDS`.
        width: edge of a block's base, or diameter.
        height: of a ball its width.
    """

    kind: str
    width: float
    height: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"solid {self.kind!r} is none of {', '.join(KINDS)}")


def mesh_of(solid: Solid) -> Mesh:
    """Triangles in the solid's frame, their normals outward."""
    r, h = solid.width / 2, solid.height / 2
    if solid.kind == "block":
        profile, sides, turn = [(0.0, -h), (r * math.sqrt(2), -h), (r * math.sqrt(2), h), (0.0, h)], 4, 0.5
    elif solid.kind == "cylinder":
        profile, sides, turn = [(0.0, -h), (r, -h), (r, h), (0.0, h)], SIDES, 0.0
    elif solid.kind == "cone":
        profile, sides, turn = [(0.0, -h), (r, -h), (0.0, h)], SIDES, 0.0
    else:
        angles = np.linspace(-math.pi / 2, math.pi / 2, RINGS + 1)
        profile, sides, turn = [(r * math.cos(a), h * math.sin(a)) for a in angles], SIDES, 0.0
    return _turned(profile, sides, turn)


def _turned(profile: list[tuple[float, float]], sides: int, turn: float) -> Mesh:
    """The surface that a profile of (radius, z), from below, describes about the z axis."""
    angles = 2 * math.pi * (np.arange(sides) + turn) / sides
    around = np.stack([np.cos(angles), np.sin(angles)], -1)  # (S, 2)
    vertices = [np.concatenate([radius * around, np.full((sides, 1), z)], 1) for radius, z in profile]
    faces = []
    for ring in range(len(profile) - 1):
        for k in range(sides):
            a, b = ring * sides + k, ring * sides + (k + 1) % sides
            c, d = a + sides, b + sides
            if profile[ring][0] > 1e-9:
                faces.append((a, b, d))
            if profile[ring + 1][0] > 1e-9:
                faces.append((a, d, c))
    return Mesh(np.concatenate(vertices).astype(np.float32), np.array(faces, np.int32))


def signed_distance(solid: Solid, points: NDArray[np.floating]) -> Array:
    """Distance (N,) of points (N, 3) of the solid's frame from its surface; negative inside.

    Exact for ball, cylinder and block; of a cone the distance to its planes of tangent, which is exact inside
    and beside its side.
    """
    r, h = solid.width / 2, solid.height / 2
    p = np.asarray(points, float)
    if solid.kind == "ball":
        return np.linalg.norm(p, axis=1) - r
    if solid.kind == "block":
        return _box(np.abs(p) - (r, r, h))
    across = np.hypot(p[:, 0], p[:, 1])
    if solid.kind == "cylinder":
        return _box(np.stack([across - r, np.abs(p[:, 2]) - h], -1))
    slope = np.array([2 * h, r]) / math.hypot(2 * h, r)  # normal of the side in (across, z)
    side = (across - r) * slope[0] + (p[:, 2] + h) * slope[1]
    return np.maximum(side, -h - p[:, 2])


def _box(beyond: Array) -> Array:
    """Distance from a box, of how far beyond its half widths (N, D) points lie."""
    return np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(1), 0)
