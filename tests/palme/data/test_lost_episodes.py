"""Whatever fails while an episode is recorded or saved, it costs that episode alone."""

from __future__ import annotations

import errno
import json
import os
import pathlib
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palme.data import files, inline, layout, sidecar, stats, video, writer
from palme.data.check import check
from palme.data.encoding import EncoderProcess
from palme.data.errors import DataError, EncoderError, InvalidFrameError
from palme.data.inline import InlineEncoder
from palme.data.reader import Dataset
from palme.data.schema import Schema
from palme.data.sidecar import EpisodeEvent, Run
from palme.data.synthetic import Scenery, row, schema, task
from palme.data.writer import DatasetWriter
from tests.data_rig import BLIND, patient

ONE = schema(16, 16, cameras=1)
TINY = Schema("tiny", 20, ("joint1",))

WHERE: dict[str, tuple[Any, str, Schema]] = {
    "rename": (os, "replace", TINY),
    "fsync": (os, "fsync", TINY),
    "open": (os, "open", TINY),
    "mkdir": (os, "mkdir", TINY),
    "write_text": (pathlib.Path, "write_text", TINY),
    "parquet": (pq, "write_table", TINY),
    "arrow array": (pa, "array", TINY),
    "arrow table": (pa, "table", TINY),
    "arrow schema": (pa, "schema", TINY),
    "json": (json, "dumps", TINY),
    "statistics": (stats, "column_stats", TINY),
    "aggregate": (stats, "aggregate", TINY),
    "timing": (writer, "measure_timing", TINY),
    "rows": (writer, "table_of", TINY),
    "sidecars": (writer, "tables", TINY),
    "index": (writer, "entries_table", TINY),
    "publish": (writer, "publish", TINY),
    "image statistics": (stats, "image_stats", ONE),
    "video image": (video, "count_levels", ONE),
    "video add": (video.VideoWriter, "add", ONE),
    "video close": (video.VideoWriter, "close", ONE),
    "video sync": (video, "sync", ONE),
    "video open": (inline, "VideoWriter", ONE),
}
FAULTS: dict[str, Callable[[], BaseException]] = {
    "disk full": lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "arrow": lambda: pa.ArrowInvalid("cannot convert"),
    "encoding": lambda: UnicodeEncodeError("utf-8", "\udce9", 0, 1, "surrogates not allowed"),
    "Ctrl-C": KeyboardInterrupt,
}


def episode(
    dataset: DatasetWriter, scenery: Scenery, number: int, act: Callable[[], None] = lambda: None
) -> int:
    """Record and save one episode of two frames; `act` is called once it has begun."""
    one = dataset.begin(task(number))
    act()
    for frame in range(2):
        made = row(dataset.schema, scenery, number, frame)
        n = dataset.schema.width
        one.add(replace(made, state=made.state[:n], action=made.action[:n], requested=made.requested[:n]))
    return one.save(Run(task(number), seed=number))[0].episode


