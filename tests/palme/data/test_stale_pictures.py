"""A picture that repeats the one before is counted, and keeps the time at which it was taken."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palme.data.check import check
from palme.data.frame_timing import ShownPictures, measure_timing
from palme.data.inline import InlineEncoder
from palme.data.reader import Dataset
from palme.data.recorder import BackgroundCameras, Recorder, latest_images, schema_of
from palme.data.writer import DatasetWriter
from robots.robot import Robot
from robots.teleop.pictures import FetchedPictures
from robots.types import CameraFrame, JointCommand, Observation, dated
from tests.teleop_rig import GateArm

HZ = 20.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def a_frame(value: int) -> CameraFrame:
    return CameraFrame(np.full((48, 64, 3), value % 250, np.uint8), None, np.eye(3), np.eye(4))


class Cameras:
    """Pictures of two cameras, each at its own rate until it stops, on a clock of their own."""

    def __init__(self, clock: Clock, rates: dict[str, float], stop: dict[str, float]) -> None:
        self._clock, self._rates, self._stop = clock, rates, stop

    def newest(self, camera: str) -> tuple[CameraFrame, float]:
        since = min(self._clock.now - 100.0, self._stop.get(camera, np.inf))
        k = int(since * self._rates[camera] + 1e-9)
        return a_frame(k), 100.0 + k / self._rates[camera]


def recorded(root: Path, monkeypatch: Any, rates: dict[str, float], stop: dict[str, float], n: int) -> Any:
    clock = Clock()
    arm = GateArm()
    look = latest_images(arm, Cameras(clock, rates, stop), tuple(rates), timeout=60.0)  # type: ignore[arg-type]
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", clock)
        seen, _ = look()
        with DatasetWriter(root, schema_of(arm, seen), InlineEncoder) as dataset:
            recorder = Recorder(arm, dataset, look)
            recorder.begin("watch")
            for tick in range(n):
                clock.now = 100.0 + tick / HZ
                recorder.command(JointCommand(arm.observe(()).robot.q, 1.0, tick, tick / HZ))
            recorder.save()
    assert check(root, deep=True) == []
    return Dataset(root).episode(0)


@pytest.mark.parametrize(
    ("hz", "share"), [(20.0, 0.0), (10.0, 0.5), (4.0, 0.8), (5.0, 0.75), (2.0, 0.9), (1.0, 0.95), (30.0, 0.0)]
)
def test_a_slow_camera_repeats_pictures_and_the_true_number_is_said(tmp_path, monkeypatch, hz, share):
    timing = recorded(tmp_path / "d", monkeypatch, {"front": hz, "wrist": HZ}, {}, 200).sidecar.timing
    assert timing.repeats.get("front", 0) == pytest.approx(share * 200, abs=2)
    assert timing.repeats.get("wrist", 0) == 0 and not timing.silent and not timing.encoder_repeats
    if share:
        assert f"front: {timing.repeats['front']} of 200" in timing.sentence
    shown = dict(timing.pictures)
    assert len(shown["front"]) == len(shown["wrist"]) == 200
    new = np.unique(np.round(shown["front"], 9))
    assert np.diff(new) == pytest.approx(1 / min(hz, HZ), abs=1 / HZ)  # each keeps its own time
    ages = np.arange(200) / HZ - np.array(shown["front"])
    assert (ages > -1e-9).all() and ages.max() <= 1 / hz + 1e-9


@pytest.mark.parametrize("stopped_at", (0.05, 1.0, 4.0, 9.0))
@pytest.mark.parametrize("hz", (4.0, 20.0))
def test_a_camera_that_stops_is_named(tmp_path, monkeypatch, stopped_at, hz):
    rates = {"front": HZ, "wrist": hz}
    timing = recorded(tmp_path / "d", monkeypatch, rates, {"wrist": stopped_at}, 200).sidecar.timing
    assert list(timing.silent) == ["wrist"] and "CAMERA wrist STOPPED" in timing.sentence
    assert timing.silent["wrist"] == pytest.approx(10.0 - stopped_at, abs=1 / hz + 1 / HZ)


def test_a_frame_that_the_encoder_repeats_keeps_the_time_of_what_it_shows():
    shown = ShownPictures(["front"])
    for frame, accepted in enumerate((True, True, False, False, True)):
        shown.add(0, None, frame / HZ, accepted)
    timing = measure_timing(np.arange(5) / HZ, HZ, shown)
    assert timing.repeated == (("front", 2), ("front", 3)) and timing.encoder_repeats == 2
    assert timing.pictures == (("front", (0.0, 0.05, 0.05, 0.05, 0.2)),)
    assert "ENCODER FELL BEHIND: 2" in timing.sentence


def test_a_picture_that_came_again_byte_for_byte_is_the_same_one():
    first = dated(a_frame(1), 5.0, None)
    again, new = dated(a_frame(1), 6.0, first), dated(a_frame(2), 7.0, first)
    assert (first.taken, again.taken, new.taken) == (5.0, 5.0, 7.0)


class Frozen:
    """A driver that answers at once, and for a while with the frame that it has already given."""

    spec = GateArm().spec

    def __init__(self) -> None:
        self.n = 0

    def picture(self, camera: str) -> CameraFrame:
        self.n += 1
        return a_frame(min(self.n, 3))


def test_a_frozen_camera_across_the_bridge_is_not_taken_for_a_live_one():
    pictures = FetchedPictures(Frozen(), ("front",))
    try:
        limit = time.monotonic() + 20
        while pictures._arm.n < 6 and time.monotonic() < limit:  # type: ignore[attr-defined]
            time.sleep(0.01)
        (frame, asked), now = pictures.newest("front"), time.monotonic()
    finally:
        pictures.close()
    assert frame.taken is not None and frame.taken < asked <= now


def test_background_cameras_date_each_picture_and_a_frozen_one_keeps_its_date():
    class Arm(GateArm):
        n = 0

        def observe(self, cameras=None) -> Observation:
            seen = super().observe(())
            if cameras is not None and not cameras:
                return seen
            type(self).n += 1
            return Observation({"front": a_frame(self.n), "wrist": a_frame(7)}, seen.robot, seen.t_mono)

    arm: Robot = Arm()
    watcher = BackgroundCameras(arm, ("front", "wrist"))
    try:
        limit = time.monotonic() + 20
        while Arm.n < 4 and time.monotonic() < limit:
            time.sleep(0.01)
        seen, age = watcher.capture()
    finally:
        watcher.close()
    assert seen.images["wrist"].taken < seen.images["front"].taken and age < 5
