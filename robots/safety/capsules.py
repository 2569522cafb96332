"""Capsules: the bodies of an arm as line segments with a radius, and the distances between them.

Exact and vectorised: the gate evaluates about forty pairs at a dozen postures at once. A collision library
evaluates one pair at a time (measured: python-fcl 9 us a pair and 45 MB installed, coal 5 us and 316 MB;
this module 1 us a pair).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.types import Array

TINY = 1e-18  # [m2], [m4] prevents division by 0; the quotient is clamped afterwards


@dataclass(frozen=True, eq=False)
class Capsules:
    """C capsules, each fixed to a link.

    Attributes:
        links: (C,) 0 = the base, k = what moves with joint k, n_joints + 1 = the tool frame.
        ends: (C, 2, 3) ends of the segments in the frame of their link, in [m].
        radii: (C,) in [m].
    """

    links: NDArray[np.intp]
    ends: Array
    radii: Array

    @classmethod
    def of(cls, rows: Array) -> Capsules:
        """From rows (C, 8) of [link, xyz of one end, xyz of the other, radius]. Its arrays are read-only."""
        rows = np.asarray(rows, dtype=np.float64).reshape(-1, 8)
        made = cls(rows[:, 0].astype(np.intp), rows[:, 1:7].reshape(-1, 2, 3).copy(), rows[:, 7].copy())
        for array in (made.links, made.ends, made.radii):
            array.setflags(write=False)
        return made

    def __len__(self) -> int:
        return len(self.radii)


def segment_distance(between: Array, along_a: Array, along_b: Array, aa: Array, bb: Array) -> Array:
    """(S, K) shortest distances in [m] of K pairs of segments at S postures.

    The closest points of the two lines, clamped to each segment in turn (Ericson, Real-Time Collision
    Detection, 5.1.9): exact for every pair, including parallel and zero-length segments.

    Args:
        between: (S, 3, K) from the start of b to the start of a, in [m].
        along_a, along_b: (S, 3, K) from start to end, in [m].
        aa, bb: (K,) squared lengths in [m2], independent of the posture.
    """
    ab, a0, b0 = ((u * v).sum(1) for u, v in ((along_a, along_b), (along_a, between), (along_b, between)))
    spread = aa * bb - ab * ab  # 0 where parallel: any point of a is a valid start
    s = _unit((ab * b0 - a0 * bb) / np.maximum(spread, TINY))
    t = _unit((ab * s + b0) / np.maximum(bb, TINY))
    s = _unit((ab * t - a0) / np.maximum(aa, TINY))
    squared = (between * between).sum(1) + s * (s * aa + 2 * (a0 - t * ab)) + t * (t * bb - 2 * b0)
    return np.sqrt(np.maximum(squared, 0.0))


def _unit(share: Array) -> Array:
    return np.minimum(np.maximum(share, 0.0), 1.0)
