"""Sidecar tables of a data set, as records by episode; damaged ones are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from palme.data import layout
from palme.data.errors import DamagedDatasetError, InvalidFrameError
from palme.data.files import read_table
from palme.data.frame_timing import FrameTiming
from palme.data.sidecar import SCHEMAS, CommandRecord, EpisodeEvent, Run, Sidecar, sidecar_files
from palme.data.sidecar_check import table_problems


def read_sidecars(root: Path, episode: int | None = None, file: int = 0) -> dict[int, Sidecar]:
    """The sidecars of a data set by episode; episodes without one are left out.

    Args:
        root: the data set.
        episode: only this one; None = all.
        file: number of its data file: its tables have the same number, or 0 after packing.

    Raises:
        DamagedDatasetError: a table is truncated, or a column holds what it cannot.
    """
    found = {name: _rows(root, name, episode, file) for name in SCHEMAS}
    out = {}
    for row in found["runs"]:
        episode = row["episode_index"]
        try:
            out[episode] = Sidecar(
                _run(row),
                _timing(row),
                tuple(_event(r) for r in found["events"] if r["episode_index"] == episode),
                tuple(_command(r) for r in found["commands"] if r["episode_index"] == episode),
            )
        except (ValueError, InvalidFrameError) as error:  # lists that belong together, but differ in length
            raise DamagedDatasetError(
                f"{root / 'palme'}: rows of episode {episode}: {error}; `palme data check {root}`"
            ) from error
    return out


def _rows(root: Path, name: str, episode: int | None, file: int) -> list[dict]:
    if episode is None:
        return [row for path in sidecar_files(root, name) for row in _whole(path, name).to_pylist()]
    for number in {file, 0}:
        path = root / layout.path_of(layout.SIDECAR[name], number)
        if path.exists():
            table = _whole(path, name)
            here = table.filter(pa.array(table["episode_index"].to_numpy() == episode))
            if len(here):
                return here.to_pylist()
    return []


def _whole(path: Path, name: str) -> pa.Table:
    """A sidecar table whose columns are right; raises DamagedDatasetError."""
    table = read_table(path)
    for problem in table_problems(name, table):
        raise DamagedDatasetError(f"{path}: {problem}; `palme data check` lists every problem")
    return table


def _run(row: dict) -> Run:
    known: dict[str, Any] = {k: row.get(k) for k in Run.__dataclass_fields__ if k != "final"}
    return Run(**known, final=tuple(row.get("final") or ()))


def _timing(row: dict) -> FrameTiming:
    repeated = tuple(zip(row["repeated_camera"], row["repeated_frame"], strict=True))
    plain = {
        k: row[k] for k in FrameTiming.__dataclass_fields__
        if k not in ("late_frames", "repeated", "pictures", "encoder_repeats")
    }  # fmt: skip
    # older data sets have no columns for the times of pictures
    times = zip(row.get("picture_camera") or (), row.get("picture_time") or (), strict=True)
    return FrameTiming(
        **plain,
        late_frames=tuple(row["late_frames"]),
        repeated=repeated,
        encoder_repeats=row.get("encoder_repeats") or 0,
        pictures=tuple((name, tuple(one)) for name, one in times),
    )


def _event(row: dict) -> EpisodeEvent:
    known = {k: row[k] for k in EpisodeEvent.__dataclass_fields__ if k not in ("frame", "camera", "xyz")}
    # older data sets have no columns for camera and xyz
    looked: dict[str, Any] = {"camera": row.get("camera") or "", "xyz": tuple(row.get("xyz") or ())}
    return EpisodeEvent(frame=row["frame_index"], **known, **looked)


def _command(row: dict) -> CommandRecord:
    known = {k: row[k] for k in CommandRecord.__dataclass_fields__ if k not in ("frame", "q_target")}
    return CommandRecord(frame=row["frame_index"], q_target=tuple(row["q_target"]), **known)
