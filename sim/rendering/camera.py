"""Pinhole cameras: where they stand and how they map the base frame to pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from robots.errors import RobotError
from robots.types import Array

NEAR, FAR = 0.02, 6.0  # [m]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera, fixed in the base frame or mounted on the hand.

    Attributes:
        name: what observations call it.
        position, target, up: in [m], in the base frame, or in the tool frame if `on_hand`.
        hfov_deg: horizontal field of view in [deg].
        size: default (width, height) in [px].
        knock_shift, knock_turn: how it was moved since it was calibrated: [m] in the base frame, and a
            rotation vector in [rad] in its own. Pictures are taken from where it is; frames tell where it
            was.
    """

    name: str
    position: Vector
    target: Vector
    up: Vector = (0.0, 0.0, 1.0)
    hfov_deg: float = 42.0
    size: tuple[int, int] = (240, 176)
    on_hand: bool = False
    knock_shift: Vector = (0.0, 0.0, 0.0)
    knock_turn: Vector = (0.0, 0.0, 0.0)

    def told(self, pose: Array) -> Array:
        """`base_from_camera` (4, 4) that its frames tell when it truly is at `pose` (4, 4)."""
        if not (any(self.knock_shift) or any(self.knock_turn)):
            return pose
        back = tuple(-t for t in self.knock_turn)
        return jittered(pose, tuple(-s for s in self.knock_shift), back)  # type: ignore[arg-type]

    def knocked(self, shift: float, turn: float, seed: int) -> Camera:
        """The same, moved by `shift` [m] and turned by `turn` [rad]; `seed` draws which way."""
        rng = np.random.default_rng(seed)
        ways = [way / np.linalg.norm(way) for way in rng.normal(size=(2, 3))]
        moved, turned = ((size * way).tolist() for size, way in zip((shift, turn), ways, strict=True))
        return replace(self, knock_shift=tuple(moved), knock_turn=tuple(turned))


# wide enough that nothing on the table leaves the picture at any jitter (tests/sim/test_world.py)
FRONT = Camera("front", (1.15, 0.0, 0.85), (0.49, 0.0, 0.035))
WRIST = Camera("wrist", (0.065, 0.0, -0.09), (0.045, 0.0, 0.10), (1.0, 0.0, 0.0), 70.0, (96, 96), True)
# the front camera at a size at which textures can be told
DETAIL = replace(FRONT, name="detail", size=(640, 480))
CAMERAS = {"front": FRONT, "wrist": WRIST, "detail": DETAIL}
LARGEST = 4096  # [px] of a picture's edge


class UnknownCamera(RobotError, KeyError):
    """There is no camera of that name."""

    def __str__(self) -> str:
        return str(self.args[0])


def camera_named(camera: str | Camera) -> Camera:
    """`camera`, or the one of that name. Raises UnknownCamera, naming those there are."""
    if isinstance(camera, Camera):
        return camera
    if not isinstance(camera, str) or camera not in CAMERAS:
        raise UnknownCamera(f"no camera {camera!r}; there are {list(CAMERAS)}")
    return CAMERAS[camera]


