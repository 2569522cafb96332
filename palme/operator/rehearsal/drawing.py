"""Draws what two cameras see of the rehearsal arm: flat colours and a shadow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palme.operator.rehearsal.arm import LineArm, Vector, points

W, H, FOCAL = 640, 480, 520.0  # [px]
_UP = np.array([0.0, 0.0, 1.0])
_TABLE = np.array([[0.05, -0.5, 0], [0.75, -0.5, 0], [0.75, 0.5, 0], [0.05, 0.5, 0]])
_CUBE = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
_FACES = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))
BLOCK = 0.022  # [m] half the side
BOWL = np.array([0.46, 0.20, 0.0])
BLUE, RED = (62, 106, 176), (196, 62, 52)


class LineCamera:
    """A pinhole camera."""

    def __init__(self, eye: Vector, target: Vector) -> None:
        """Place the camera at `eye` (3,), looking at `target` (3,), both in [m], base frame."""
        ahead = (target - eye) / np.linalg.norm(target - eye)
        right = np.cross(ahead, _UP)
        right /= np.linalg.norm(right)
        self.eye, self._axes = eye, np.array([right, np.cross(ahead, right), ahead])

    def pixels(self, xyz: Vector) -> NDArray[np.float64]:
        """Project (N, 3) points in [m], base frame. Returns (N, 3): u, v in [px] and depth in [m]."""
        seen = (np.atleast_2d(xyz) - self.eye) @ self._axes.T
        return np.column_stack([FOCAL * seen[:, :2] / seen[:, 2:] + (W / 2, H / 2), seen[:, 2]])

    def on_table(self, u: float, v: float) -> Vector | None:
        """(3,) intersection of a pixel's ray with the table in [m], None above the horizon."""
        ray = np.array([(u - W / 2) / FOCAL, (v - H / 2) / FOCAL, 1.0]) @ self._axes
        return self.eye - ray * self.eye[2] / ray[2] if ray[2] < -1e-3 else None


CAMERAS = {
    "front": LineCamera(np.array([1.30, 0.0, 0.80]), np.array([0.30, 0.0, 0.20])),
    "side": LineCamera(np.array([0.50, -1.15, 0.42]), np.array([0.30, 0.0, 0.24])),
}


def draw(camera: LineCamera, arm: LineArm, block: Vector) -> NDArray[np.uint8]:
    """uint8 (H, W, 3) image of the table, the bowl, the block at `block` (3,), and the arm."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (W, H), (38, 40, 44))
    pen = ImageDraw.Draw(image)

    def shape(xyz: Vector, colour: tuple[int, ...]) -> None:
        pen.polygon([(p[0], p[1]) for p in camera.pixels(xyz)], fill=colour)

    def line(a: Vector, b: Vector, width: float, colour: tuple[int, ...]) -> None:
        (ua, va, da), (ub, vb, db) = camera.pixels(np.array([a, b]))
        thick = max(1, round(width * FOCAL / ((da + db) / 2)))
        pen.line([(ua, va), (ub, vb)], fill=colour, width=thick)
        for u, v in ((ua, va), (ub, vb)):
            pen.ellipse((u - thick / 2, v - thick / 2, u + thick / 2, v + thick / 2), fill=colour)

    shape(_TABLE, (122, 104, 82))
    for k in range(1, 8):
        x, y = 0.05 + k * 0.0875, -0.5 + k * 0.125
        line(np.array([x, -0.5, 0]), np.array([x, 0.5, 0]), 0.002, (112, 95, 75))
        line(np.array([0.05, y, 0]), np.array([0.75, y, 0]), 0.002, (112, 95, 75))
    chain = points(arm.q)
    flat = chain * (1, 1, 0)
    for a, b in zip(flat[1:-1], flat[2:], strict=True):
        line(a, b, 0.04, (84, 71, 56))
    ring = np.linspace(0, 2 * np.pi, 36)
    circle = np.column_stack([np.cos(ring), np.sin(ring), np.zeros(36)])
    shape(BOWL + 0.05 * circle, (44, 76, 128))
    shape(BOWL + (0, 0, 0.035) + 0.08 * circle, BLUE)
    shape(BOWL + (0, 0, 0.030) + 0.068 * circle, (40, 70, 120))
    corners = block + BLOCK * _CUBE
    for face in sorted(_FACES, key=lambda f: -float(np.linalg.norm(corners[list(f)].mean(0) - camera.eye))):
        shade = 0.75 + 0.25 * float(corners[list(face), 2].min() > block[2])
        shape(corners[list(face)], tuple(int(c * shade) for c in RED))
    widths = (0.11, 0.075, 0.062, 0.045)
    for k in range(4):
        line(chain[k], chain[k + 1] if k < 3 else chain[k] - 0.05 * _UP, widths[k] + 0.012, (26, 27, 30))
        line(chain[k], chain[k + 1] if k < 3 else chain[k] - 0.05 * _UP, widths[k], (222, 224, 222))
    for joint in chain[1:4]:
        line(joint, joint, 0.05, (92, 98, 104))
    across = np.array([-np.sin(arm.q[0] + arm.roll), np.cos(arm.q[0] + arm.roll), 0.0])
    top = chain[3] - 0.055 * _UP
    half = 0.024 + 0.022 * arm.gripper
    line(top - 0.05 * across, top + 0.05 * across, 0.022, (70, 75, 80))
    for side in (-half, half):
        line(top + side * across, chain[4] + side * across, 0.014, (196, 199, 198))
    return np.asarray(image)
