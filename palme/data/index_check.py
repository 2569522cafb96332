"""Problems of meta/episodes, meta/tasks, meta/subtasks and meta/stats.json, column by column."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from palme.data import layout
from palme.data.columns import Column, column_problems
from palme.data.errors import DataError
from palme.data.files import read_json, read_table
from palme.data.problem import Problem, shown
from palme.data.schema import Features, video_keys
from palme.data.stats import NAMES, Stats

INDEX = Column("int", high=layout.CHUNK_SIZE - 1)
CHUNK = Column("int", high=1 << 20)
SECONDS = Column("real", high=1e9)


def index_columns(features: Features) -> dict[str, Column]:
    """The columns of meta/episodes that a reader relies on."""
    count = Column("int")
    columns = {
        "episode_index": count, "tasks": Column("text", many=1), "length": Column("int", low=1),
        "dataset_from_index": count, "dataset_to_index": Column("int", low=1),
        "data/chunk_index": CHUNK, "data/file_index": INDEX,
    }  # fmt: skip
    for key in video_keys(features):
        columns |= {
            f"videos/{key}/chunk_index": CHUNK, f"videos/{key}/file_index": INDEX,
            f"videos/{key}/from_timestamp": SECONDS, f"videos/{key}/to_timestamp": SECONDS,
        }  # fmt: skip
    return columns


def index_table_problems(where: str, table: pa.Table, features: Features) -> list[Problem]:
    """What no reader can go on with in one file of meta/episodes."""
    return [Problem(where, what, fatal=True) for what in column_problems(table, index_columns(features))]


def index_file_problems(root: Path, files: Sequence[Path], features: Features) -> list[Problem]:
    """Problems of the files of meta/episodes that they show by themselves."""
    found: list[Problem] = []
    numbers: list[int] = []
    for path in files:
        where = path.relative_to(root).as_posix()
        try:
            table = read_table(path)
        except DataError as error:
            found.append(Problem(where, str(error), fatal=True))
            continue
        fatal = index_table_problems(where, table, features)
        found += fatal
        if not fatal:
            numbers += table["episode_index"].to_pylist()
        place = {"meta/episodes/chunk_index": CHUNK, "meta/episodes/file_index": INDEX}
        bad = [Problem(where, what) for what in column_problems(table, place)]
        found += bad
        if not bad and (n := layout.number_of(path)) is not None:
            for name, wanted in zip(place, layout.place(n), strict=True):
                values = table[name].to_pylist()
                if any(value != wanted for value in values):
                    found.append(Problem(where, f"column {name} is {shown(values)}, expected {wanted}"))
        found += _stats_columns(where, table, features)
    if numbers != sorted(numbers):
        what = f"lists episodes {shown(numbers)} out of order; LeRobot reads them by position"
        found.append(Problem("meta/episodes", what))
    return found


def _stats_columns(where: str, table: pa.Table, features: Features) -> Iterator[Problem]:
    for key in features:
        for name in NAMES:
            column = f"stats/{key}/{name}"
            if features[key]["dtype"] == "string":
                continue
            if column not in table.column_names:
                yield Problem(where, f"column {column} is missing, expected the statistics of each episode")


def stats_problem(given: Any, wanted: Mapping[str, Any], name: str) -> str:
    """How one statistic differs from that of the rows, "" if it does not.

    Args:
        given: as it is on disk.
        wanted: every statistic of the feature, from the rows.
        name: of the statistic.
    """
    right = np.asarray(wanted[name], float)
    try:
        there = np.asarray(given, float)
    except (TypeError, ValueError):
        return f"is {shown(given)}, expected numbers"
    if there.shape != right.shape:
        return f"is {shown(given)}, expected shape {right.shape}"
    low, high = np.asarray(wanted["min"], float), np.asarray(wanted["max"], float)
    slack = 1e-3 * (high - low) + 1e-5 * np.abs(right) + 1e-6
    if name.startswith("q"):
        slack = slack + 0.1 * (high - low)  # other writers build the histogram in other ways
    if name == "count":
        slack = np.zeros(())
    if not (np.isfinite(there) & (np.abs(there - right) <= slack)).all():
        return f"is {shown(given)}, expected {shown(np.round(right, 6).tolist())} as in the rows"
    return ""


def image_stats_problem(given: Mapping[str, Any], length: int) -> str:
    """What one camera's statistics cannot be, "" if nothing; they precede compression."""
    values: dict[str, Any] = {}
    for name in NAMES:
        shape = (1,) if name == "count" else (3, 1, 1)
        try:
            values[name] = np.asarray(given[name], float)
        except (TypeError, ValueError, KeyError):
            return f"{name} is {shown(given.get(name))}, expected numbers"
        if values[name].shape != shape:
            return f"{name} is {shown(given[name])}, expected shape {shape}"
        high = length if name == "count" else 1 + 1e-6
        low = 1 if name == "count" else -1e-6
        if not ((low <= values[name]) & (values[name] <= high)).all():
            return f"{name} is {shown(given[name])}, expected numbers in [{round(low)}, {round(high)}]"
    for name in NAMES:
        between = (values["min"] - 1e-2 <= values[name]) & (values[name] <= values["max"] + 1e-2)
        if name not in ("std", "count") and not between.all():
            return f"{name} is {shown(given[name])}, expected numbers between min and max"
    return ""


