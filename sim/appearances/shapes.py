"""Meshes of the shapes: flat-shaded triangles that fill a block's or a cylinder's box, with texture axes.

A mesh is triangles (T, 3, 3) in [m] in the object's own frame, origin in the middle of the box, z up.
"""

from __future__ import annotations

import functools
import math
import os

import numpy as np

from sim.geometry.shapes import EDGE, Array, bowl_mesh, cylinder_mesh
from sim.world.state import ObjectSpec

MODELS = {
    "duck": ("duck_vhacd.obj", "y"),
    "bunny": ("bunny.obj", "z"),
    "teddy": ("teddy2_VHACD_CHs.obj", "z"),
    "mug": ("objects/mug.obj", "z"),
}
"""Files of `pybullet_data`, and the axis that is up in them."""
COARSE = 0.09  # of a model's extent: vertices within one such cell become one
PERIOD = 0.017  # [m] of a texture on a surface: two periods on a small block
FAR_OFF = 64.0  # periods; PyBullet draws texture coordinates below 0 black


@functools.cache
def triangles(shape: str, size: str) -> Array:
    """Triangles (T, 3, 3) in [m] of `shape` in `size` ("small" or "large")."""
    edge = EDGE[size]
    if shape == "bowl":
        return bowl_mesh(ObjectSpec("red", "bowl", size))[0].reshape(-1, 3, 3)
    if shape == "cylinder":
        return cylinder_mesh(ObjectSpec("red", "cylinder", size))[0].reshape(-1, 3, 3)
    unit = _model(shape) if shape in MODELS else _PRIMITIVES[shape]()
    return _fitted(unit, edge)


def mesh(shape: str, size: str) -> tuple[Array, list[int], Array, Array]:
    """Vertices (3 T, 3), indices, normals (3 T, 3) and texture coordinates (3 T, 2) of a shape.

    Texture coordinates are metric, along the two axes that a triangle faces least (box mapping).
    """
    t = triangles(shape, size)
    n = np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0])
    n /= np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-12)
    facing = np.abs(n).argmax(1)
    axes = np.array([[1, 2], [0, 2], [0, 1]])[facing]  # (T, 2)
    uv = np.take_along_axis(t, np.repeat(axes[:, None], 3, 1), 2) / PERIOD + FAR_OFF  # (T, 3, 2)
    v = t.reshape(-1, 3)
    return v, list(range(len(v))), np.repeat(n, 3, axis=0), uv.reshape(-1, 2)


def _fitted(t: Array, edge: float) -> Array:
    """`t` scaled to height `edge` and, alike in x and y, to the larger of its widths being `edge`."""
    low, high = t.reshape(-1, 3).min(0), t.reshape(-1, 3).max(0)
    across = max(high[0] - low[0], high[1] - low[1])
    return (t - (low + high) / 2) * (edge / np.array([across, across, high[2] - low[2]]))


# -- primitives, of any size: `_fitted` scales them -----------------------------------------------


def _ring_of(corners: Array) -> Array:
    return np.roll(corners, -1, axis=0)


def _prism(outline: Array) -> Array:
    """From 0 to 1 in z above an outline (K, 2) that is star-shaped about 0, anticlockwise."""
    a, b = outline, _ring_of(outline)

    def at(xy: Array, z: float) -> Array:
        return np.concatenate([xy, np.full((len(xy), 1), z)], 1)

    middle = np.zeros_like(a)
    return np.concatenate(
        [
            np.stack([at(a, 0), at(b, 0), at(b, 1)], 1), np.stack([at(a, 0), at(b, 1), at(a, 1)], 1),
            np.stack([at(a, 1), at(b, 1), at(middle, 1)], 1),
            np.stack([at(b, 0), at(a, 0), at(middle, 0)], 1),
        ]
    )  # fmt: skip


def _polygon(sides: int, radii: tuple[float, ...] = (1.0,), turn: float = 0.0) -> Array:
    angles = turn + np.arange(sides) * 2 * math.pi / sides
    r = np.resize(np.array(radii), sides)
    return r[:, None] * np.stack([np.cos(angles), np.sin(angles)], -1)


