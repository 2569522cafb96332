"""The head of the chunk policy that a training goes on with."""

from __future__ import annotations

from collections.abc import Mapping

from palme.data.errors import TrainingDataError
from palme.policies.chunk import ChunkHead, load_head


def begin_head(n_joints: Mapping[str, int], start: str) -> ChunkHead:
    """The head in the file `start`, or an untrained one where that is "".

    Args:
        n_joints: what is learned from -> how many joints it has.

    Raises:
        TrainingDataError: for data of different arms.
    """
    counts = set(n_joints.values())
    if len(counts) != 1:
        told = ", ".join(f"{name} of {n} joints" for name, n in n_joints.items())
        raise TrainingDataError(f"{told}: record and demonstrate with one arm, see arm=")
    n = counts.pop()
    return load_head(start, n) if start else ChunkHead(n)
