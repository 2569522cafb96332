"""The initial head of a chunk policy's training."""

from __future__ import annotations

from collections.abc import Mapping

from palme.data.errors import TrainingDataError
from palme.policies.chunk import ChunkHead, load_head


def begin_head(n_joints: Mapping[str, int], start: str) -> ChunkHead:
    """The head in the file `start`, or an untrained one for "".

    Args:
        n_joints: name of each source of data -> its number of joints.
        start: file of weights.

    Raises:
        TrainingDataError: for data of different arms.
    """
    counts = set(n_joints.values())
    if len(counts) != 1:
        given = ", ".join(f"{name}: {n} joints" for name, n in n_joints.items())
        raise TrainingDataError(f"data of different arms ({given}); use data of one arm, see arm=")
    n = counts.pop()
    return load_head(start, n) if start else ChunkHead(n)