def cameras_named(cameras: Sequence[str | Camera]) -> dict[str, Camera]:
    """The cameras of `cameras` by name. Raises UnknownCamera for one name in place of a sequence too."""
    if isinstance(cameras, (str, Camera)):
        raise UnknownCamera(f"cameras={cameras!r}: must be a sequence of names of {list(CAMERAS)}")
    return {c.name: c for c in map(camera_named, cameras)}


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) in [px]. Raises ValueError unless both are whole numbers in [1, 4096]."""
    whole = isinstance(size, (tuple, list)) and len(size) == 2
    if not (whole and all(isinstance(n, (int, np.integer)) and 1 <= n <= LARGEST for n in size)):
        raise ValueError(
            f"size={size!r}: must be (width, height), whole numbers in [1, {LARGEST}] px, such as (240, 176)"
        )
    return (int(size[0]), int(size[1]))


def look_at(position: Vector, target: Vector, up: Vector) -> Array:
    """Pose (4, 4) of an OpenCV camera (x right, y down, z forward) at `position`."""
    p = np.asarray(position, float)
    z = np.asarray(target, float) - p
    z /= np.linalg.norm(z)
    x = np.cross(z, np.asarray(up, float))
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    pose[:3, 3] = p
    return pose


def jittered(pose: Array, shift: Vector, turn: Vector) -> Array:
    """`pose` moved by `shift` in [m] and turned by the rotation vector `turn` in [rad], in its own frame."""
    angle = math.sqrt(sum(t * t for t in turn))
    out = pose.copy()
    out[:3, 3] += shift
    if angle > 0:
        x, y, z = (t / angle for t in turn)
        k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        r = np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * k @ k
        out[:3, :3] = pose[:3, :3] @ r
    return out


def intrinsics(hfov_deg: float, size: tuple[int, int]) -> Array:
    """Pinhole matrix (3, 3) in [px]: square pixels, centres at integers, axis through the middle."""
    w, h = size
    f = w / 2 / math.tan(math.radians(hfov_deg) / 2)
    return np.array([[f, 0, (w - 1) / 2], [0, f, (h - 1) / 2], [0, 0, 1.0]])


def gl_view(base_from_camera: Array) -> list[float]:
    """View matrix for PyBullet (OpenGL axes, column-major)."""
    r, t = base_from_camera[:3, :3], base_from_camera[:3, 3]
    view = np.eye(4)
    view[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ r.T
    view[:3, 3] = -view[:3, :3] @ t
    return view.T.ravel().tolist()


def gl_projection(k: Array, size: tuple[int, int]) -> list[float]:
    """Projection matrix for PyBullet's TinyRenderer (column-major).

    TinyRenderer samples pixel (column i, row j) at normalised coordinates (2 i / W - 1,
    2 (H - 1 - j) / H - 1), half a pixel off OpenGL's rule; the third column makes up for it.
    """
    w, h = size
    p = np.zeros((4, 4))
    p[0, 0], p[1, 1] = 2 * k[0, 0] / w, 2 * k[1, 1] / h
    p[0, 2] = 1 - 2 * k[0, 2] / w
    p[1, 2] = 1 - 2 * (h - 1 - k[1, 2]) / h
    p[2, 2], p[2, 3] = -(FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
    p[3, 2] = -1.0
    return p.T.ravel().tolist()


def metric_depth(buffer: NDArray[np.float32]) -> NDArray[np.float32]:
    """Depth along the optical axis in [m] from an OpenGL depth buffer in [0, 1]."""
    return np.float32(FAR * NEAR) / (np.float32(FAR) - np.float32(FAR - NEAR) * buffer)


def meet_table(
    k: Array, base_from_camera: Array, size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Where the ray through each pixel meets z = 0: depth, x, y, each (H, W), in [m].

    Depth is not positive or not finite where the ray never does.
    """
    w, h = size
    u = (np.arange(w) - k[0, 2]) / k[0, 0]
    v = (np.arange(h) - k[1, 2]) / k[1, 1]
    r, eye = base_from_camera[:3, :3], base_from_camera[:3, 3].astype(np.float32)
    across = (u[:, None] * r[:, 0]).astype(np.float32)  # (W, 3)
    down = (v[:, None] * r[:, 1] + r[:, 2]).astype(np.float32)  # (H, 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = -eye[2] / (across[None, :, 2] + down[:, None, 2])  # (H, W)
        x = eye[0] + depth * (across[None, :, 0] + down[:, None, 0])
        y = eye[1] + depth * (across[None, :, 1] + down[:, None, 1])
    return depth, x, y


def project(points: Array, k: Array, base_from_camera: Array) -> tuple[Array, Array]:
    """Pixels (N, 2) as (u, v) and depth (N,) in [m] of points (N, 3) in the base frame."""
    local = (np.atleast_2d(points) - base_from_camera[:3, 3]) @ base_from_camera[:3, :3]
    return local[:, :2] / local[:, 2:] * (k[0, 0], k[1, 1]) + (k[0, 2], k[1, 2]), local[:, 2]