@pytest.mark.parametrize("where", WHERE)
def test_a_fault_at_any_call_costs_one_episode(where, tmp_path, monkeypatch):
    home, name, made = WHERE[where]
    work = getattr(home, name)
    left = 0  # calls until the fault; 0 = none
    faults = cycle(FAULTS.values())

    def failing(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise next(faults)()
        return work(*args, **kwargs)

    monkeypatch.setattr(home, name, failing)
    monkeypatch.setattr(stats, "BINS", 50)
    scenery, injected = Scenery(made, 0.0), 0
    with DatasetWriter(tmp_path / "d", made, InlineEncoder) as dataset:
        for k in range(1, 40):
            left = k
            try:
                episode(dataset, scenery, len(dataset.entries))
            except (DataError, KeyboardInterrupt):
                injected += 1
            else:
                if left > 0:
                    break  # saved with fewer than k calls
            left = 0
            here = len(dataset.entries)
            number = episode(dataset, scenery, here)
            assert number in (here, here + 1), f"{where}: call {k}"  # it may be whole before the fault
        left = 0
    assert injected, "the fault was never met"
    assert check(tmp_path / "d") == []
    seen = Dataset(tmp_path / "d")
    assert all(len(one.steps) == 2 for one in seen.episodes())
    print(f"{where}: {injected} faults")


@pytest.mark.parametrize("text", ["caf\udce9", "\ud800", "put\x00it", "\x1b[2J", "a\x7f"])
def test_text_that_no_file_can_carry_is_refused_and_the_writer_goes_on(text, tmp_path):
    good = row(BLIND, Scenery(BLIND, 0.0), 0, 0)
    with DatasetWriter(tmp_path / "d", BLIND) as dataset:
        episode(dataset, Scenery(BLIND, 0.0), 0)
        with pytest.raises(InvalidFrameError, match="task sentence of an episode: character"):
            dataset.begin(text)
        one = dataset.begin("second")
        with pytest.raises(InvalidFrameError, match="frame 0: step text: character"):
            one.add(replace(good, step=text))
        one.add(good)
        for make in (lambda: Run(text), lambda: EpisodeEvent(0, 0.0, "planned", answer=text)):
            with pytest.raises(InvalidFrameError, match="U\\+"):
                make()
        assert one.save()[0].episode == 1
        for number in (2, 3):
            assert episode(dataset, Scenery(BLIND, 0.0), number) == number
    assert check(tmp_path / "d") == []


def test_steps_of_a_discarded_episode_are_not_kept(tmp_path):
    with DatasetWriter(tmp_path / "d", BLIND) as dataset:
        one = dataset.begin("first")
        one.add(replace(row(BLIND, Scenery(BLIND, 0.0), 0, 0), step="never finished"))
        one.discard()
        episode(dataset, Scenery(BLIND, 0.0), 0)
    assert "never finished" not in Dataset(tmp_path / "d").steps


def test_an_episode_is_saved_once(tmp_path):
    with DatasetWriter(tmp_path / "d", BLIND) as dataset:
        one = dataset.begin("go")
        one.add(row(BLIND, Scenery(BLIND, 0.0), 0, 0))
        one.save()
        with pytest.raises(InvalidFrameError):
            one.save()
        with pytest.raises(InvalidFrameError, match="begin another"):
            one.add(row(BLIND, Scenery(BLIND, 0.0), 0, 0))
    assert len(Dataset(tmp_path / "d").entries) == 1


@pytest.mark.parametrize("when", ["while it records", "between two episodes"])
def test_an_encoder_that_dies_is_replaced_for_the_next_episode(when, tmp_path):
    scenery = Scenery(ONE, 0.0)
    with DatasetWriter(tmp_path / "d", ONE, patient) as dataset:

        def kill() -> None:
            encoding: Any = dataset._encoder
            assert isinstance(encoding, EncoderProcess)
            encoding._process.kill()
            encoding._process.wait()

        if when == "while it records":
            with pytest.raises(EncoderError):
                episode(dataset, scenery, 0, kill)
        else:
            kill()
        assert episode(dataset, scenery, 0) == 0
    assert check(tmp_path / "d", deep=True) == []


def test_a_failure_told_late_does_not_cost_the_next_episode(tmp_path):
    scenery = Scenery(ONE, 0.0)
    with DatasetWriter(tmp_path / "d", ONE, patient) as dataset:
        one = dataset.begin("first")
        (dataset._folder / "front.mp4").unlink(missing_ok=True)
        encoding: Any = dataset._encoder
        encoding._send(99 % 4, 7, 0)  # no camera has that number: the encoder fails, and says so at leisure
        one.discard()
        assert episode(dataset, scenery, 0) == 0
    assert check(tmp_path / "d") == []


def test_what_a_writer_leaves_unfinished_is_not_in_the_way(tmp_path):
    assert files.sync and sidecar.SCHEMAS  # modules under test above
    with DatasetWriter(tmp_path / "d", BLIND) as dataset:
        dataset.begin("never saved")
        assert (tmp_path / "d" / layout.UNFINISHED).exists()
        assert episode(dataset, Scenery(BLIND, 0.0), 0) == 0
    assert not (tmp_path / "d" / layout.UNFINISHED).exists()
