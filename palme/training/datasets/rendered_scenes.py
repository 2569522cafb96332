"""Rendered, labelled scenes (`palme collect what=scenes`), memory-mapped from one folder per worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from palme.training.datasets.finished_parts import finished_parts

Labels = dict[str, Tensor]
"""Arrays of `RenderedScenes` by name, one row a picture."""

ARRAYS = (
    "rgb",
    "depth_mm",
    "intrinsics",
    "base_from_camera",
    "entity",
    "size",
    "point",
    "centre",
    "holder",
    "visible",
    "held",
    "clear",
    "yaw",
    "place_yaw",
    "opening",
    "place_in",
    "free",
)


class RenderedScenes:
    """Pictures with labels, of the parts of a folder that are finished.

    Per picture (K object rows, unused rows have entity -1): rgb (H, W, 3) uint8; depth_mm (H, W) uint16;
    intrinsics (3, 3) in [px]; base_from_camera (4, 4); entity, size, holder (K,) int8, holder -1 = table;
    point (K, 3) the centre of a solid's top face or of a bowl's floor in [m]; centre (K, 3) the point that
    its heat marks; visible (K,) in [0, 1]; held, clear (K,) bool; yaw (K, 36) uint8, 1 where a grasp at that
    bin is good; place_yaw (K, 36) likewise for letting go in or on it; opening (K,) in [0, 1]; place_in
    (K, 3) where to let go in that bowl; free (H/4, W/4) uint8: 1 free table, 0 not free, 255 not table.

    Args:
        folder: what `palme collect` wrote, a folder of parts.
        parts: which of them, in the order of their names.

    Raises:
        FileNotFoundError: if no part is finished.
    """

    def __init__(self, folder: str | Path, parts: slice = slice(None)) -> None:
        folders = finished_parts(folder, parts, "run `palme collect`")
        self.parts = [{k: np.load(p / f"{k}.npy", mmap_mode="r") for k in ARRAYS} for p in folders]
        self.sizes = np.array([len(p["entity"]) for p in self.parts])
        self.ends = np.cumsum(self.sizes)

    def __len__(self) -> int:
        return int(self.ends[-1])

    def in_order(self, n: int, size: int = 32) -> Iterator[Labels]:
        """The first `n` pictures, or all if there are fewer, in batches of at most `size`."""
        n = min(n, len(self))
        for start in range(0, n, size):
            yield self.batch(np.arange(start, min(start + size, n)))

    def batch(self, indices: np.ndarray) -> Labels:
        """The pictures `indices` (B,): rgb (B, 3, H, W), depth_mm in [m] here, the rest as above."""
        part = np.searchsorted(self.ends, indices, side="right")
        row = indices - (self.ends - self.sizes)[part]
        out = {}
        for key in ARRAYS:
            stack = np.stack([self.parts[p][key][r] for p, r in zip(part, row, strict=True)])
            if key == "depth_mm":
                stack = stack.astype(np.float32) / 1000
            elif key == "rgb":
                stack = stack.transpose(0, 3, 1, 2)
            elif key in ("entity", "size", "holder"):
                stack = stack.astype(np.int64)
            elif stack.dtype == np.float64:
                stack = stack.astype(np.float32)
            out[key] = torch.from_numpy(np.ascontiguousarray(stack))
        return out
