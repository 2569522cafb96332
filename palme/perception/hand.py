"""The hand's outline as it comes from above, and how far measured points are from it."""

from __future__ import annotations

import numpy as np

from robots.types import Array

TIP_BELOW, PALM_UP = 0.0088, 0.036
"""[m] that finger tips reach below the tool's frame, and where the palm begins above it."""
PALM = (0.104, 0.032)
"""[m] half the palm's length along closing, and half its width."""


def box_gap(along: Array, aside: Array, half_length: float, half_width: float) -> Array:
    """Signed distance (K,) in [m] of points to a box around the origin, negative inside.

    Args:
        along, aside: (K,) of the points in [m], in the box's axes.
        half_length, half_width: of the box in [m].
    """
    dx, dy = np.abs(along) - half_length, np.abs(aside) - half_width
    return np.hypot(np.maximum(dx, 0.0), np.maximum(dy, 0.0)) + np.minimum(np.maximum(dx, dy), 0.0)
