"""Checking finds what is broken, repair keeps what is whole, episodes move between data sets unchanged."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palme.cli.main import main
from palme.data import layout
from palme.data.check import check
from palme.data.errors import DamagedDatasetError, SchemaMismatchError, WriteError
from palme.data.inline import InlineEncoder
from palme.data.merge_split import copy_episodes
from palme.data.reader import Dataset
from palme.data.repair import repair
from palme.data.schema import VECTORS
from palme.data.sidecar_reader import read_sidecars, sidecar_files
from palme.data.synthetic import Scenery, row, schema
from palme.data.writer import DatasetWriter
from tests.data_rig import BLIND, SMALL, copied, recorded, three

__all__ = ["three"]
FRONT = "videos/observation.images.front/chunk-000/file-001.mp4"
DATA = "data/chunk-000/file-001.parquet"


def changed(root, name, column, change):
    """Rewrite one column of a table."""
    table = pq.read_table(root / name)
    values = table[column].to_pylist()
    change(values)
    at = table.schema.get_field_index(column)
    new = table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))
    pq.write_table(new, root / name)


def cut(root, name):
    os.truncate(root / name, (root / name).stat().st_size // 2)


def at(index, value):
    def change(values):
        values[index] = value

    return change


def nan(values):
    values[5] = [float("nan"), *values[5][1:]]


BREAKS = {
    "video truncated": (lambda r: cut(r, FRONT), FRONT, "truncated", True),
    "video missing": (lambda r: (r / FRONT).unlink(), FRONT, "missing", True),
    "data truncated": (lambda r: cut(r, DATA), DATA, "truncated", True),
    "data missing": (lambda r: (r / DATA).unlink(), DATA, "is missing", True),
    "time off": (lambda r: changed(r, DATA, "timestamp", at(3, 0.17)), DATA, "timestamp 0.17", True),
    "not finite": (lambda r: changed(r, DATA, "action", nan), DATA, "action is not finite at frame 5", True),
    "frame number": (lambda r: changed(r, DATA, "frame_index", at(2, 9)), DATA, "frame_index is 9", True),
    "no such task": (lambda r: changed(r, DATA, "task_index", at(2, 9)), DATA, "task_index up to 9", True),
    "stats missing": (lambda r: (r / layout.STATS).unlink(), layout.STATS, "missing", False),
    "tasks truncated": (lambda r: cut(r, layout.TASKS), layout.TASKS, "truncated", None),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_is_found_and_the_rest_is_kept(three, tmp_path, name):
    root = copied(three, tmp_path / "d")
    assert check(root) == []
    break_it, where, what, loses = BREAKS[name]
    break_it(root)
    problems = check(root)
    assert any(where in p.where and what in p.what for p in problems), problems
    if loses is None:
        return
    assert {p.episode for p in problems} == ({1} if loses else {None})
    done = repair(root)
    assert str(tmp_path / "d.damaged") in done[-1] and (tmp_path / "d.damaged").exists()
    mended, whole = Dataset(root), Dataset(three)
    kept = [0, 2] if loses else [0, 1, 2]
    assert check(root, deep=True) == [] and len(mended.entries) == len(kept)
    for new, old in enumerate(kept):
        assert same(mended.episode(new), whole.episode(old))


def same(a, b):
    """Whether two episodes hold the same rows, texts, pictures and side tables."""
    numbers = all(
        np.array_equal(a.numbers[key], b.numbers[key])
        for key in (*VECTORS, "intervention", "capture_time", "timestamp")
    )
    pictures = all(
        np.array_equal(x, y)
        for camera in a.dataset.cameras
        for x, y in zip(a.images(camera), b.images(camera), strict=True)
    )
    return numbers and pictures and a.task == b.task and a.steps == b.steps and a.sidecar == b.sidecar


def test_counts_that_disagree_are_found_and_counted_anew(three, tmp_path):
    root = copied(three, tmp_path / "d")
    info = json.loads((root / layout.INFO).read_text())
    (root / layout.INFO).write_text(json.dumps(info | {"total_frames": 70}))
    assert "counts 70 frames, meta/episodes 72" in str(check(root)[0])
    repair(root)
    assert check(root) == [] and len(Dataset(root)) == 72


def test_a_data_set_that_is_whole_is_not_touched_by_repair(three, tmp_path):
    root = copied(three, tmp_path / "d")

    def content():
        return {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name != layout.LOCK}

    before = content()
    assert repair(root) == [] and content() == before


def test_merging_moves_episodes_bit_for_bit_into_few_files(three, tmp_path):
    into = tmp_path / "all"
    assert copy_episodes(into, [(Dataset(three), [2, 0]), (Dataset(three), [1])]) == 3
    assert check(into, deep=True) == [] and len(list(into.rglob("*.mp4"))) == 2
    for new, old in enumerate([2, 0, 1]):
        assert same(Dataset(into).episode(new), Dataset(three).episode(old))
    again = tmp_path / "again"  # and out of long files too, whose episodes do not begin at 0
    copy_episodes(again, [(Dataset(into), [1])])
    assert check(again, deep=True) == [] and same(Dataset(again).episode(0), Dataset(three).episode(0))


def test_long_files_are_ended_where_they_are_full(three, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "VIDEO_MB", 0.004)
    monkeypatch.setattr(layout, "DATA_MB", 0.008)
    copy_episodes(tmp_path / "d", [(Dataset(three), [0, 1, 2])])
    assert check(tmp_path / "d", deep=True) == []
    assert len(list((tmp_path / "d" / "data").rglob("*.parquet"))) > 1
    assert len(list((tmp_path / "d" / "videos").rglob("*.mp4"))) > 2


def test_what_does_not_fit_together_is_not_merged(three, tmp_path):
    other = recorded(tmp_path / "o", 1, 3, BLIND)
    with pytest.raises(SchemaMismatchError, match=r"observation.images.front.* is not in .*o"):
        copy_episodes(tmp_path / "d", [(Dataset(three), [0]), (Dataset(other), [0])])
    with pytest.raises(WriteError, match="output path exists"):
        copy_episodes(other, [(Dataset(three), [0])])
    assert not (tmp_path / "d").exists()


def test_the_commands_say_what_they_did(three, tmp_path, capsys):
    def said(*words):
        code = main(["data", *map(str, words)])
        out = capsys.readouterr()
        return code, out.out + out.err

    assert said("check", three) == (0, f"{three}: no problems\n")
    code, text = said("info", three, "episodes=true")
    assert code == 0 and "3 episodes, 72 frames at 20 Hz" in text and "camera wrist: 64x48, h264" in text
    assert "frame interval 50.00 ms" in text and "MB a minute" in text
    assert "action gripper.pos" in said("stats", three, "episode=1")[1]
    assert said("split", three, f"into={tmp_path / 's'}", "train=0.7")[0] == 0
    assert [len(Dataset(tmp_path / "s" / part).entries) for part in ("train", "test")] == [2, 1]
    assert said("merge", tmp_path / "s/train", tmp_path / "s/test", f"into={tmp_path / 'm'}")[0] == 0
    assert all(
        same(a, b) for a, b in zip(Dataset(tmp_path / "m").episodes(), Dataset(three).episodes(), strict=True)
    )
    cut(tmp_path / "m", "videos/observation.images.front/chunk-000/file-000.mp4")
    code, text = said("check", tmp_path / "m")
    assert code == 1 and "palme data repair" in text
    code, text = said("repair", tmp_path / "m")
    assert code == 2 and text.startswith(f"palme: {tmp_path / 'm'}: no episode is complete; first problem: ")
    assert str(check(tmp_path / "m")[0]) in text and text.endswith("; nothing was changed\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["data"], "expected one of: palme data info"),
        (["data", "chek", "x"], "did you mean 'check'"),
        (["data", "check", "nowhere"], "nowhere/meta/info.json does not exist"),
        (["data", "split", "x"], "missing into=PATH"),
        (["data", "check"], "missing PATH"),
        (["replay", "nowhere"], "nowhere/meta/info.json does not exist"),
        (["view"], "expected one PATH"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words, told, capsys, tmp_path, monkeypatch, three):
    monkeypatch.chdir(tmp_path)
    os.symlink(three, "x")
    assert main(words) == 2
    out = capsys.readouterr().err
    assert told in out and "Traceback" not in out


@pytest.fixture(scope="module")
def packed(three, tmp_path_factory):
    into = tmp_path_factory.mktemp("packed") / "d"
    copy_episodes(into, [(Dataset(three), [0, 1, 2])])
    return into


@pytest.mark.parametrize("which", ["three", "packed"])
def test_robovet_finds_nothing_wrong(which, request, tmp_path):
    app = pytest.importorskip("robovet.cli").app
    from typer.testing import CliRunner

    found = tmp_path / "found.json"
    result = CliRunner().invoke(app, ["doctor", str(request.getfixturevalue(which)), "--json", str(found)])
    assert result.exit_code == 0 and "0 fail" in result.output and "0 warn" in result.output, result.output


@pytest.mark.parametrize("which", ["three", "packed"])
def test_lerobot_doctor_finds_nothing_wrong(which, request, capsys):
    cli = pytest.importorskip("lerobot_doctor.cli")
    cli.main(["check", str(request.getfixturevalue(which)), "--ci"])  # leaves by SystemExit where one fails
    assert " 0 fail" in capsys.readouterr().err


def test_a_data_set_from_before_looks_were_kept_is_read_and_merged(three, tmp_path):
    old = copied(three, tmp_path / "old")
    for path in sidecar_files(old, "events"):
        pq.write_table(pq.read_table(path).drop_columns(["camera", "xyz"]), path)
    assert all(one.xyz == () and one.camera == "" for one in read_sidecars(old)[1].events)
    copy_episodes(tmp_path / "both", [(Dataset(old), [1]), (Dataset(three), [0])])
    assert [len(side.events) for side in read_sidecars(tmp_path / "both").values()] == [
        len(read_sidecars(old)[1].events),
        len(read_sidecars(three)[0].events),
    ]


def test_merging_keeps_every_column_or_refuses_by_name(three, tmp_path):
    episodes = layout.path_of(layout.EPISODES, 0)
    marked = copied(three, tmp_path / "marked")
    table = pq.read_table(marked / episodes)
    pq.write_table(table.append_column("operator", pa.array(["a", "b", "c"])), marked / episodes)
    copy_episodes(tmp_path / "both", [(Dataset(marked), [2, 0]), (Dataset(three), [1])])
    assert pq.read_table(tmp_path / "both" / episodes)["operator"].to_pylist() == ["c", "a", None]
    other = copied(three, tmp_path / "other")
    pq.write_table(table.append_column("operator", pa.array([[1], [2], [3]])), other / episodes)
    with pytest.raises(SchemaMismatchError, match="meta/episodes: a column has different types.*operator"):
        copy_episodes(tmp_path / "no", [(Dataset(marked), [0]), (Dataset(other), [0])])
    extra = copied(three, tmp_path / "extra")
    rows = pq.read_table(extra / DATA)
    pq.write_table(rows.append_column("force", pa.array(np.zeros(24))), extra / DATA)
    assert any("'force'" in str(p) and "not declared" in str(p) for p in check(extra))
    with pytest.raises(DamagedDatasetError, match="column 'force'.*not declared.*would be lost"):
        copy_episodes(tmp_path / "no", [(Dataset(extra), [1])])
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (replace(SMALL, fps=30), "fps: 20 in .*, 30 in"),
        (replace(SMALL, robot_type="other"), "robot_type"),
        (replace(SMALL, joints=SMALL.joints[:6]), "shape"),
        (replace(SMALL, joints=(*SMALL.joints[:6], "wrist")), "names"),
        (replace(SMALL, codec="av1"), "codec_name h264 in .*, av1 in"),
        (schema(64, 64), "shape"),
    ],
)
def test_data_sets_that_differ_are_refused_by_name(three, tmp_path, made, said):
    n = made.width
    with DatasetWriter(tmp_path / "o", made, InlineEncoder) as dataset:
        episode = dataset.begin("go")
        one = row(made, Scenery(made, 0.0), 0, 0)
        episode.add(replace(one, state=one.state[:n], action=one.action[:n], requested=one.requested[:n]))
        episode.save()
    with pytest.raises(SchemaMismatchError, match=said):
        copy_episodes(tmp_path / "d", [(Dataset(three), [0]), (Dataset(tmp_path / "o"), [0])])
    assert not (tmp_path / "d").exists()


def test_pictures_inside_parquet_are_named_and_never_dropped(three, tmp_path):
    root = copied(three, tmp_path / "d")
    info = json.loads((root / layout.INFO).read_text())
    info["features"]["observation.images.top"] = {"dtype": "image", "shape": [4, 4, 3], "names": None}
    (root / layout.INFO).write_text(json.dumps(info))
    for n in range(3):
        path = root / layout.path_of(layout.DATA, n)
        table = pq.read_table(path)
        cells = pa.array([{"bytes": b"png", "path": "a.png"}] * len(table))
        pq.write_table(table.append_column("observation.images.top", cells), path)
    assert "'observation.images.top': dtype is 'image'" in str(check(root)[0])
    for act in (lambda: Dataset(root), lambda: repair(root)):
        with pytest.raises(DamagedDatasetError, match="convert it to videos with LeRobot"):
            act()
