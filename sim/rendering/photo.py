"""The photo look: a wooden table, soft shadows on it, smooth edges. For people, not for training.

PyBullet's own shadow map leaves the table white, so the shadow is made here: a second picture from
the lamp tells which parts of the table it does not see.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from robots.types import Array
from sim.rendering.camera import Camera, gl_projection, gl_view, intrinsics, look_at, project
from sim.world.appearance import Light

PX_PER_M = 800  # of the table's texture
TABLE = (-0.45, 0.95, -0.75, 0.75)  # x, y range of the table top in [m]
LAMP_DISTANCE = 2.2
SHADOW_PX = 640
SHADOW = 0.55  # what is left of the light in full shadow
Image = NDArray[np.uint8]


class LitWorld(Protocol):
    """What a photo needs of a `sim.world.world.World`.

    Attributes:
        p, client: PyBullet and the client in which the world stands.
        photo_scale: how much larger a picture is drawn before it is shrunk.
    """

    photo_scale: int

    @property
    def p(self) -> ModuleType:
        """See above."""

    @property
    def client(self) -> int:
        """See above."""

    @property
    def light(self) -> Light:
        """Where the lamp stands, and its colour."""

    @property
    def table_rgb(self) -> tuple[float, float, float]:
        """Colour of the table, each in [0, 1]."""


def photo(world: LitWorld, camera: Camera, size: tuple[int, int], pose: Array) -> Image:
    """What `camera` at `pose` (4, 4) sees: uint8 (H, W, 3)."""
    w, h = size[0] * world.photo_scale, size[1] * world.photo_scale
    k = intrinsics(camera.hfov_deg, (w, h))
    light = world.light
    p = world.p
    _, _, rgba, _, seg = p.getCameraImage(
        w, h, gl_view(pose), gl_projection(k, (w, h)), lightDirection=light.direction, shadow=0,
        lightColor=light.colour, lightDistance=3.0, lightAmbientCoeff=0.62, lightDiffuseCoeff=0.42,
        lightSpecularCoeff=0.25, renderer=p.ER_TINY_RENDERER, physicsClientId=world.client,
    )  # fmt: skip
    picture = cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB)
    ground = _ground(world.table_rgb, (w, h), k, pose)
    lit = cv2.multiply(ground, _light_on_table(world, (w, h), k, pose), scale=1 / 255)
    cv2.copyTo(lit, (seg < 0).view(np.uint8), picture)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _ground(rgb: tuple[float, float, float], size: tuple[int, int], k: Array, pose: Array) -> Image:
    """The table and what is behind it, (H, W, 3), without shadows."""
    return _ground_cached(rgb, size, tuple(k.ravel()), tuple(pose.ravel()))


@functools.lru_cache(maxsize=4)
def _ground_cached(
    rgb: tuple[float, float, float], size: tuple[int, int], k: tuple[float, ...], pose: tuple[float, ...]
) -> Image:
    wood, ground = _wood(rgb), _backdrop(*size)
    corners, texture = _corners(), _texture_corners(wood.shape)
    pixels, _ = project(corners, np.reshape(k, (3, 3)), np.reshape(pose, (4, 4)))
    onto = cv2.getPerspectiveTransform(texture, pixels.astype(np.float32))
    top = cv2.warpPerspective(  # the last row goes on beyond the edge: black would show along it
        wood, onto, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    inside = cv2.fillConvexPoly(np.zeros(size[::-1], np.uint8), pixels.round().astype(np.int32), 255)
    cv2.copyTo(top, inside, ground)
    return ground


def _light_on_table(world: LitWorld, size: tuple[int, int], k: Array, pose: Array) -> Image:
    """How much of the lamp reaches the table at each pixel, 255 = all, (H, W, 3)."""
    direction = np.asarray(world.light.direction, float)
    direction /= np.linalg.norm(direction)
    direction[2] = max(direction[2], 0.75)  # a low lamp's shadows leave the table
    target = (0.4, 0.0, 0.05)
    eye = target + LAMP_DISTANCE * direction / np.linalg.norm(direction)
    x, y, z = (float(v) for v in eye)
    lamp_pose, square = look_at((x, y, z), target, (1.0, 0.0, 0.0)), (SHADOW_PX, SHADOW_PX)
    lamp_k = intrinsics(42.0, square)
    p = world.p
    seg = p.getCameraImage(
        *square, gl_view(lamp_pose), gl_projection(lamp_k, square), shadow=0,
        renderer=p.ER_TINY_RENDERER, physicsClientId=world.client,
    )[4]  # fmt: skip
    dark = (seg >= 0).astype(np.float32)
    dark = 0.65 * cv2.GaussianBlur(dark, (0, 0), 2.5) + 0.35 * cv2.GaussianBlur(dark, (0, 0), 10)
    lit = (255 * (1 - (1 - SHADOW) * dark)).astype(np.uint8)
    there, _ = project(_corners(), lamp_k, lamp_pose)
    here, _ = project(_corners(), k, pose)
    onto = cv2.getPerspectiveTransform(there.astype(np.float32), here.astype(np.float32))
    lit = cv2.warpPerspective(lit, onto, size, flags=cv2.INTER_LINEAR, borderValue=255)
    table = cv2.fillConvexPoly(np.zeros(size[::-1], np.uint8), here.round().astype(np.int32), 255)
    lit[table == 0] = 255
    return np.asarray(cv2.cvtColor(lit, cv2.COLOR_GRAY2RGB), np.uint8)


def _corners() -> Array:
    """(4, 3) of the table top in [m]."""
    x0, x1, y0, y1 = TABLE
    return np.array([[x0, y0, 0], [x0, y1, 0], [x1, y1, 0], [x1, y0, 0]])


def _texture_corners(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The same in pixels of the texture, whose rows run along x and columns along y."""
    rows, columns = shape[0] - 1, shape[1] - 1
    return np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)


