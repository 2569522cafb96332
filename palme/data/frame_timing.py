"""Timing of a recorded episode: the true intervals between its frames, and which frames were late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LATE = 0.005  # [s] beyond the nominal interval
STOPPED = 0.5  # [s] without a new picture


@dataclass(frozen=True)
class FrameTiming:
    """Timing of one episode. The field names are columns of palme/runs.

    Attributes:
        nominal_ms: 1000 / fps.
        mean_ms: mean interval between capture times in [ms]; min, median, p99 and max follow.
        late_frames: frames that came more than 5 ms after they were due.
        repeated: (camera, frame) of each image that repeats the previous one: its camera had no newer one, or
            the encoder's queue was full.
        longest_wait_ms: longest time in [ms] that a full queue delayed the control loop.
        oldest_picture_ms: age in [ms] of the oldest image when its frame was recorded.
        encoder_repeats: how many of `repeated` are due to the encoder.
        pictures: by camera, when the picture that each frame shows was taken, in [s] on the clock of
            `capture_time`; () in data sets of earlier versions.
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
    encoder_repeats: int = 0
    pictures: tuple[tuple[str, tuple[float, ...]], ...] = ()

    @property
    def sentence(self) -> str:
        """One line for a person."""
        text = (
            f"frame interval {self.mean_ms:.2f} ms (nominal {self.nominal_ms:g} ms, max {self.max_ms:.2f} ms)"
            f", frames more than {1e3 * LATE:g} ms late: {len(self.late_frames)}"
        )
        frames = {camera: len(times) for camera, times in self.pictures}
        for camera, n in self.repeats.items():
            of = f" of {frames[camera]} ({100 * n / frames[camera]:.0f} %)" if camera in frames else ""
            text += f"; {camera}: {n}{of} pictures repeat the one before"
        for camera, seconds in self.silent.items():
            text += f"; CAMERA {camera} STOPPED: no new picture in the last {seconds:.1f} s"
        if self.encoder_repeats:
            text += f"; ENCODER FELL BEHIND: {self.encoder_repeats} images repeat the previous one"
        return text

    @property
    def repeats(self) -> dict[str, int]:
        """By camera, how many images repeat the previous one; cameras without one are left out."""
        return dict(Counter(camera for camera, _ in self.repeated))

    @property
    def silent(self) -> dict[str, float]:
        """By camera that had stopped at the end, how long in [s] it had given no new picture.

        A camera counts as stopped after `STOPPED`, if that is three of its usual intervals.
        """
        found = {}
        for camera, times in self.pictures:
            new = np.unique(times)  # sorted
            usual = float(np.median(np.diff(new))) if len(new) > 1 else 0.0
            seconds = (times.count(times[-1]) - 1) * self.nominal_ms / 1e3
            if seconds > STOPPED and seconds > 3 * usual:
                found[camera] = seconds
        return found


class ShownPictures:
    """Which picture of each camera each frame shows, and when it was taken.

    Attributes:
        times: by camera, when the picture of each frame was taken, in [s].
        repeated: by camera, the frames whose picture repeats the one before.
        encoder_repeats: how many of them are due to the encoder.
    """

    def __init__(self, cameras: Sequence[str]) -> None:
        self.times: dict[str, list[float]] = {camera: [] for camera in cameras}
        self.repeated: dict[str, list[int]] = {camera: [] for camera in cameras}
        self.encoder_repeats = 0
        self._cameras = tuple(cameras)
        self._keys: list[float | None] = [None] * len(cameras)

    def add(self, camera: int, key: float | None, time: float, accepted: bool) -> None:
        """The next frame of one camera.

        Args:
            camera: its number.
            key: equal for one and the same picture; None = it is a new one.
            time: when it was taken, in [s].
            accepted: whether the encoder took it; otherwise the frame shows the one before.
        """
        times, repeated = self.times[self._cameras[camera]], self.repeated[self._cameras[camera]]
        is_old = not accepted or (key is not None and key == self._keys[camera])
        if accepted:
            self._keys[camera] = key
        self.encoder_repeats += not accepted
        if is_old and times:
            repeated.append(len(times))
        times.append(times[-1] if is_old and times else time)


def measure_timing(
    capture_time: NDArray[np.float64],
    fps: float,
    shown: ShownPictures,
    waited: float = 0.0,
    age: float = 0.0,
) -> FrameTiming:
    """Timing of an episode.

    Args:
        capture_time: (T,) capture times of the frames in [s].
        fps: nominal frame rate in [Hz].
        shown: the pictures of the frames.
        waited: longest wait on a full queue in [s].
        age: age of the oldest image in [s].
    """
    nominal = 1 / fps
    steps = np.diff(capture_time)
    if len(steps) == 0:
        steps = np.array([nominal])
    late = tuple((np.flatnonzero(steps > nominal + LATE) + 1).tolist())
    p50, p99 = np.percentile(steps, [50, 99])
    pairs = tuple((camera, frame) for camera, frames in shown.repeated.items() for frame in frames)
    mean, low, median, p99, high = (
        float(1e3 * x) for x in (steps.mean(), steps.min(), p50, p99, steps.max())
    )
    times = {name: np.array(taken) - capture_time[0] for name, taken in shown.times.items()}
    pictures = tuple((name, tuple(taken.tolist())) for name, taken in times.items())
    return FrameTiming(
        1e3 * nominal, mean, low, median, p99, high, late, pairs, 1e3 * waited, 1e3 * age,
        shown.encoder_repeats, pictures,
    )  # fmt: skip
