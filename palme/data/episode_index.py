"""What episodes there are and where they lie: meta/episodes, meta/tasks and meta/info of v3.0."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from palme.data import layout
from palme.data.errors import DamagedDatasetError, NotADatasetError
from palme.data.files import read_json, read_table
from palme.data.schema import stats_type, video_keys
from palme.data.stats import NAMES, Stats


@dataclass(frozen=True)
class Clip:
    """Where an episode's pictures are: the number of the file, and from when to when in it, in [s]."""

    file: int
    start: float
    stop: float


@dataclass(frozen=True)
class Entry:
    """One episode: frames [start, stop) of the whole, in data file `data`; its row is in meta file `meta`."""

    episode: int
    tasks: tuple[str, ...]
    length: int
    start: int
    stop: int
    data: int
    clips: Mapping[str, Clip]
    meta: int

    @property
    def files(self) -> set[int]:
        """Numbers of the data and video files that it needs."""
        return {self.data, *(clip.file for clip in self.clips.values())}


def read_info(root: Path) -> dict[str, Any]:
    """info.json, where it is of a version that we read. Raises NotADatasetError, DamagedDatasetError."""
    info = read_json(root / layout.INFO)
    missing = [k for k in ("codebase_version", "fps", "features", "total_episodes") if k not in info]
    if missing:
        raise DamagedDatasetError(
            f"{root / layout.INFO}: {missing[0]!r} is missing; `palme data repair {root}`"
        )
    if info["codebase_version"] != layout.VERSION:
        raise NotADatasetError(
            f"{root}: is of version {info['codebase_version']!r}, read here is {layout.VERSION}; "
            "LeRobot's own converter brings older ones up"
        )
    return info


def info_of(features: Mapping[str, Any], fps: float, robot_type: str | None, **totals: int) -> dict[str, Any]:
    """The content of info.json. `totals`: episodes, frames, tasks."""
    return {
        "codebase_version": layout.VERSION,
        "robot_type": robot_type,
        **{f"total_{name}": n for name, n in totals.items()},
        "chunks_size": layout.CHUNK_SIZE,
        "data_files_size_in_mb": layout.DATA_MB,
        "video_files_size_in_mb": layout.VIDEO_MB,
        "fps": fps,
        "splits": {"train": f"0:{totals['episodes']}"},
        "data_path": layout.DATA,
        "video_path": layout.VIDEO if video_keys(features) else None,
        "features": dict(features),
    }


def episode_files(root: Path) -> list[Path]:
    """The files of meta/episodes, in their order."""
    return sorted((root / "meta" / "episodes").glob("*/*.parquet"))


def read_entries(root: Path, features: Mapping[str, Any]) -> list[Entry]:
    """Every episode that meta/episodes lists, in order, whether info.json counts it or not.

    Raises:
        DamagedDatasetError: a column is missing or empty.
    """
    keys = video_keys(features)
    entries: list[Entry] = []
    for path in episode_files(root):
        number = layout.number_of(path)
        table = read_table(path, lambda name: not name.startswith("stats/"))
        try:
            rows = table.to_pylist()
            entries += [_entry(row, keys, 0 if number is None else number) for row in rows]
        except (KeyError, TypeError) as error:
            raise DamagedDatasetError(
                f"{path}: column {error} is missing or empty; `palme data repair {root}`"
            ) from error
    entries.sort(key=lambda entry: entry.episode)
    return entries


def _entry(row: Mapping[str, Any], keys: Sequence[str], meta: int) -> Entry:
    def at(prefix: str) -> int:
        return int(row[f"{prefix}/chunk_index"]) * layout.CHUNK_SIZE + int(row[f"{prefix}/file_index"])

    clips = {
        key: Clip(
            at(f"videos/{key}"),
            float(row[f"videos/{key}/from_timestamp"]),
            float(row[f"videos/{key}/to_timestamp"]),
        )
        for key in keys
    }
    return Entry(
        int(row["episode_index"]), tuple(row["tasks"]), int(row["length"]), int(row["dataset_from_index"]),
        int(row["dataset_to_index"]), at("data"), clips, meta,
    )  # fmt: skip


