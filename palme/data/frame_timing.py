"""Timing of a recorded episode: the true intervals between its frames, and which frames were late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LATE = 0.005  # [s] beyond the nominal interval


@dataclass(frozen=True)
class FrameTiming:
    """Timing of one episode. The field names are columns of palme/runs.

    Attributes:
        nominal_ms: 1000 / fps.
        mean_ms: mean interval between capture times in [ms]; min, median, p99 and max follow.
        late_frames: frames that came more than 5 ms after they were due.
        repeated: (camera, frame) of each image that repeats the previous one because the encoder's queue
            was full.
        longest_wait_ms: longest time in [ms] that a full queue delayed the control loop.
        oldest_picture_ms: age in [ms] of the oldest image when its frame was recorded.
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
        text = (
            f"frame interval {self.mean_ms:.2f} ms (nominal {self.nominal_ms:g} ms, max {self.max_ms:.2f} ms)"
            f", frames more than {1e3 * LATE:g} ms late: {len(self.late_frames)}"
        )
        if self.repeated:
            text += f"; ENCODER FELL BEHIND: {len(self.repeated)} images repeat the previous one"
        return text


def measure_timing(
    capture_time: NDArray[np.float64],
    fps: float,
    repeated: Mapping[str, Sequence[int]],
    waited: float = 0.0,
    age: float = 0.0,
) -> FrameTiming:
    """Timing of an episode.

    Args:
        capture_time: (T,) capture times of the frames in [s].
        fps: nominal frame rate in [Hz].
        repeated: by camera, the frames whose image repeats the previous one.
        waited: longest wait on a full queue in [s].
        age: age of the oldest image in [s].
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
