"""Whether an episode was recorded in time: how far apart its frames truly are, and which were late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LATE = 0.005  # [s] beyond the nominal interval


@dataclass(frozen=True)
class FrameTiming:
    """The report of one episode.

    Attributes:
        nominal_ms: 1000 / fps; the next five are of the intervals between capture times.
        late_frames: those that came more than 5 ms after they were due.
        repeated: by camera, the frames that show the picture before once more, the queue being full.
        longest_wait_ms: that the loop was kept waiting by a full queue.
        oldest_picture_ms: the age of the oldest picture when its frame was taken.
    """

    nominal_ms: float
    mean_ms: float
    min_ms: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    late_frames: tuple[int, ...] = ()
    repeated: tuple[tuple[str, int], ...] = ()
    longest_wait_ms: float = 0.0
    oldest_picture_ms: float = 0.0

    @property
    def sentence(self) -> str:
        """One line for a person."""
        said = f"every {self.mean_ms:.2f} ms (nominal {self.nominal_ms:g}), at most {self.max_ms:.2f}"
        said += f", {len(self.late_frames)} late by more than {1e3 * LATE:g} ms"
        if self.repeated:
            said += f"; THE ENCODER FELL BEHIND: {len(self.repeated)} pictures are repeats of the one before"
        return said


def measure_timing(
    capture_time: NDArray[np.float64],
    fps: float,
    repeated: Mapping[str, Sequence[int]],
    waited: float = 0.0,
    age: float = 0.0,
) -> FrameTiming:
    """The report of an episode with frames at `capture_time` (T,) in [s].

    Args:
        repeated: frames by camera that got no picture of their own.
        waited: [s] the longest wait on a full queue.
        age: [s] of the oldest picture.
    """
    nominal = 1 / fps
    steps = np.diff(capture_time)
    if len(steps) == 0:
        steps = np.array([nominal])
    late = tuple((np.flatnonzero(steps > nominal + LATE) + 1).tolist())
    p50, p99 = np.percentile(steps, [50, 99])
    pairs = tuple((camera, frame) for camera, frames in repeated.items() for frame in frames)
    mean, low, median, p99, high = (
        float(1e3 * x) for x in (steps.mean(), steps.min(), p50, p99, steps.max())
    )
    return FrameTiming(1e3 * nominal, mean, low, median, p99, high, late, pairs, 1e3 * waited, 1e3 * age)
