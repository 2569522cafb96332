"""A finished episode is never lost, whenever the writer is killed and whatever the disk refuses."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil

import pytest

from palme.cli.bench.record import kills
from palme.data import files, layout, writer
from palme.data.check import check
from palme.data.episode_index import read_entries
from palme.data.errors import DamagedDatasetError, WriteError
from palme.data.inline import InlineEncoder
from palme.data.reader import Dataset
from palme.data.repair import repair
from palme.data.synthetic import Scenery, difference, record, row, schema, task
from palme.data.writer import DatasetWriter
from tests.data_rig import BLIND, SMALL, copied, count, patient, recorded, three

__all__ = ["three"]


class Killed(BaseException):
    """As SIGKILL between two system calls, for one that a test can wait for."""


def test_sigkill_at_random_instants_loses_no_finished_episode(tmp_path):
    found = kills(tmp_path / "d", 15, seed=0, setting={"frames": 4, "cameras": 1, "inline": True})
    assert (found["lost"], found["unreadable"]) == (0, 0), found
    assert found["left_unfinished"] > 0 and found["episodes"] >= 8, found


def test_an_encoder_process_outlived_by_no_writer_leaves_nothing_in_the_way(tmp_path):
    found = kills(tmp_path / "d", 2, seed=1)
    assert (found["lost"], found["unreadable"]) == (0, 0), found


@pytest.mark.parametrize("first", [True, False])
def test_after_any_prefix_of_the_renames_the_data_set_reads_and_the_next_writer_settles_it(
    tmp_path, monkeypatch, first
):
    before = 0 if first else 1
    base = recorded(tmp_path / "base", 1, 4, SMALL) if not first else tmp_path / "nothing"
    renames, publish = 0, files.publish

    def breaking(temporary, final):
        nonlocal renames
        if renames == stop:
            raise Killed
        renames += 1
        publish(temporary, final)

    monkeypatch.setattr(writer, "publish", breaking)
    with_row = []
    for stop in range(20):
        root = tmp_path / f"d{stop}"
        if not first:
            shutil.copytree(base, root)
        elif stop == 0:
            continue  # info.json itself: then there is nothing yet
        renames = 0
        try:
            with DatasetWriter(root, SMALL, InlineEncoder) as dataset:
                record(dataset, Scenery(SMALL, 0.0), 1, 4)
        except Killed:
            pass
        else:
            break
        seen = count(root)
        assert seen == before
        assert [difference(episode) for episode in Dataset(root).episodes()] == [""] * seen
        with_row.append(len(read_entries(root, SMALL.features())) > before)
        repair(root)
        assert check(root, deep=True) == [] and count(root) == before + with_row[-1]
        assert [difference(e) for e in Dataset(root).episodes()] == [""] * (before + with_row[-1])
    assert stop == (1 if first else 0) + 2 + 3 + 1 + (2 if first else 1) + 1 + 2
    assert with_row == sorted(with_row) and sum(with_row) == 2  # whole from the row on, counted by info.json


def test_the_next_writer_goes_on_after_a_half_done_episode(tmp_path):
    root = recorded(tmp_path / "d", 1, 4, BLIND)
    data = root / layout.path_of(layout.DATA, 0)
    shutil.copy(data, root / layout.path_of(layout.DATA, 1))  # as if killed before the row of meta/episodes
    (root / layout.UNFINISHED / "x").mkdir(parents=True)
    with DatasetWriter(root, BLIND) as dataset:
        assert len(dataset.recovered) == 2
        record(dataset, Scenery(BLIND, 0.0), 1, 4)
    assert check(root) == [] and count(root) == 2


def test_nothing_is_removed_where_info_counts_more_than_there_is(tmp_path):
    root = recorded(tmp_path / "d", 2, 4, BLIND)
    one = recorded(tmp_path / "one", 1, 4, BLIND)
    shutil.copy(one / layout.path_of(layout.EPISODES, 0), root / layout.path_of(layout.EPISODES, 0))
    with pytest.raises(DamagedDatasetError, match="counts 2 episodes, meta/episodes lists 1"):
        DatasetWriter(root, BLIND)
    assert (root / layout.path_of(layout.DATA, 1)).exists()


def test_a_writer_goes_on_after_a_save_that_broke_off_among_its_renames(tmp_path, monkeypatch):
    publish, left = files.publish, 0

    def breaking(temporary, final):
        nonlocal left
        left -= 1
        if left == 0:
            raise WriteError(f"{final}: no space left on device")
        publish(temporary, final)

    monkeypatch.setattr(writer, "publish", breaking)
    with DatasetWriter(tmp_path / "d", BLIND) as dataset:
        for left in range(1, 8):
            before = len(dataset.entries)
            with pytest.raises(WriteError):
                record(dataset, Scenery(BLIND, 0.0), 1, 3)
            left = 0
            record(dataset, Scenery(BLIND, 0.0), 1, 3)
            assert len(dataset.entries) in (before + 1, before + 2)
    assert check(tmp_path / "d") == []


@pytest.mark.parametrize("full_at", range(0, 8, 2))
def test_a_disk_that_fills_up_while_saving_is_told(tmp_path, monkeypatch, full_at):
    root = recorded(tmp_path / "d", 1, 4, BLIND)
    written, sync = 0, files.sync

    def full(path):
        nonlocal written
        written += 1
        if written > full_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(path)

    with DatasetWriter(root, BLIND) as dataset:
        episode = dataset.begin(task(1))
        episode.add(row(BLIND, Scenery(BLIND, 0.0), 1, 0))
        monkeypatch.setattr(files, "sync", full)
        with pytest.raises(WriteError, match="no space left.*free some space.*finished episode is kept"):
            episode.save()
        monkeypatch.undo()
    repair(root)
    assert check(root) == [] and difference(Dataset(root).episode(0)) == ""
    recorded(root, 1, 4, BLIND)  # and there is room again


def test_a_disk_that_fills_up_while_encoder_is_told(tmp_path):
    made = schema(128, 192, cameras=1)
    root = recorded(tmp_path / "d", 1, 3, made)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with DatasetWriter(root, made, patient) as dataset:
        episode = dataset.begin(task(1))
        resource.prlimit(dataset._encoder._process.pid, resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(WriteError, match="front.mp4.*every finished episode is kept"):
            for frame in range(2000):
                episode.add(row(made, Scenery(made, 20.0), 1, frame))
    assert check(root) == [] and count(root) == 1


def test_what_info_does_not_count_is_not_read(three, tmp_path):
    root = copied(three, tmp_path / "d")
    info = json.loads((root / layout.INFO).read_text())
    (root / layout.INFO).write_text(json.dumps(info | {"total_episodes": 2, "total_frames": 48}))
    assert len(Dataset(root)) == 48
    assert "counts 2 episodes, meta/episodes lists 3" in "".join(map(str, check(root)))
    assert "added 1 complete episode(s) to info.json" in repair(root)[0]
    assert len(Dataset(root)) == 72 and check(root) == []
