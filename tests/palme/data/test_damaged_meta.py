"""Every meta file, damaged in every field in every way: check names it, repair mends it or says why not.

The faults follow from the files themselves. A run tries each field in some ways, `PALME_ALL_FAULTS=1` in all.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from palme.cli.main import main
from palme.data import layout
from palme.data.check import check
from palme.data.errors import DataError
from palme.data.reader import Dataset
from palme.data.repair import repair
from tests.data_faults import Fault, file_faults, json_faults, small, stray_faults, table_faults

TABLES = (layout.TASKS, layout.SUBTASKS, layout.path_of(layout.EPISODES, 0))
SIDECARS = tuple(layout.path_of(name, 0) for name in layout.SIDECAR.values())
DATA = (layout.path_of(layout.DATA, 1), layout.path_of(layout.VIDEO, 1, "observation.images.front"))
GROUPS = {
    "info": (layout.INFO,),
    "stats": (layout.STATS,),
    "tables": TABLES,
    "sidecars": SIDECARS,
    "data": DATA,
    "strays": (),
}
ALL = bool(os.environ.get("PALME_ALL_FAULTS"))
STRIDE, REPAIRS = {"stats": 31, "tables": 23, "info": 9, "sidecars": 11, "data": 7, "strays": 9}, 3

HARMLESS = {
    r"info.json \| splits": "no reader of palme uses the splits",
    r"info.json \| features\.[\w.]*names \| null": "v3.0 allows features without names",
    r"info.json \| features\.[\w.]*front\.info.* \| (key missing|empty)": "optional: LeRobot fills it in",
    r"info.json \| robot_type \| (null|key missing)": "v3.0 allows data sets without a name of the arm",
    r"(data|palme|meta/episodes)/.*metadata \| gone": "says nothing that the columns do not",
    r"palme/(events|commands)/.*rows \| (none|last one lost)": "an episode may lack them",
    r"palme/.* \| (seed|done|truth|success|probability) \| \w*\s?null": "empty means unknown",
    r"palme/.* \| (late_frames|repeated_\w+|picture_\w+) \| (neg|NaN|inf|huge|entries)": "is empty",
    r"palme/.* \| (final|late_frames|repeated_\w+|xyz|picture_\w+) \| empty lists": "none, or unknown",
    r"palme/.* \| (camera|xyz|encoder_repeats|picture_\w+) \| (column missing|renamed|.*null.*)": "optional",
    r"mp4 \| file \| cut at 0.98": "what is cut is the encoder's own name: every image is there",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("whole") / "d")


def faults_of(root: Path, group: str) -> Iterator[Fault]:
    """Every fault of a group."""
    if group == "strays":
        yield from stray_faults()
    for name in GROUPS[group]:
        yield from file_faults(root, name)
        if name.endswith(".json"):
            yield from json_faults(root, name)
        elif name.endswith(".parquet"):
            yield from table_faults(root, name)


def damaged(whole: Path, to: Path, fault: Fault) -> Path:
    """A copy of `whole` with one fault."""
    for path in (to, to.with_name(f"{to.name}.damaged")):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(whole, to)
    fault.act(to)
    return to


def content(root: Path) -> dict[str, bytes | None]:
    return {
        p.relative_to(root).as_posix(): p.read_bytes() if p.is_file() else None
        for p in root.rglob("*")
        if p.name != layout.LOCK
    }


def reads(root: Path) -> None:
    """What a reader does: numbers, texts, images and sidecars of every frame."""
    for episode in Dataset(root).episodes():
        for frame in range(len(episode)):
            assert episode[frame].images and episode[frame].task
        assert len(episode.steps) == len(episode) and episode.sidecar is not None


@pytest.mark.parametrize("group", GROUPS)
def test_every_field_of_every_file_is_checked(whole, group, tmp_path):
    assert check(whole, deep=True) == []
    faults = list(faults_of(whole, group))
    tried = faults if ALL else faults[:: STRIDE[group]]
    missed = []
    for fault in tried:
        root = damaged(whole, tmp_path / "d", fault)
        try:
            problems = check(root)
        except DataError as error:  # of another version, or no data set at all: said by name too
            assert str(root) in str(error)
            continue
        if not problems and not any(re.search(known, str(fault)) for known in HARMLESS):
            missed.append(str(fault))
        for one in problems:
            assert one.where and one.what and "Traceback" not in str(one)
        if group in ("stats", "strays"):
            continue  # no reader opens these
        try:
            reads(root)
        except (DataError, AssertionError):
            assert problems, f"{fault}: a reader meets what check does not"
    assert not missed
    print(f"{group}: {len(tried)} of {len(faults)} faults")


@pytest.mark.parametrize("group", GROUPS)
def test_repair_mends_it_or_says_what_is_lost_and_changes_nothing(whole, group, tmp_path):
    faults = list(faults_of(whole, group))
    for fault in faults if ALL else faults[5 :: max(1, len(faults) // REPAIRS)]:
        root = damaged(whole, tmp_path / "d", fault)
        before = content(root)
        try:
            repair(root)
        except DataError as error:
            assert str(root) in str(error) and content(root) == before, str(fault)
        else:
            assert check(root, deep=True) == [], str(fault)
            assert len(Dataset(root).entries) >= 1
            if (tmp_path / "d.damaged").exists():
                assert content(tmp_path / "d.damaged") == before, str(fault)


@pytest.mark.parametrize("act", ["check", "repair", "info", "stats"])
@pytest.mark.parametrize("kind", ["null", "text for number", "key missing", "cut at 0.5"])
def test_every_command_says_it_in_a_line(whole, act, kind, tmp_path, capsys):
    for group in ("info", "tables"):
        kinds = (kind, kind.replace("key", "column"))
        fault = next(f for f in faults_of(whole, group) if f.kind.startswith(kinds))
        root = damaged(whole, tmp_path / "d", fault)
        code = main(["data", act, str(root)])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        assert code in ((1,) if act == "check" else (0, 2))


def _info(root: Path, **changes: object) -> None:
    import json

    path = root / layout.INFO
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_repair_restores_is_what_was_there(whole, tmp_path):
    for name in (layout.INFO, layout.STATS, layout.TASKS, layout.path_of(layout.EPISODES, 0)):
        root = damaged(
            whole, tmp_path / "d", Fault(name, "file", "missing", lambda w, n=name: (w / n).unlink())
        )
        repair(root)
        assert check(root, deep=True) == []
        mended, before = Dataset(root), Dataset(whole)
        assert (
            mended.entries == before.entries and mended.tasks == before.tasks and mended.steps == before.steps
        )
        assert mended.fps == before.fps and mended.info.robot_type == "tiny"
        for one, other in zip(mended.episodes(), before.episodes(), strict=True):
            assert one.sidecar == other.sidecar


def test_a_rate_as_text_or_fraction_is_named_and_restored(whole, tmp_path):
    for fps, legal in (("20", False), (20.0, True), (True, False), (-20, False), (30, False), ([20], False)):
        root = damaged(whole, tmp_path / "d", Fault(layout.INFO, "fps", "", lambda w, v=fps: _info(w, fps=v)))
        assert (check(root) == []) == legal, fps
        if not legal:
            repair(root)
            assert Dataset(root).fps == 20 and check(root) == []
