"""Sizes and outlines of the things on the table: pure geometry, no physics engine.

An object's own frame has its origin in the middle of its bounding box and z up, so `position`
of a thing that stands on the table has z = height / 2. Units are [m] and [rad].
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sim.world.state import ObjectSpec

Array = NDArray[np.float64]

EDGE = {"small": 0.034, "large": 0.042}  # edge of a block; height and diameter of a cylinder
BOWL_INNER = {"small": 0.096, "large": 0.116}  # inner width of the octagon, flat to flat
BOWL_WALL = 0.005
BOWL_FLOOR = 0.004
BOWL_HEIGHT = 0.030
BOWL_SIDES = 8


def height(spec: ObjectSpec) -> float:
    """Height of the object that stands upright in [m]."""
    return BOWL_HEIGHT if spec.kind == "bowl" else EDGE[spec.size]


def width(spec: ObjectSpec) -> float:
    """Outer width in [m]: between flats for blocks and bowls, the diameter for cylinders."""
    return BOWL_INNER[spec.size] + 2 * BOWL_WALL if spec.kind == "bowl" else EDGE[spec.size]


def radius(spec: ObjectSpec) -> float:
    """Radius of the circle around the outline in [m]."""
    corners = {"block": 4, "bowl": BOWL_SIDES}.get(spec.kind)
    half = width(spec) / 2
    return half if corners is None else half / math.cos(math.pi / corners)


def regular_polygon(flat_to_flat: float, sides: int, yaw: float = 0.0) -> Array:
    """Corners (sides, 2) of a regular polygon with a flat facing +x at yaw 0."""
    angles = yaw + (np.arange(sides) + 0.5) * (2 * math.pi / sides)
    return flat_to_flat / 2 / math.cos(math.pi / sides) * np.stack([np.cos(angles), np.sin(angles)], -1)


def outline(spec: ObjectSpec, xy: Array, yaw: float) -> Array:
    """Corners (K, 2) of the convex outline seen from above; a cylinder is a 16-gon around its circle."""
    sides = {"block": 4, "bowl": BOWL_SIDES}.get(spec.kind, 16)
    return regular_polygon(width(spec), sides, yaw) + np.asarray(xy)


def inner_outline(spec: ObjectSpec, xy: Array, yaw: float) -> Array:
    """Corners (8, 2) of the inside of a bowl."""
    return regular_polygon(BOWL_INNER[spec.size], BOWL_SIDES, yaw) + np.asarray(xy)


def rectangle(xy: Array, yaw: float, half_length: float, half_width: float) -> Array:
    """Corners (4, 2) of a rectangle whose length lies along `yaw`."""
    c, s = math.cos(yaw), math.sin(yaw)
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * (half_length, half_width)
    return corners @ np.array([[c, s], [-s, c]]) + np.asarray(xy)


def _normals(polygon: Array) -> Array:
    edges = np.concatenate([polygon[1:], polygon[:1]]) - polygon
    normals = np.empty_like(edges)
    normals[:, 0], normals[:, 1] = edges[:, 1], -edges[:, 0]
    return normals / np.sqrt((normals * normals).sum(1, keepdims=True))


def separation(a: Array, b: Array) -> float:
    """Gap in [m] between two convex outlines (counter-clockwise); negative when they overlap.

    By the separating axis theorem over edge normals: exact edge to corner, and never more than
    the true distance corner to corner, so a gap that is asked for is always kept.
    """
    return max(
        float(((b @ (n := _normals(a)).T).min(0) - (a * n).sum(1)).max()),
        float(((a @ (m := _normals(b)).T).min(0) - (b * m).sum(1)).max()),
    )


def inside(inner: Array, outer: Array) -> float:
    """Smallest gap in [m] from the outline `inner` to the walls of `outer`; negative when it pokes out."""
    n = _normals(outer)
    return float(((outer * n).sum(1) - inner @ n.T).min())


def bowl_walls(spec: ObjectSpec) -> list[tuple[Array, Array, float]]:
    """The boxes a bowl is made of, in its frame: (centre (3,), half extents (3,), yaw)."""
    inner, outer = BOWL_INNER[spec.size], BOWL_INNER[spec.size] + 2 * BOWL_WALL
    side = outer * math.tan(math.pi / BOWL_SIDES)
    boxes = []
    for k in range(BOWL_SIDES):
        yaw = k * 2 * math.pi / BOWL_SIDES
        centre = (inner + BOWL_WALL) / 2 * np.array([math.cos(yaw), math.sin(yaw), 0.0])
        boxes.append((centre, np.array([BOWL_WALL, side, BOWL_HEIGHT]) / 2, yaw))
    floor_z = (BOWL_FLOOR - BOWL_HEIGHT) / 2
    short = inner * math.tan(math.pi / BOWL_SIDES)
    for k in range(4):  # four crossed planks fill the octagon
        boxes.append((np.array([0, 0, floor_z]), np.array([inner, short, BOWL_FLOOR]) / 2, k * math.pi / 4))
    return boxes


def bowl_mesh(spec: ObjectSpec) -> tuple[Array, list[int], Array]:
    """Flat-shaded triangles of a bowl in its frame: vertices (V, 3), indices, normals (V, 3)."""
    low, high, floor = -BOWL_HEIGHT / 2, BOWL_HEIGHT / 2, -BOWL_HEIGHT / 2 + BOWL_FLOOR
    outer = regular_polygon(width(spec), BOWL_SIDES)
    inner = regular_polygon(BOWL_INNER[spec.size], BOWL_SIDES)
    vertices: list[Array] = []
    for k in range(BOWL_SIDES):
        o0, o1, i0, i1 = outer[k], outer[(k + 1) % 8], inner[k], inner[(k + 1) % 8]

        def at(xy: Array, z: float) -> Array:
            return np.array([xy[0], xy[1], z])

        quads = (
            (at(o0, low), at(o1, low), at(o1, high), at(o0, high)),  # outside
            (at(i1, floor), at(i0, floor), at(i0, high), at(i1, high)),  # inside
            (at(o0, high), at(o1, high), at(i1, high), at(i0, high)),  # rim
        )
        for a, b, c, d in quads:
            vertices += [a, b, c, a, c, d]
        vertices += [at(i0, floor), at(i1, floor), np.array([0.0, 0.0, floor])]
    v = np.array(vertices)  # (3 T, 3)
    t = v.reshape(-1, 3, 3)
    n = np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0])
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    return v, list(range(len(v))), np.repeat(n, 3, axis=0)


def cylinder_mesh(spec: ObjectSpec, sides: int = 20) -> tuple[Array, list[int], Array]:
    """Triangles of an upright cylinder, round side smooth, caps flat: as `bowl_mesh`."""
    r, h = EDGE[spec.size] / 2, EDGE[spec.size] / 2
    angles = np.arange(sides + 1) * 2 * math.pi / sides
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros(sides + 1)], -1)
    up = np.array([0.0, 0.0, 1.0])
    vertices: list[Array] = []
    normals: list[Array] = []
    for k in range(sides):
        a, b = ring[k], ring[k + 1]
        low_a, low_b, high_a, high_b = r * a - h * up, r * b - h * up, r * a + h * up, r * b + h * up
        vertices += [low_a, low_b, high_b, low_a, high_b, high_a]
        normals += [a, b, b, a, b, a]
        vertices += [high_a, high_b, h * up, low_b, low_a, -h * up]
        normals += [up, up, up, -up, -up, -up]
    return np.array(vertices), list(range(len(vertices))), np.array(normals)
