"""Typed observations of senses beyond one picture, robot state and sound (`robots.types`). SI units.

Frames as in `robots.types`: everything in space is in the arm's base frame unless it says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from robots.types import Array, CameraFrame

Joint = Literal["fixed", "hinge", "slide"]


class BadObservation(ValueError):
    """An observation has another shape than its type says; the message names field, shape and remedy."""


def _check(field: str, array: Any, *shape: int | None) -> None:
    """Raises BadObservation unless `array` has this shape (None = any size) and is finite."""
    found = np.shape(array)
    if not (len(found) == len(shape) and all(n in (None, m) for n, m in zip(shape, found, strict=False))):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise BadObservation(f"{field} has shape {found}; give ({wanted})")
    if np.asarray(array).dtype.kind == "f" and not np.isfinite(array).all():
        raise BadObservation(f"{field} holds a number that is not finite; leave such rows out")


def _check_above_zero(field: str, value: float, unit: str) -> None:
    if not 0 < value < np.inf:
        raise BadObservation(f"{field} is {value}; give a finite number above 0 {unit}")


@dataclass(frozen=True)
class VideoClip:
    """Pictures of one camera in a row: uint8 `frames` (T, H, W, 3), `frame_hz` a second."""

    frames: NDArray[np.uint8]
    frame_hz: float

    def __post_init__(self) -> None:
        _check("VideoClip.frames", self.frames, None, None, None, 3)
        _check_above_zero("VideoClip.frame_hz", self.frame_hz, "Hz")


@dataclass(frozen=True)
class MultiView:
    """One moment through V cameras: `frames`, of one size, each with its calibration."""

    frames: tuple[CameraFrame, ...]

    def __post_init__(self) -> None:
        sizes = {f.rgb.shape for f in self.frames}
        if not sizes:
            raise BadObservation("MultiView.frames is empty; give the picture of one camera at least")
        if len(sizes) > 1:
            raise BadObservation(f"MultiView.frames have shapes {sorted(sizes)}; give pictures of one size")


@dataclass(frozen=True)
class PointCloud:
    """Points `xyz` float32 (N, 3) in [m] in the base frame, `rgb` uint8 (N, 3) or None."""

    xyz: NDArray[np.float32]
    rgb: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        _check("PointCloud.xyz", self.xyz, None, 3)
        if self.rgb is not None:
            _check("PointCloud.rgb", self.rgb, len(self.xyz), 3)


@dataclass(frozen=True)
class VoxelGrid:
    """Which cells of space are occupied.

    Attributes:
        occupied: bool (X, Y, Z), along the axes of the base frame.
        origin: (3,) lower corner of cell (0, 0, 0) in [m].
        edge: of a cell in [m].
    """

    occupied: NDArray[np.bool_]
    origin: Array
    edge: float

    def __post_init__(self) -> None:
        _check("VoxelGrid.occupied", self.occupied, None, None, None)
        _check("VoxelGrid.origin", self.origin, 3)
        _check_above_zero("VoxelGrid.edge", self.edge, "m")


@dataclass(frozen=True)
class Mesh:
    """Triangles: `vertices` float32 (V, 3) in [m] in the base frame, `faces` int32 (F, 3) rows of them."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]

    def __post_init__(self) -> None:
        _check("Mesh.vertices", self.vertices, None, 3)
        _check("Mesh.faces", self.faces, None, 3)
        if len(self.faces) and not 0 <= int(self.faces.min()) <= int(self.faces.max()) < len(self.vertices):
            raise BadObservation(
                f"Mesh.faces name vertices {int(self.faces.min())} to {int(self.faces.max())}; there are "
                f"{len(self.vertices)}, counted from 0"
            )


@dataclass(frozen=True)
class Part:
    """One rigid part of something articulated.

    Attributes:
        base_from_part: (4, 4) rigid transform now.
        joint: how it moves on what holds it.
        value: of that joint, in [rad] for a hinge, in [m] for a slide, 0 for a fixed part.
        lower, upper: limits of `value`.
    """

    base_from_part: Array
    joint: Joint = "fixed"
    value: float = 0.0
    lower: float = 0.0
    upper: float = 0.0

    def __post_init__(self) -> None:
        _check("Part.base_from_part", self.base_from_part, 4, 4)
        if self.joint not in get_args(Joint):
            raise BadObservation(f"Part.joint is {self.joint!r}; give one of {', '.join(get_args(Joint))}")
        for field in ("value", "lower", "upper"):
            _check(f"Part.{field}", np.float64(getattr(self, field)))


@dataclass(frozen=True)
class PartAssembly:
    """An articulated thing: a cabinet with drawers, an arm. `len` is the number of its parts."""

    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return len(self.parts)


@dataclass(frozen=True)
class ImplicitShape:
    """A surface as samples of its signed distance: float32 `points` (N, 3) in [m], `distance` (N,) in [m].

    The distance is negative inside.
    """

    points: NDArray[np.float32]
    distance: NDArray[np.float32]

    def __post_init__(self) -> None:
        _check("ImplicitShape.points", self.points, None, 3)
        _check("ImplicitShape.distance", self.distance, len(self.points))


@dataclass(frozen=True)
class WrenchSignal:
    """Force and torque at the wrist: float32 (T, 6) in [N] and [N m] in the tool frame, `sample_hz` a second.

    It is what the hand and the thing in it pull and turn the arm by, gravity included.
    """

    wrench: NDArray[np.float32]
    sample_hz: float

    def __post_init__(self) -> None:
        _check("WrenchSignal.wrench", self.wrench, None, 6)
        _check_above_zero("WrenchSignal.sample_hz", self.sample_hz, "Hz")


@dataclass(frozen=True)
class ObjectSlots:
    """A picture and where its K things are: bool `masks` (K, H, W). `len` is K."""

    frame: CameraFrame
    masks: NDArray[np.bool_]

    def __post_init__(self) -> None:
        _check("ObjectSlots.masks", self.masks, None, *self.frame.rgb.shape[:2])

    def __len__(self) -> int:
        return len(self.masks)
