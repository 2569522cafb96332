"""Coordinates on the table as numbers around zero, for encoders of things in space."""

from __future__ import annotations

from torch import Tensor

MIDDLE = (0.5, 0.0, 0.05)  # [m] in the base frame: over the middle of the table
SPREAD = 0.1  # [m] that become 1


def scaled(xyz: Tensor) -> Tensor:
    """Points (..., 3) in [m] in the base frame -> about in [-3, 3]."""
    return (xyz - xyz.new_tensor(MIDDLE)) / SPREAD
