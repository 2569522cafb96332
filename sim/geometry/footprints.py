"""What stands where, seen from above: boxes and discs with a top, and how far they are apart.

A box is (x, y, yaw, half_x, half_y); distances are signed, negative = they overlap by that much.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from sim.geometry.shapes import BOWL_HEIGHT, BOWL_INNER, BOWL_WALL, EDGE, Array
from sim.world.state import ObjectSpec

FAR = 0.2  # [m]; gaps are capped here


@dataclass(frozen=True)
class Obstacles:
    """Solids as boxes and discs.

    Attributes:
        boxes: (B, 5) x, y, yaw, half_x, half_y in [m], [rad]; box_tops: (B,) in [m].
        discs: (D, 3) x, y, radius in [m]; disc_tops: (D,) in [m].
    """

    boxes: Array
    box_tops: Array
    discs: Array
    disc_tops: Array

    @classmethod
    def of(
        cls, specs: Sequence[ObjectSpec], positions: Array, yaws: Array, leave_out: Collection[int] = ()
    ) -> Obstacles:
        """Footprints of a scene. positions: (N, 3) centres in base [m], a bowl's z unused; yaws: (N,)."""
        boxes, box_tops, discs, disc_tops = [], [], [], []
        for i, spec in enumerate(specs):
            if i in leave_out:
                continue
            x, y, z = positions[i]
            if spec.kind == "bowl":
                boxes += bowl_walls(spec.size, x, y, yaws[i])
                box_tops += [BOWL_HEIGHT] * 8
                continue
            half = EDGE[spec.size] / 2
            if spec.kind == "block":
                boxes.append((x, y, yaws[i], half, half))
                box_tops.append(z + half)
            else:
                discs.append((x, y, half))
                disc_tops.append(z + half)
        return cls(
            np.array(boxes, dtype=np.float64).reshape(-1, 5),
            np.array(box_tops, dtype=np.float64),
            np.array(discs, dtype=np.float64).reshape(-1, 3),
            np.array(disc_tops, dtype=np.float64),
        )

    def gap_to_boxes(self, boxes: Array, bottoms: Array) -> Array:
        """Distance from each box (K, 5), whose underside is at `bottoms` (K,), to whatever rises above it.

        Returns (K,) in [m], at most FAR.
        """
        gaps = np.full(len(boxes), FAR)
        if len(self.boxes):
            gap = box_gap(boxes[:, None], self.boxes[None])  # (K, B)
            gap = np.where(self.box_tops[None] > bottoms[:, None], gap, FAR)
            gaps = np.minimum(gaps, gap.min(1))
        if len(self.discs):
            gap = box_disc_gap(boxes[:, None], self.discs[None])  # (K, D)
            gap = np.where(self.disc_tops[None] > bottoms[:, None], gap, FAR)
            gaps = np.minimum(gaps, gap.min(1))
        return gaps

    def gap_to_discs(self, discs: Array, bottoms: Array) -> Array:
        """As `gap_to_boxes`, from discs (K, 3)."""
        gaps = np.full(len(discs), FAR)
        if len(self.boxes):
            gap = box_disc_gap(self.boxes[None], discs[:, None])
            gap = np.where(self.box_tops[None] > bottoms[:, None], gap, FAR)
            gaps = np.minimum(gaps, gap.min(1))
        if len(self.discs):
            away = np.hypot(*(discs[:, None, :2] - self.discs[None, :, :2]).transpose(2, 0, 1))
            gap = away - discs[:, None, 2] - self.discs[None, :, 2]
            gap = np.where(self.disc_tops[None] > bottoms[:, None], gap, FAR)
            gaps = np.minimum(gaps, gap.min(1))
        return gaps


def bowl_walls(size: str, x: float, y: float, yaw: float) -> list[tuple[float, float, float, float, float]]:
    """The eight walls of a bowl as boxes; the first stands across the bowl's own x axis."""
    apothem = (BOWL_INNER[size] + BOWL_WALL) / 2
    half_length = (BOWL_INNER[size] / 2 + BOWL_WALL) * np.tan(np.pi / 8)
    angles = yaw + np.arange(8) * np.pi / 4
    return [(x + apothem * np.cos(a), y + apothem * np.sin(a), a, BOWL_WALL / 2, half_length) for a in angles]


def box_gap(a: Array, b: Array) -> Array:
    """Signed distance of boxes (..., 5) and (..., 5), broadcast: the widest separating face."""
    dx, dy = b[..., 0] - a[..., 0], b[..., 1] - a[..., 1]
    turn = b[..., 2] - a[..., 2]
    c, s = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    ca, sa, cb, sb = np.cos(a[..., 2]), np.sin(a[..., 2]), np.cos(b[..., 2]), np.sin(b[..., 2])
    faces = (
        np.abs(ca * dx + sa * dy) - a[..., 3] - b[..., 3] * c - b[..., 4] * s,
        np.abs(ca * dy - sa * dx) - a[..., 4] - b[..., 3] * s - b[..., 4] * c,
        np.abs(cb * dx + sb * dy) - b[..., 3] - a[..., 3] * c - a[..., 4] * s,
        np.abs(cb * dy - sb * dx) - b[..., 4] - a[..., 3] * s - a[..., 4] * c,
    )
    return np.maximum(np.maximum(faces[0], faces[1]), np.maximum(faces[2], faces[3]))


def box_disc_gap(box: Array, disc: Array) -> Array:
    """Signed distance of boxes (..., 5) and discs (..., 3), broadcast."""
    dx, dy = disc[..., 0] - box[..., 0], disc[..., 1] - box[..., 1]
    c, s = np.cos(box[..., 2]), np.sin(box[..., 2])
    over_x, over_y = np.abs(c * dx + s * dy) - box[..., 3], np.abs(c * dy - s * dx) - box[..., 4]
    outside = np.hypot(np.maximum(over_x, 0), np.maximum(over_y, 0))
    return outside + np.minimum(np.maximum(over_x, over_y), 0) - disc[..., 2]


def yaws_of(specs: Sequence[ObjectSpec], quats_xyzw: Array) -> Array:
    """Turn about the vertical of each object (N,) in [rad], whichever face of a cube is up.

    Args:
        quats_xyzw: (N, 4), base_from_object.
    """
    out = np.zeros(len(specs))
    for i, spec in enumerate(specs):
        x, y, z, w = quats_xyzw[i]
        axes = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)],
                [2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)],
                [2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)],
            ]
        )  # fmt: skip - row k is the object's k-th axis in base
        flat = axes[0] if spec.kind == "bowl" else axes[int(np.argmin(np.abs(axes[:, 2])))]
        out[i] = np.arctan2(flat[1], flat[0])
    return out