def texts_problems(root: Path, name: str, column: str) -> list[Problem]:
    """Problems of tasks.parquet or subtasks.parquet."""
    path = root / name
    try:
        table = read_table(path)
    except DataError as error:
        return [Problem(name, str(error), fatal=True)]
    return texts_table_problems(name, table, column)


def texts_table_problems(where: str, table: pa.Table, column: str) -> list[Problem]:
    """Problems of the rows of tasks.parquet or subtasks.parquet."""
    named = text_column(table, column)
    wanted = {f"{column}_index": Column("int"), named: Column("text")}
    found = [Problem(where, what, fatal=True) for what in column_problems(table, wanted)]
    if found:
        return found
    numbers, texts = table[f"{column}_index"].to_pylist(), table[named].to_pylist()
    if sorted(numbers) != list(range(len(numbers))):
        what = f"{column}_index is {shown(numbers)}, expected each of 0 to {len(numbers) - 1} once"
        found.append(Problem(where, what, fatal=True))
    elif numbers != sorted(numbers):
        what = f"{column}_index is {shown(numbers)}, out of order; LeRobot reads them by position"
        found.append(Problem(where, what))
    if len(set(texts)) != len(texts):
        found.append(Problem(where, f"{column} holds a text twice: {shown(texts)}"))
    try:
        described = json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))
        index = described.get("index_columns") if isinstance(described, dict) else None
    except ValueError:
        index = None
    if index != [named]:
        what = f"pandas metadata names index {shown(index)}, expected {[named]}; LeRobot needs it"
        found.append(Problem(where, what))
    return found


def text_column(table: pa.Table, column: str) -> str:
    """The name of the column of texts: pandas names an index without a name itself."""
    return (
        "__index_level_0__"
        if column not in table.column_names and ("__index_level_0__" in table.column_names)
        else column
    )


def stats_file_problems(root: Path, features: Features, wanted: Mapping[str, Stats]) -> Iterator[Problem]:
    """Problems of meta/stats.json against the statistics of meta/episodes put together."""
    try:
        content = read_json(root / layout.STATS)
    except DataError as error:
        yield Problem(layout.STATS, f"missing, truncated or not finite ({error})")
        return
    if not isinstance(content, dict):
        yield Problem(layout.STATS, f"holds {shown(content)}, expected the statistics by feature")
        return
    for key in features:
        if features[key]["dtype"] == "string":
            continue
        there = content.get(key)
        if not isinstance(there, dict):
            yield Problem(layout.STATS, f"{key} is {shown(there)}, expected its statistics")
            continue
        for name in NAMES:
            if name not in there:
                yield Problem(layout.STATS, f"{key}.{name} is missing, expected numbers")
            elif key in wanted and (problem := stats_problem(there[name], wanted[key], name)):
                yield Problem(layout.STATS, f"{key}.{name} {problem}")
