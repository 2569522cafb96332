"""What goes in comes out: frames, texts, pictures, statistics; a loop that is never kept waiting."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from palme.data import layout, stats
from palme.data.check import check
from palme.data.encoding import EncoderProcess
from palme.data.episode_index import episode_files, read_stats
from palme.data.errors import (
    DatasetBusyError,
    EncoderError,
    EpisodeNotFoundError,
    InvalidFrameError,
    NotADatasetError,
    SchemaMismatchError,
    WriteError,
)
from palme.data.frame_timing import ShownPictures, measure_timing
from palme.data.reader import Dataset
from palme.data.schema import Schema, View
from palme.data.synthetic import TOLERANCE, Scenery, difference, numbers, row, schema, step, task
from palme.data.writer import DatasetWriter
from tests.data_rig import BLIND, SMALL, count, patient, recorded, three

__all__ = ["three"]


def test_every_number_text_and_picture_comes_back(three):
    dataset = Dataset(three)
    assert len(dataset) == 72 and dataset.cameras == ("front", "wrist")
    assert [difference(episode) for episode in dataset.episodes()] == ["", "", ""]
    frame = dataset[24 + 5]
    assert (frame.episode_index, frame.frame_index, frame.task, frame.step) == (1, 5, task(1), step(5))
    assert np.array_equal(frame.action, numbers(1, 5)[1]) and frame.timestamp == pytest.approx(0.25)
    assert [bool(x) for x in dataset.episode(0).numbers["intervention"][5:8]] == [False, True, False]


def test_any_picture_in_any_order_is_the_one_read_in_turn(three):
    in_turn = {c: [list(e.images(c)) for e in Dataset(three).episodes()] for c in ("front", "wrist")}
    dataset = Dataset(three, cache_mb=0)
    for index in np.random.default_rng(0).permutation(72):
        for camera, rgb in dataset[int(index)].images.items():
            assert np.array_equal(rgb, in_turn[camera][index // 24][index % 24])


def test_files_are_laid_out_as_v3_has_it(three):
    info = json.loads((three / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0" and info["splits"] == {"train": "0:3"}
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (3, 72, 3)
    data = pq.read_schema(three / "data/chunk-000/file-001.parquet")
    kind = data.field("action").type
    assert str(kind).startswith("fixed_size_list<") and kind.list_size == 8
    assert data.field("timestamp").type == "float" and data.field("intervention").type == "bool"
    assert not [name for name in data.names if "images" in name]
    assert (three / "videos/observation.images.wrist/chunk-000/file-002.mp4").exists()
    episodes = pq.read_table(three / "meta/episodes/chunk-000/file-000.parquet").to_pylist()[2]
    assert (episodes["dataset_from_index"], episodes["dataset_to_index"], episodes["length"]) == (48, 72, 24)
    assert episodes["videos/observation.images.front/to_timestamp"] == pytest.approx(1.2)
    assert np.shape(episodes["stats/observation.images.front/q99"]) == (3, 1, 1)


@pytest.mark.parametrize("n", [1, 2, 500])
def test_statistics_are_those_of_the_rows(n):
    rows = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    found = stats.column_stats(rows)
    assert np.array_equal(found["min"], rows.min(0)) and found["count"] == [n]
    assert np.allclose(found["mean"], rows.mean(0), atol=1e-6) and np.allclose(
        found["std"], rows.std(0), atol=1e-6
    )
    if n > 2:
        for name, q in stats.QUANTILES.items():
            exact = np.quantile(rows, q, axis=0, method="inverted_cdf")
            assert np.allclose(found[name], exact, atol=2 * np.ptp(rows) / stats.BINS)


def test_statistics_of_parts_put_together_are_those_of_the_whole():
    rows = np.random.default_rng(1).normal(size=(600, 2)) * [1, 30]
    parts = stats.aggregate([{"x": stats.column_stats(part)} for part in np.split(rows, [100, 350])])["x"]
    whole = stats.column_stats(rows)
    for name in ("min", "max", "mean", "std", "count"):
        assert np.allclose(parts[name], whole[name])


def test_statistics_of_pictures_count_every_picture(three):
    dataset = Dataset(three)
    mine = read_stats(three, dataset.features)[0]["observation.images.front"]
    seen = np.stack([Scenery(SMALL, 0.0).picture(0, 0, frame) for frame in range(24)]) / 255
    assert mine["count"] == [24] and mine["mean"].shape == (3, 1, 1)
    assert np.allclose(mine["mean"].ravel(), seen.mean((0, 1, 2)))
    assert np.allclose(mine["std"].ravel(), seen.std((0, 1, 2)))
    assert np.allclose(mine["q50"].ravel(), np.quantile(seen, 0.5, axis=(0, 1, 2)), atol=0.01)


def test_recording_goes_on_where_the_last_one_ended(tmp_path):
    for n in (1, 2, 3):
        recorded(tmp_path / "d", 1, 5, BLIND)
        assert count(tmp_path / "d") == n
    assert [difference(episode) for episode in Dataset(tmp_path / "d").episodes()] == ["", "", ""]


def test_a_file_lists_so_many_episodes_and_the_next_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "ROWS", 3)
    root = recorded(tmp_path / "d", 5, 2, BLIND)
    recorded(root, 2, 2, BLIND)
    assert [len(pq.read_table(path)) for path in episode_files(root)] == [3, 3, 1]
    assert count(root) == 7 and check(root) == [] and difference(Dataset(root).episode(6)) == ""


def test_there_is_one_writer(tmp_path):
    with DatasetWriter(tmp_path / "d", BLIND):
        with pytest.raises(DatasetBusyError, match=str(os.getpid())):
            DatasetWriter(tmp_path / "d", BLIND)
    DatasetWriter(tmp_path / "d", BLIND).close()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (schema(48, 64, cameras=1), "observation.images.front"),
        (replace(BLIND, fps=30), "fps"),
        (replace(BLIND, joints=BLIND.joints[:6]), "shape"),
        (replace(BLIND, robot_type="another"), "robot_type"),
    ],
)
def test_another_arm_is_not_recorded_into_the_same_data_set(tmp_path, other, said):
    DatasetWriter(tmp_path / "d", BLIND).close()
    with pytest.raises(SchemaMismatchError, match=said):
        DatasetWriter(tmp_path / "d", other, lambda made: None)


def test_sizes_that_the_video_cannot_hold_are_refused_by_name():
    with pytest.raises(SchemaMismatchError, match="camera front: 241x176"):
        Schema("a", 20, ("j",), (View("front", 176, 241),))


@pytest.mark.parametrize("what", ["state", "action", "requested"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_not_recorded(tmp_path, what, value):
    with DatasetWriter(tmp_path / "d", BLIND) as dataset:
        episode = dataset.begin("go")
        good = row(BLIND, Scenery(BLIND, 0.0), 0, 0)
        bad = np.array(getattr(good, what))
        bad[3] = value
        with pytest.raises(InvalidFrameError, match=f"{what} of joint4 is {value}"):
            episode.add(replace(good, **{what: bad}))
        with pytest.raises(InvalidFrameError, match="expected \\(8,\\)"):
            episode.add(replace(good, **{what: bad[:5]}))
        with pytest.raises(InvalidFrameError, match="nothing was commanded"):
            episode.save()


def test_a_full_queue_keeps_the_loop_waiting_no_longer_than_stated_and_is_told(tmp_path):
    max_wait = 0.02
    scenery = Scenery(SMALL, 0.0)
    with DatasetWriter(
        tmp_path / "d", SMALL, lambda s: EncoderProcess(s, queue=0.2, max_wait=max_wait)
    ) as dataset:
        episode = dataset.begin(task(0))
        encoding = dataset._encoder
        episode.add(row(SMALL, scenery, 0, 0))
        os.kill(encoding._process.pid, signal.SIGSTOP)
        try:
            for frame in range(1, 12):  # there is room for four
                episode.add(row(SMALL, scenery, 0, frame))
        finally:
            os.kill(encoding._process.pid, signal.SIGCONT)
        for frame in range(12, 40):
            while len(encoding._free) < 2:
                encoding._wait(0.1)
            episode.add(row(SMALL, scenery, 0, frame))
        assert episode.repeated >= 2 * 7
        _, side = episode.save()
    assert max_wait <= encoding.waited < max_wait + 1.0  # not being let run for a while is no bug
    camera, frame = side.timing.repeated[0]
    assert camera == "front" and 1 <= frame < 12 and "FELL BEHIND" in side.timing.sentence
    kept = Dataset(tmp_path / "d").episode(0)
    assert kept.sidecar.timing == side.timing and check(tmp_path / "d", deep=True) == []
    last = kept[39].images["wrist"].astype(float)
    assert np.abs(last - scenery.picture(1, 0, 39)).mean() < TOLERANCE  # rows and pictures are still in step


def test_a_killed_encoder_loses_its_episode_and_no_other(tmp_path):
    recorded(tmp_path / "d", 1, 5)
    with DatasetWriter(tmp_path / "d", SMALL, patient) as dataset:
        episode = dataset.begin(task(1))
        dataset._encoder._process.kill()
        dataset._encoder._process.wait()
        with pytest.raises(EncoderError, match="every finished one is kept"):
            for frame in range(2):
                episode.add(row(SMALL, Scenery(SMALL, 0.0), 1, frame))
    assert count(tmp_path / "d") == 1


def test_cadence_tells_late_frames_by_number():
    times = np.arange(20) / 20
    times[7:] += 0.03
    found = measure_timing(times, 20, ShownPictures([]))
    assert found.late_frames == (7,) and found.max_ms == pytest.approx(80)
    assert "5 ms late: 1" in found.sentence and "FELL" not in found.sentence


def test_real_capture_times_stand_beside_nominal_ones(tmp_path):
    with DatasetWriter(tmp_path / "d", BLIND) as dataset:
        episode = dataset.begin("go")
        for frame, t in enumerate((50.0, 50.07, 50.1)):
            episode.add(replace(row(BLIND, Scenery(BLIND, 0.0), 0, frame), capture_time=t))
        episode.save()
    numbers_ = Dataset(tmp_path / "d").episode(0).numbers
    assert np.allclose(numbers_["capture_time"], [0, 0.07, 0.1]) and np.allclose(
        numbers_["timestamp"], [0, 0.05, 0.1]
    )


def test_av1_is_recorded_and_read_too(tmp_path):
    root = recorded(tmp_path / "d", 1, 12, replace(schema(64, 96, cameras=1), codec="av1"))
    assert difference(Dataset(root).episode(0)) == ""
    assert Dataset(root).features["observation.images.front"]["info"]["video.codec"] == "av1"


def test_an_episode_that_is_not_there_is_named(three):
    with pytest.raises(EpisodeNotFoundError, match="no episode 3; there are 0 to 2"):
        Dataset(three).episode(3)


def test_a_data_set_can_be_read_while_it_is_recorded(tmp_path):
    with DatasetWriter(tmp_path / "d", BLIND) as dataset:
        assert count(tmp_path / "d") == 0
        for number in range(2):
            episode = dataset.begin(task(number))
            episode.add(row(BLIND, Scenery(BLIND, 0.0), number, 0))
            assert count(tmp_path / "d") == number
            episode.save()
            assert count(tmp_path / "d") == number + 1


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    with pytest.raises(NotADatasetError, match="choose an empty folder"):
        DatasetWriter(tmp_path / "letters", BLIND)
    assert {p.name for p in (tmp_path / "letters").iterdir()} <= {"a.txt", layout.LOCK}
    assert (tmp_path / "letters" / "a.txt").read_text() == "dear"
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError):
        DatasetWriter(tmp_path / "file", BLIND)


def test_an_add_is_a_small_part_of_a_control_tick(tmp_path):
    made = schema(480, 640)
    rows = [row(made, Scenery(made, 0.0), 0, 0)] * 10
    with DatasetWriter(tmp_path / "d", made, patient) as dataset:
        episode = dataset.begin("go")
        cost = []
        for one in rows:
            begin = time.thread_time()  # what it does itself: a busy machine is not what is tested
            episode.add(one)
            cost.append(time.thread_time() - begin)
        episode.discard()
    assert np.median(cost) < 0.010
