"""Two solids side by side: a depth picture, a point cloud, voxels, a mesh and a signed distance of them."""

from __future__ import annotations

import colorsys
import math

import numpy as np
from numpy.typing import NDArray

from robots.senses import ImplicitShape, Mesh, PointCloud, VoxelGrid
from robots.types import Array, CameraFrame
from sim.rendering.camera import look_at
from sim.sensing.base import Sensed
from sim.sensing.solids import KINDS, Solid, mesh_of, signed_distance
from sim.sensing.stage import StageSource
from sim.world.bodies import quat_about_z

SIZE = (80, 56)  # [px] of the depth picture
HFOV_DEG = 20.0
CAMERA = (1.15, 0.0, 0.65)  # [m]; it looks at `MIDDLE`
MIDDLE = (0.5, 0.0, 0.03)
CLEARLY = 0.012  # [m] by which one solid is taller, or nearer, than the other
REGION = ((0.38, -0.14, 0.003), (0.62, 0.14, 0.115))  # [m] corners of the space that clouds and voxels keep
VOXEL = 0.008  # [m]
POINTS = 256
SAMPLES = 256  # of the signed distance
SETTLE = 12  # steps of physics


class TwoSolids(StageSource):
    """Facts: `taller`, `nearer` to the camera (left or right; left is the arm's, +y), `left` (what it is)."""

    def draw(self, rng: np.random.Generator) -> Sensed:
        """Two solids of clearly different heights and distances that have come to rest."""
        solids = _pair(rng)
        near = [float(x) for x in rng.uniform(0.44, 0.56, 2)]
        while not abs(near[0] - near[1]) >= 2 * CLEARLY:
            near = [float(x) for x in rng.uniform(0.44, 0.56, 2)]
        sides = [rng.uniform(0.045, 0.085), -rng.uniform(0.045, 0.085)]
        stage = self.stage
        stage.reset()
        placed = []
        for solid, x, y in zip(solids, near, sides, strict=True):
            rgb = colorsys.hsv_to_rgb(float(rng.uniform()), 0.7, 0.8)
            body = stage.show(solid, rgb, mass=0.05)
            yaw = rng.uniform(0, math.pi)
            stage.move(body, (x, y, solid.height / 2 + 0.001), quat_about_z(yaw))
            placed.append((solid, body))
        stage.step(SETTLE)
        poses = [(solid, stage.rigid(body)) for solid, body in placed]
        pose = look_at(CAMERA, MIDDLE, (0.0, 0.0, 1.0))
        pose[:3, 3] += rng.uniform(-0.02, 0.02, 3)
        frame, _ = stage.look(pose, HFOV_DEG, SIZE, rng)
        tops = [float(p[2, 3]) + s.height / 2 for s, p in poses]
        away = [float(np.linalg.norm(p[:3, 3] - pose[:3, 3])) for _, p in poses]
        points = points_of(frame)
        return Sensed(
            {
                "depth": frame,
                "points": cloud_of(points, rng),
                "voxels": voxels_of(points),
                "mesh": scene_mesh(poses),
                "distance": distances_of(poses, rng),
            },
            {
                "taller": "left" if tops[0] > tops[1] else "right",
                "nearer": "left" if away[0] < away[1] else "right",
                "left": solids[0].kind,
            },
        )


def _pair(rng: np.random.Generator) -> tuple[Solid, Solid]:
    while True:
        first, second = (_solid(rng) for _ in range(2))
        if abs(first.height - second.height) >= CLEARLY:
            return first, second


def _solid(rng: np.random.Generator) -> Solid:
    kind, width = str(rng.choice(KINDS)), float(rng.uniform(0.04, 0.07))
    return Solid(kind, width, width if kind == "ball" else float(rng.uniform(0.035, 0.1)))


def points_of(frame: CameraFrame) -> Array:
    """(N, 3) in [m] in the base frame: what the depth camera saw inside `REGION`."""
    assert frame.depth is not None  # noqa: S101 - a frame of `Stage.look`
    h, w = frame.depth.shape
    v, u = np.mgrid[0:h, 0:w]
    k = frame.intrinsics
    local = np.stack([(u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1], np.ones_like(u, float)], -1)
    xyz = (local * frame.depth[..., None]) @ frame.base_from_camera[:3, :3].T + frame.base_from_camera[:3, 3]
    low, high = np.array(REGION)
    # 3 mm above the table is three times the camera's noise
    inside = ((xyz >= low) & (xyz <= high)).all(-1)
    return xyz[inside]


def cloud_of(points: Array, rng: np.random.Generator) -> PointCloud:
    """`POINTS` of the points, some twice where there are fewer."""
    chosen = rng.choice(len(points), POINTS, replace=len(points) < POINTS)
    return PointCloud(points[chosen].astype(np.float32))


def voxels_of(points: Array) -> VoxelGrid:
    """The cells of `REGION` in which there is a point."""
    low, high = np.array(REGION)
    shape = np.ceil((high - low) / VOXEL).astype(int)
    cells: NDArray[np.bool_] = np.zeros(shape, bool)
    index = np.minimum(((points - low) / VOXEL).astype(int), shape - 1)
    cells[tuple(index.T)] = True
    return VoxelGrid(cells, low, VOXEL)


def scene_mesh(poses: list[tuple[Solid, Array]]) -> Mesh:
    """One mesh of all solids where they stand."""
    vertices: list[Array] = []
    faces: list[NDArray[np.int32]] = []
    for solid, pose in poses:
        mesh = mesh_of(solid)
        faces.append(mesh.faces + sum(len(v) for v in vertices))
        vertices.append(mesh.vertices @ pose[:3, :3].T + pose[:3, 3])
    return Mesh(np.concatenate(vertices).astype(np.float32), np.concatenate(faces).astype(np.int32))


def distances_of(poses: list[tuple[Solid, Array]], rng: np.random.Generator) -> ImplicitShape:
    """`SAMPLES` of the distance from the nearer solid: half near its surface, half anywhere in `REGION`."""
    low, high = np.array(REGION)
    anywhere = rng.uniform(low, high, (8 * SAMPLES, 3))
    distance = np.min([signed_distance(s, (anywhere - p[:3, 3]) @ p[:3, :3]) for s, p in poses], axis=0)
    near = np.argsort(np.abs(distance))[: SAMPLES // 2]
    chosen = np.concatenate([near, rng.integers(len(anywhere), size=SAMPLES - len(near))])
    return ImplicitShape(anywhere[chosen].astype(np.float32), distance[chosen].astype(np.float32))