def read_stats(root: Path, features: Mapping[str, Any]) -> list[dict[str, Stats]]:
    """The statistics of every episode, in order. Raises DamagedDatasetError."""
    rows: list[tuple[int, dict[str, Stats]]] = []
    for path in episode_files(root):
        table = read_table(path, lambda name: name.startswith("stats/") or name == "episode_index")
        for row in table.to_pylist():
            found = {
                key: {
                    name: np.asarray(row[f"stats/{key}/{name}"])
                    for name in NAMES
                    if row.get(f"stats/{key}/{name}") is not None
                }
                for key in features
            }
            rows.append(
                (row["episode_index"], {key: one for key, one in found.items() if len(one) == len(NAMES)})
            )
    return [found for _, found in sorted(rows, key=lambda pair: pair[0])]


def entries_table(
    entries: Sequence[Entry], stats: Sequence[Mapping[str, Stats]], features: Mapping[str, Any]
) -> pa.Table:
    """meta/episodes/*.parquet: one row an episode."""
    whole, text = pa.int64(), pa.list_(pa.string())
    columns: dict[str, tuple[pa.DataType, list[Any]]] = {
        "episode_index": (whole, [e.episode for e in entries]),
        "tasks": (text, [list(e.tasks) for e in entries]),
        "length": (whole, [e.length for e in entries]),
        **_places("data", [e.data for e in entries]),
        "dataset_from_index": (whole, [e.start for e in entries]),
        "dataset_to_index": (whole, [e.stop for e in entries]),
    }
    for key in video_keys(features):
        columns |= _places(f"videos/{key}", [e.clips[key].file for e in entries])
        columns[f"videos/{key}/from_timestamp"] = pa.float64(), [e.clips[key].start for e in entries]
        columns[f"videos/{key}/to_timestamp"] = pa.float64(), [e.clips[key].stop for e in entries]
    for key, feature in features.items():
        for name in NAMES:
            if all(key in one for one in stats):
                values = [one[key][name].tolist() for one in stats]
                columns[f"stats/{key}/{name}"] = stats_type(feature, name), values
    columns |= _places("meta/episodes", [e.meta for e in entries])
    return pa.table(
        [pa.array(values, kind) for kind, values in columns.values()],
        pa.schema([pa.field(name, kind) for name, (kind, _) in columns.items()]),
    )


def _places(prefix: str, numbers: Sequence[int]) -> dict[str, tuple[pa.DataType, list[int]]]:
    places = [layout.place(n) for n in numbers]
    return {
        f"{prefix}/chunk_index": (pa.int64(), [chunk for chunk, _ in places]),
        f"{prefix}/file_index": (pa.int64(), [file for _, file in places]),
    }


def stats_json(stats: Mapping[str, Stats]) -> dict[str, Any]:
    """The content of meta/stats.json."""
    return {key: {name: value.tolist() for name, value in one.items()} for key, one in stats.items()}


def texts_table(column: str, texts: Sequence[str]) -> pa.Table:
    """tasks.parquet and subtasks.parquet: the text is the index of the frame that pandas makes of it."""

    def described(name: str | None, kind: str, numpy_type: str) -> dict[str, Any]:
        return {
            "name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_type, "metadata": None,
        }  # fmt: skip

    pandas = {
        "index_columns": [column],
        "column_indexes": [described(None, "unicode", "object") | {"metadata": {"encoding": "UTF-8"}}],
        "columns": [described(f"{column}_index", "int64", "int64"), described(column, "unicode", "object")],
        "pandas_version": "2.2.0",
    }
    table = pa.table(
        {
            f"{column}_index": pa.array(range(len(texts)), pa.int64()),
            column: pa.array(list(texts), pa.string()),
        }
    )
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def read_texts(path: Path, column: str) -> list[str]:
    """The texts of tasks.parquet or subtasks.parquet by their number. Raises DamagedDatasetError."""
    table = read_table(path)
    named = next((c for c in (column, "__index_level_0__") if c in table.column_names), None)
    if named is None or f"{column}_index" not in table.column_names:
        raise DamagedDatasetError(
            f"{path}: has columns {table.column_names}, expected {column!r} and '{column}_index'"
        )
    pairs = sorted(zip(table[f"{column}_index"].to_pylist(), table[named].to_pylist(), strict=True))
    return [text for _, text in pairs]
