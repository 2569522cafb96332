"""The index of episodes: meta/info.json, meta/episodes and meta/tasks of v3.0."""

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
from palme.data.schema import Features, stats_type, video_keys
from palme.data.stats import NAMES, Stats


@dataclass(frozen=True)
class Clip:
    """Where one camera's images of an episode are.

    Attributes:
        file: number of the video file.
        start, stop: begin and end in the file in [s].
    """

    file: int
    start: float
    stop: float


@dataclass(frozen=True)
class Entry:
    """One episode.

    Attributes:
        episode: its number.
        tasks: its task sentences.
        length: number of frames.
        start, stop: frames [start, stop) of the data set.
        data: number of its data file.
        clips: by video feature, where its images are.
        meta: number of the meta/episodes file of its row.
    """

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
        """Numbers of its data and video files."""
        return {self.data, *(clip.file for clip in self.clips.values())}


@dataclass(frozen=True)
class DatasetInfo:
    """meta/info.json.

    Attributes:
        json: the integer content, keys of other writers included.
    """

    json: Mapping[str, Any]

    @classmethod
    def new(cls, features: Features, fps: float, robot_type: str | None) -> DatasetInfo:
        """Of a data set without episodes."""
        return cls(
            {
                "codebase_version": layout.VERSION,
                "robot_type": robot_type,
                "total_episodes": 0,
                "total_frames": 0,
                "total_tasks": 0,
                "chunks_size": layout.CHUNK_SIZE,
                "data_files_size_in_mb": layout.DATA_MB,
                "video_files_size_in_mb": layout.VIDEO_MB,
                "fps": fps,
                "splits": {"train": "0:0"},
                "data_path": layout.DATA,
                "video_path": layout.VIDEO if video_keys(features) else None,
                "features": dict(features),
            }
        )

    def counting(self, episodes: int, frames: int, tasks: int) -> DatasetInfo:
        """The same with these totals."""
        totals = {"total_episodes": episodes, "total_frames": frames, "total_tasks": tasks}
        return DatasetInfo({**self.json, **totals, "splits": {"train": f"0:{episodes}"}})

    @property
    def version(self) -> str:
        """Version of the format."""
        return self.json["codebase_version"]

    @property
    def fps(self) -> float:
        """Frame rate in [Hz]."""
        return self.json["fps"]

    @property
    def robot_type(self) -> str | None:
        """Name of the arm."""
        return self.json.get("robot_type")

    @property
    def features(self) -> Features:
        """The features."""
        return self.json["features"]

    @property
    def total_episodes(self) -> int:
        """Number of episodes; readers ignore any further ones."""
        return int(self.json["total_episodes"])

    @property
    def total_frames(self) -> int | None:
        """Number of frames."""
        return self.json.get("total_frames")

    @property
    def total_tasks(self) -> int | None:
        """Number of task sentences."""
        return self.json.get("total_tasks")


def read_info(root: Path) -> DatasetInfo:
    """Read meta/info.json.

    Raises:
        NotADatasetError: there is none, or it is of another version.
        DamagedDatasetError: a key is missing.
    """
    content = read_json(root / layout.INFO)
    missing = [k for k in ("codebase_version", "fps", "features", "total_episodes") if k not in content]
    if missing:
        raise DamagedDatasetError(
            f"{root / layout.INFO}: {missing[0]!r} is missing; `palme data repair {root}`"
        )
    info = DatasetInfo(content)
    if info.version != layout.VERSION:
        raise NotADatasetError(
            f"{root}: version {info.version!r}, expected {layout.VERSION}; convert it with LeRobot"
        )
    return info


def episode_files(root: Path) -> list[Path]:
    """The files of meta/episodes, in order."""
    return sorted((root / "meta" / "episodes").glob("*/*.parquet"))


def read_entries(root: Path, features: Features) -> list[Entry]:
    """Every episode of meta/episodes, in order, counted by info.json or not.

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


def read_stats(root: Path, features: Features) -> list[dict[str, Stats]]:
    """The statistics of every episode, in order.

    Raises:
        DamagedDatasetError: a file is truncated.
    """
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
    entries: Sequence[Entry], stats: Sequence[Mapping[str, Stats]], features: Features
) -> pa.Table:
    """meta/episodes/*.parquet: one row an episode."""
    integer, text = pa.int64(), pa.list_(pa.string())
    columns: dict[str, tuple[pa.DataType, list[Any]]] = {
        "episode_index": (integer, [e.episode for e in entries]),
        "tasks": (text, [list(e.tasks) for e in entries]),
        "length": (integer, [e.length for e in entries]),
        **_places("data", [e.data for e in entries]),
        "dataset_from_index": (integer, [e.start for e in entries]),
        "dataset_to_index": (integer, [e.stop for e in entries]),
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
    """tasks.parquet and subtasks.parquet; pandas reads the text as the index."""

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
    """The texts of tasks.parquet or subtasks.parquet by number.

    Raises:
        DamagedDatasetError: the file is truncated or lacks a column.
    """
    table = read_table(path)
    named = next((c for c in (column, "__index_level_0__") if c in table.column_names), None)
    if named is None or f"{column}_index" not in table.column_names:
        raise DamagedDatasetError(
            f"{path}: has columns {table.column_names}, expected {column!r} and '{column}_index'"
        )
    pairs = sorted(zip(table[f"{column}_index"].to_pylist(), table[named].to_pylist(), strict=True))
    return [text for _, text in pairs]
