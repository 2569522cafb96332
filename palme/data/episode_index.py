"""The index of episodes: meta/info.json, meta/episodes and meta/tasks of v3.0."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from palme.data import layout
from palme.data.errors import DamagedDatasetError, NotADatasetError, SchemaMismatchError
from palme.data.files import read_json, read_table
from palme.data.index_check import index_columns, index_table_problems, text_column, texts_table_problems
from palme.data.info_check import info_problems
from palme.data.problem import refuse_fatal
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
        DamagedDatasetError: a field is missing or holds what it cannot; names the field and its value.
    """
    content = read_json(root / layout.INFO)
    version = content.get("codebase_version") if isinstance(content, dict) else None
    if isinstance(version, str) and re.fullmatch(r"v\d+\.\d+", version) and version != layout.VERSION:
        raise NotADatasetError(
            f"{root}: version {version!r}, expected {layout.VERSION}; convert it with LeRobot"
        )
    refuse_fatal(root, info_problems(content))
    return DatasetInfo(content)


def episode_files(root: Path) -> list[Path]:
    """The files of meta/episodes, in order."""
    return layout.numbered(root / "meta" / "episodes", "parquet")


def read_entries(root: Path, features: Features) -> list[Entry]:
    """Every episode of meta/episodes, in order, counted by info.json or not.

    Raises:
        DamagedDatasetError: a column is missing, empty, or holds what it cannot.
    """
    keys = video_keys(features)
    entries: list[Entry] = []
    for path in episode_files(root):
        number = layout.number_of(path)
        table = read_table(path, lambda name: not name.startswith("stats/"))
        refuse_fatal(root, index_table_problems(path.relative_to(root).as_posix(), table, features))
        entries += [_entry(row, keys, 0 if number is None else number) for row in table.to_pylist()]
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
            found = {key: _stats_of(row, key, feature) for key, feature in features.items()}
            rows.append((row["episode_index"], {key: one for key, one in found.items() if one is not None}))
    rows.sort(key=lambda pair: pair[0])
    return [found for _, found in rows]


def _stats_of(row: Mapping[str, Any], key: str, feature: Mapping[str, Any]) -> Stats | None:
    """One feature's statistics, None unless all are there, finite and of the right shape."""
    out: Stats = {}
    shape = (3, 1, 1) if feature["dtype"] == "video" else tuple(feature["shape"])
    for name in NAMES:
        try:
            out[name] = np.asarray(row[f"stats/{key}/{name}"])
            whole = out[name].shape == ((1,) if name == "count" else shape)
            if not (whole and out[name].dtype.kind in "biuf" and np.isfinite(out[name].astype(float)).all()):
                return None
        except (KeyError, TypeError, ValueError):
            return None
    return out if out["count"][0] > 0 else None


def extra_columns(root: Path, features: Features) -> pa.Table | None:
    """The columns of meta/episodes that other programs added, with `episode_index`; None if there are none.

    Raises:
        DamagedDatasetError: a file is truncated.
        SchemaMismatchError: the files hold a column in different types.
    """
    known = set(index_columns(features)) - {"episode_index"}
    parts = [
        read_table(path, lambda name: name not in known and not name.startswith(("stats/", "meta/episodes/")))
        for path in episode_files(root)
    ]
    if not any(len(part.column_names) > 1 for part in parts):
        return None
    return joined(parts, "meta/episodes")


def joined(parts: Sequence[pa.Table], what: str) -> pa.Table:
    """One table of all rows; a column that some lack is empty there.

    Raises:
        SchemaMismatchError: a column has different types; names it.
    """
    try:
        return pa.concat_tables(parts, promote_options="default")
    except pa.ArrowException as error:
        raise SchemaMismatchError(
            f"{what}: a column has different types ({str(error).splitlines()[0]}); give it one type"
        ) from error


def with_extras(table: pa.Table, extras: pa.Table | None) -> pa.Table:
    """The rows of meta/episodes with the columns of `extras` that belong to their episodes."""
    if extras is None:
        return table
    at = {number: row for row, number in enumerate(extras["episode_index"].to_pylist())}
    rows = pa.array([at.get(number) for number in table["episode_index"].to_pylist()], pa.int64())
    for name in extras.column_names:
        if name not in table.column_names:
            table = table.append_column(extras.schema.field(name), extras[name].take(rows))
    return table


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
            if any(key in one for one in stats):
                values = [one[key][name].tolist() if key in one else None for one in stats]
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
        DamagedDatasetError: the file is truncated, lacks a column or a number.
    """
    table = read_table(path)
    for problem in texts_table_problems(path.name, table, column):
        if problem.fatal:
            raise DamagedDatasetError(f"{path}: {problem.what}; `palme data check` lists every problem")
    named = text_column(table, column)
    pairs = sorted(zip(table[f"{column}_index"].to_pylist(), table[named].to_pylist(), strict=True))
    return [text for _, text in pairs]
