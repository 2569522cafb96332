"""Damages every meta file of a data set, field by field: the faults follow from the files themselves."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from palme.data import layout
from palme.data.inline import InlineEncoder
from palme.data.schema import Schema, View
from palme.data.sidecar import CommandRecord, EpisodeEvent, Run
from palme.data.synthetic import Scenery
from palme.data.writer import DatasetWriter, Row

MADE = Schema("tiny", 20, ("joint1", "joint2"), (View("front", 16, 16),))
GONE = object()


@dataclass(frozen=True)
class Fault:
    """One fault: the file, the field, the kind of damage, and what does it."""

    name: str
    field: str
    kind: str
    act: Callable[[Path], None]

    def __str__(self) -> str:
        return f"{self.name} | {self.field} | {self.kind}"


def small(root: Path, episodes: int = 2, frames: int = 4) -> Path:
    """A small data set whose every field says something."""
    scenery = Scenery(MADE, 0.0)
    with DatasetWriter(root, MADE, InlineEncoder) as dataset:
        for number in range(episodes):
            episode = dataset.begin(f"task {number}")
            for frame in range(frames):
                v = [0.1 * frame + number, 0.2 - frame, 0.5]
                image = scenery.picture(0, number, frame)
                step = "pick" if frame else ""
                episode.add(Row(v, v, v, step, 1 + frame / 20, [image], bool(frame % 2)))  # type: ignore[arg-type]
                episode.commands.append(CommandRecord(frame, "command", (0.1, 0.2), 0.5, frame, 1.0 + frame))
            episode.events.append(
                EpisodeEvent(
                    0, 0.1, "planned", 0, "pick", "human", "why", True, 0.9, 0.1, "front", (0.1, 0.2, 0.3)
                )
            )
            episode.save(
                Run(f"task {number}", "2026-01-01T10:00:00+00:00", "tiny", "planner", "policy", "1", "abc",
                    number, True, "done", "it is", True, '{"scene": 1}', (0.1, 0.2))
            )  # fmt: skip
    return root


# -- JSON -----------------------------------------------------------------------------------------


def _wrong(value: Any) -> Iterator[tuple[str, Any]]:
    """Values that a field with `value` cannot hold, by kind of damage."""
    yield "key missing", GONE
    if value is not None:
        yield "null", None
    if isinstance(value, bool):
        yield from {"text": "yes", "number": 7, "other": not value}.items()
    elif isinstance(value, int | float):
        yield from {
            "text for number": str(value), "negative": -abs(value) - 1, "NaN": math.nan, "infinite": math.inf,
            "huge": 10**400, "list for scalar": [value], "bool": True, "object": {},
        }.items()  # fmt: skip
    elif isinstance(value, str):
        yield from {
            "number for text": 7,
            "list for scalar": [value],
            "empty": "",
            "other": f"{value}~",
            "bool": False,
        }.items()
    elif isinstance(value, list):
        yield from {
            "scalar for list": 7,
            "text for list": "x",
            "empty": [],
            "shorter": value[:-1],
            "longer": [*value, 9],
        }.items()
        yield from {
            "nested": [value],
            "entries null": [None] * len(value),
            "entries text": ["x"] * (len(value) + 1),
        }.items()
        if all(isinstance(one, int | float) for one in value):
            yield from {
                "entries negative": [-abs(one) - 1 for one in value],
                "entries NaN": [math.nan] * len(value),
            }.items()
            yield "entries huge", [1e30] * len(value)
    elif isinstance(value, dict):
        yield from {
            "scalar for object": 7,
            "list for object": [],
            "text for object": "x",
            "empty": {},
        }.items()
    else:  # null
        yield from {"number for null": 7, "text for null": "x"}.items()


def _paths(content: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in content.items():
        yield (*at, key), value
        if isinstance(value, dict):
            yield from _paths(value, (*at, key))


def json_faults(root: Path, name: str) -> Iterator[Fault]:
    """Every field of a JSON file, damaged in every way."""
    content = json.loads((root / name).read_text())
    for path, value in _paths(content):
        for kind, wrong in _wrong(value):

            def act(where: Path, path: tuple[str, ...] = path, wrong: Any = wrong) -> None:
                whole = json.loads((where / name).read_text())
                inner = whole
                for key in path[:-1]:
                    inner = inner[key]
                if wrong is GONE:
                    del inner[path[-1]]
                else:
                    inner[path[-1]] = wrong
                (where / name).write_text(json.dumps(whole))

            yield Fault(name, ".".join(path), kind, act)


# -- parquet --------------------------------------------------------------------------------------


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    return [_mapped(one, change) for one in value] if isinstance(value, list) else change(value)


def _leaf(kind: pa.DataType) -> tuple[pa.DataType, int]:
    depth = 0
    while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    return kind, depth


def _column_faults(field: pa.Field) -> Iterator[tuple[str, Callable[[list[Any]], pa.Array]]]:
    leaf, depth = _leaf(field.type)
    kind = field.type

    def each(change: Callable[[Any], Any], to: pa.DataType = kind) -> Callable[[list[Any]], pa.Array]:
        return lambda values: pa.array([_mapped(v, change) for v in values], to)

    yield "null in a row", lambda values: pa.array([None, *values[1:]], kind)
    yield "all null", lambda values: pa.array([None] * len(values), kind)
    yield "list for scalar", lambda values: pa.array([[v] for v in values], pa.list_(kind))
    if depth:
        yield "scalar for list", lambda values: pa.array([7] * len(values), pa.int64())
        yield "empty lists", lambda values: pa.array([[] for _ in values], pa.list_(kind.value_type))
        yield "entries null", each(lambda v: None)
    if pa.types.is_string(leaf):
        yield "number for text", lambda values: pa.array([7] * len(values), pa.int64())
        yield (
            "bytes that are no text",
            lambda values: pa.array([b"caf\xe9"] * len(values), pa.binary()).view(pa.string()),
        )
        return
    text = pa.string()
    for _ in range(depth):
        text = pa.list_(text)
    yield "text for number", each(str, text)
    if pa.types.is_boolean(leaf):
        yield "number for bool", lambda values: pa.array([7] * len(values), pa.int64())
        return
    wide = pa.float64()
    for _ in range(depth):
        wide = pa.list_(wide)
    whole = pa.types.is_integer(leaf)
    yield "negative", each(lambda v: None if v is None else -abs(v) - 2)
    yield "NaN", each(lambda v: math.nan, wide)
    yield "infinite", each(lambda v: math.inf, wide)
    yield "huge", each(lambda v: 2**62 if whole else 1e300, kind if whole else wide)


def table_faults(root: Path, name: str) -> Iterator[Fault]:
    """Every column of a parquet file, damaged in every way, and its rows."""

    def rewritten(where: Path, change: Callable[[pa.Table], pa.Table]) -> None:
        pq.write_table(change(pq.read_table(where / name)), where / name)

    schema = pq.read_schema(root / name)
    for at, field in enumerate(schema):
        for kind, make in _column_faults(field):

            def act(where: Path, at: int = at, name_: str = field.name, make: Any = make) -> None:
                def change(table: pa.Table) -> pa.Table:
                    return table.set_column(at, name_, make(table[name_].to_pylist()))

                rewritten(where, change)

            yield Fault(name, field.name, kind, act)
        yield Fault(
            name,
            field.name,
            "column missing",
            lambda w, n=field.name: rewritten(w, lambda t: t.drop_columns([n])),
        )
        yield Fault(
            name,
            field.name,
            "renamed",
            lambda w, at=at: rewritten(
                w,
                lambda t: t.rename_columns([f"{n}~" if i == at else n for i, n in enumerate(t.column_names)]),
            ),
        )
    n = len(pq.read_table(root / name))
    yield Fault(name, "rows", "duplicated", lambda w: rewritten(w, lambda t: pa.concat_tables([t, t])))
    yield Fault(name, "rows", "none", lambda w: rewritten(w, lambda t: t.slice(0, 0)))
    if n > 1:
        yield Fault(
            name, "rows", "out of order", lambda w: rewritten(w, lambda t: t.take(list(range(n))[::-1]))
        )
        yield Fault(name, "rows", "last one lost", lambda w: rewritten(w, lambda t: t.slice(0, n - 1)))
    yield Fault(name, "metadata", "gone", lambda w: rewritten(w, lambda t: t.replace_schema_metadata(None)))


# -- whole files ----------------------------------------------------------------------------------


def file_faults(root: Path, name: str) -> Iterator[Fault]:
    """A file cut short, empty, of another kind, gone, or a folder."""
    size = (root / name).stat().st_size

    def replaced(where: Path, content: bytes | None) -> None:
        (where / name).unlink()
        if content is None:
            (where / name).mkdir()
        else:
            (where / name).write_bytes(content)

    for share in (0.02, 0.5, 0.98):
        n = max(1, int(size * share))
        yield Fault(name, "file", f"cut at {share}", lambda w, n=n: replaced(w, (w / name).read_bytes()[:n]))
    kinds = {
        "empty": b"",
        "no format": b"hello\n",
        "zeros": bytes(size),
        "not UTF-8": b"\xff\xfe{",
        "list": b"[1, 2]",
    }
    kinds |= {
        "null": b"null",
        "deep": b"[" * 100_000,
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    }
    for kind, content in kinds.items():
        yield Fault(name, "file", kind, lambda w, content=content: replaced(w, content))
    yield Fault(name, "file", "missing", lambda w: (w / name).unlink())
    yield Fault(name, "file", "a folder", lambda w: replaced(w, None))


def stray_faults() -> Iterator[Fault]:
    """Files of other programs beside ours."""
    names = ("._file-000.parquet", ".DS_Store", "Thumbs.db", "file-000.parquet~", ".file-000.parquet.swp",
             "file-000 (copy).parquet", "#file-000#", "file-000.parquet.tmp", "x.parquet")  # fmt: skip
    folders = ("meta", "meta/episodes/chunk-000", "data/chunk-000",
               "videos/observation.images.front/chunk-000",
               "palme/runs/chunk-000", "palme/events/chunk-000", "palme/commands/chunk-000")  # fmt: skip
    for folder in folders:
        for name in names:
            yield Fault(f"{folder}/{name}", "file", "foreign", lambda w, f=folder, n=name: _touch(w / f / n))
    yield Fault(
        "data/chunk-000/file-007.parquet",
        "file",
        "gap",
        lambda w: _copy(w, "data/chunk-000/file-001.parquet", "data/chunk-000/file-007.parquet"),
    )
    yield Fault(
        "meta/episodes",
        "file",
        "twice",
        lambda w: _copy(w, layout.path_of(layout.EPISODES, 0), layout.path_of(layout.EPISODES, 1)),
    )


def _touch(path: Path) -> None:
    path.write_bytes(b"\x00\x05\x16\x07 foreign")


def _copy(root: Path, name: str, to: str) -> None:
    (root / to).write_bytes((root / name).read_bytes())