def _shape() -> tuple[int, int]:
    x0, x1, y0, y1 = TABLE
    return round((x1 - x0) * PX_PER_M), round((y1 - y0) * PX_PER_M)


@functools.lru_cache(maxsize=4)
def _wood(rgb: tuple[float, float, float]) -> Image:
    """Planks with grain in a tint of `rgb`, uint8 (rows along x, columns along y, 3)."""
    rng = np.random.default_rng(7)
    rows, columns = _shape()
    plank = round(0.14 * PX_PER_M)
    tone = np.empty((rows, columns), np.float32)
    for start in range(0, rows, plank):
        height = min(plank, rows - start)
        noise = rng.normal(size=(height, columns)).astype(np.float32)
        grain = cv2.GaussianBlur(noise, (0, 0), 60, sigmaY=1.2)
        broad = cv2.GaussianBlur(noise, (0, 0), 120, sigmaY=9)
        grain, broad = grain / grain.std(), broad / broad.std()
        tone[start : start + height] = 1 + rng.normal(0, 0.035) + 0.022 * grain + 0.03 * broad
        tone[start : start + 2] *= 0.72  # the joint
    tone[:] = cv2.GaussianBlur(tone, (0, 0), 1.1)  # in fewer pixels a sharp joint becomes a dotted line
    warm = np.array([1.06, 0.98, 0.88]) * (0.55 * np.asarray(rgb) + 0.45 * np.array([0.72, 0.56, 0.40]))
    return (tone[..., None] * warm * 255).clip(0, 255).astype(np.uint8)


def _backdrop(w: int, h: int) -> Image:
    """A quiet room behind the table: darker towards the bottom."""
    tint = np.array([215, 220, 228], np.float32)
    shade = np.linspace(0.86, 0.62, h, dtype=np.float32)[:, None, None] * tint
    return np.ascontiguousarray(np.broadcast_to(shade, (h, w, 3)), np.uint8)