def _pointed(sides: int, turn: float = 0.0) -> Array:
    base = np.concatenate([_polygon(sides, turn=turn), np.zeros((sides, 1))], 1)
    apex = np.repeat([[0.0, 0.0, 1.0]], sides, 0)
    return np.concatenate(
        [np.stack([base, _ring_of(base), apex], 1), np.stack([_ring_of(base), base, 0 * base], 1)]
    )


def _turned(radius: Array, z: Array, sides: int = 16) -> Array:
    """Surface of revolution through (radius, z), each (K,), from top to bottom."""
    angles = np.arange(sides + 1) * 2 * math.pi / sides
    grid = np.stack(
        [
            radius[:, None] * np.cos(angles),
            radius[:, None] * np.sin(angles),
            np.repeat(z[:, None], sides + 1, 1),
        ],
        -1,
    )  # (K, sides + 1, 3)
    a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]
    t = np.concatenate([np.stack([a, b, c], -2).reshape(-1, 3, 3), np.stack([a, c, d], -2).reshape(-1, 3, 3)])
    area = np.linalg.norm(np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]), axis=1)
    return t[area > 1e-9]


def _ball() -> Array:
    a = np.linspace(0, math.pi, 9)
    return _turned(np.sin(a), np.cos(a))


def _dome() -> Array:
    """A short cylinder under half a ball."""
    a = np.linspace(0, math.pi / 2, 6)
    return _turned(np.append(np.sin(a), [1.0, 0.0]), np.append(np.cos(a), [-0.5, -0.5]))


def _tube() -> Array:
    return _turned(np.array([0.6, 1.0, 1.0, 0.6, 0.6]), np.array([1.0, 1.0, 0.0, 0.0, 1.0]), 20)


def _cross() -> Array:
    w = 0.36
    corners = [(1, -w), (1, w), (w, w), (w, 1), (-w, 1), (-w, w), (-1, w), (-1, -w), (-w, -w), (-w, -1), (w, -1), (w, -w)]  # fmt: skip  # noqa: E501
    return _prism(np.array(corners, float))


_PRIMITIVES = {
    "block": lambda: _prism(_polygon(4, turn=math.pi / 4)),
    "pyramid": lambda: _pointed(4, math.pi / 4),
    "cone": lambda: _pointed(16),
    "ball": _ball,
    "dome": _dome,
    "ring": _tube,
    "cross": _cross,
    "star": lambda: _prism(_polygon(10, (1.0, 0.45))),
    "hexagon": lambda: _prism(_polygon(6)),
}


# -- models of pybullet_data ----------------------------------------------------------------------


def _model(shape: str) -> Array:
    """Triangles (T, 3, 3) of a model, thinned out, z up."""
    import pybullet_data

    name, up = MODELS[shape]
    vertices, faces = _read_obj(os.path.join(pybullet_data.getDataPath(), name))
    if up == "y":
        vertices = np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], 1)
    low, extent = vertices.min(0), np.ptp(vertices, axis=0).max()
    cell = np.round((vertices - low) / (COARSE * extent)).astype(int)
    _, merged = np.unique(cell, axis=0, return_inverse=True)
    merged = merged.reshape(-1)
    sums = np.stack([np.bincount(merged, weights=vertices[:, k]) for k in range(3)], 1)
    middles = sums / np.bincount(merged).astype(float)[:, None]
    faces = merged[faces]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])
    return middles[np.unique(faces[whole], axis=0)]


def _read_obj(path: str) -> tuple[Array, np.ndarray]:
    """Vertices (V, 3) and triangles (T, 3) of a Wavefront file; faces with more corners are fans."""
    vertices: list[list[float]] = []
    faces: list[list[int]] = []
    with open(path) as file:
        for words in map(str.split, file):
            if words[:1] == ["v"]:
                vertices.append([float(x) for x in words[1:4]])
            elif words[:1] == ["f"]:
                corners = [int(word.split("/")[0]) for word in words[1:]]
                corners = [k - 1 if k > 0 else len(vertices) + k for k in corners]
                faces += [[corners[0], b, c] for b, c in zip(corners[1:-1], corners[2:], strict=True)]
    return np.array(vertices), np.array(faces)
