"""Recording: a data set that grows by whole episodes, whatever instant its writer is killed at.

While an episode is recorded its rows are in memory and its videos under `.unfinished`, where no reader looks.
`save` writes everything there first and puts it on the disk (fsync), then gives each file its name (rename,
fsync of the folder) in this order. Videos, side tables and data have a file an episode; the others are
replaced by a longer one:

    1. videos/KEY/...          nobody refers to them yet
    2. palme/runs, events, commands
    3. data/...                rows beyond those that info.json counts
    4. meta/tasks.parquet, meta/subtasks.parquet   a text more than is used
    5. meta/episodes/...       from here on the episode is whole
    6. meta/stats.json
    7. meta/info.json          from here on it is counted: readers look at no more than this

After any number of these renames the data set reads as it did before, or with one episode more. The next
writer, or `palme data repair`, counts an episode that is whole (after 5) and removes one that is not.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from palme.data import layout, stats
from palme.data.crash_recovery import recover
from palme.data.encoding import Encoded, EncoderProcess, shape_problem
from palme.data.episode_index import (
    Clip,
    Entry,
    entries_table,
    info_of,
    read_info,
    read_stats,
    read_texts,
    stats_json,
    texts_table,
)
from palme.data.errors import DatasetBusyError, EncoderError, InvalidFrameError, NotADatasetError
from palme.data.files import publish, told, write_json, write_table
from palme.data.frame_timing import measure_timing
from palme.data.inline import InlineEncoder
from palme.data.schema import VECTORS, Schema, arrow_schema
from palme.data.sidecar import CommandRecord, EpisodeEvent, Run, Sidecar, tables


@dataclass(frozen=True)
class Row:
    """One frame.

    Attributes:
        state: (n_joints + 1,) measured: joints in [rad], gripper opening in [0, 1], before the command.
        action: (n_joints + 1,) what was sent; `requested`: what was asked for.
        step: the step text, "" between steps.
        capture_time: [s] on the receiver's clock.
        images: uint8 (H, W, 3) in the schema's order of cameras.
        intervention: whether a person commanded.
        age: [s] of the oldest of the pictures.
    """

    state: NDArray
    action: NDArray
    requested: NDArray
    step: str
    capture_time: float
    images: Sequence[NDArray[np.uint8]] = ()
    intervention: bool = False
    age: float = 0.0


class DatasetWriter:
    """Opens a data set for recording, or begins one; the only writer while it is open.

    Args:
        root: the folder.
        schema: what is to be recorded.
        encoding: makes the encoding process, or `InlineEncoder`.

    Attributes:
        settled: what the last writer had left behind, for a person.

    Raises:
        DatasetBusyError, SchemaMismatchError, WriteError, NotADatasetError: the folder holds something else.
    """

    def __init__(
        self,
        root: Path | str,
        schema: Schema,
        encoding: Callable[[Schema], EncoderProcess | InlineEncoder] = EncoderProcess,
    ) -> None:
        self.root, self.schema = Path(root), schema
        self.features = schema.features()
        with told(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        self._lock = lock(self.root)
        self._encoding: EncoderProcess | InlineEncoder | None = None
        self._folder = self.root / layout.UNFINISHED
        self._behind = False
        self.recovered: list[str] = []
        try:
            self._open()
            if schema.views:
                self._encoding = encoding(schema)
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        schema = self.schema
        if not (self.root / layout.INFO).exists():
            if strangers := [p.name for p in self.root.iterdir() if not p.name.startswith(".")]:
                if strangers != ["meta"] or any((self.root / "meta").iterdir()):
                    raise NotADatasetError(
                        f"{self.root}: holds {strangers[0]!r} and no {layout.INFO}; name an empty folder or "
                        "a data set"
                    )
            empty = info_of(self.features, schema.fps, schema.robot_type, episodes=0, frames=0, tasks=0)
            self._put_json(layout.INFO, empty)
        info = read_info(self.root)
        schema.check_same(info["features"], info["fps"], info.get("robot_type"))
        self.features = info["features"]
        self._info, self.entries, self.recovered = recover(self.root, info)
        self._behind = False
        self._tasks = self._texts(layout.TASKS, "task")
        self._steps = self._texts(layout.SUBTASKS, "subtask") or [""]
        self._stats = read_stats(self.root, self.features)
        names = [*self.root.glob("data/*/*"), *self.root.glob("videos/*/*/*"), *self.root.glob("palme/*/*/*")]
        self._next = 1 + max((layout.number_of(path) or 0 for path in names), default=-1)

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, task: str) -> EpisodeWriter:
        """Record one episode, under instruction `task`. One at a time."""
        if not task.strip():
            raise InvalidFrameError("an episode's task is a sentence; this one is empty")
        if self._behind:
            self._open()  # a save broke off among its renames: learn what came of it
        # a new name each time: an encoder that outlives its killed parent by a moment must find nothing
        self._folder = self.root / layout.UNFINISHED / uuid.uuid4().hex
        with told(self._folder):
            shutil.rmtree(self._folder.parent, ignore_errors=True)
            self._folder.mkdir(parents=True)
        if self._encoding is not None:
            self._encoding.begin(self._folder)
        return EpisodeWriter(self, task, self._encoding)

    def close(self) -> None:
        """End the encoding process and let others write. What was not saved is gone."""
        if self._encoding is not None:
            self._encoding.close()
        if self._lock >= 0:
            shutil.rmtree(self.root / layout.UNFINISHED, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1

    def _save(self, task: str, columns: dict[str, Any], videos: Sequence[Encoded], beside: Sidecar) -> Entry:
        n, number = len(columns["frame_index"]), self._next
        start = self.entries[-1].stop if self.entries else 0
        clips = {v.key: Clip(number, 0.0, n / self.schema.fps) for v in self.schema.views}
        meta = self.entries[-1].meta if self.entries else 0
        beside_it = [i for i, one in enumerate(self.entries) if one.meta == meta]
        if len(beside_it) >= layout.ROWS:
            meta, beside_it = meta + 1, []
        entry = Entry(len(self.entries), (task,), n, start, start + n, number, clips, meta)
        tasks = self._tasks if task in self._tasks else [*self._tasks, task]
        columns = columns | {
            "timestamp": (np.arange(n) / self.schema.fps).astype(np.float32),
            "episode_index": np.full(n, entry.episode),
            "index": np.arange(start, start + n),
            "task_index": np.full(n, tasks.index(task)),
        }
        found = {key: stats.column_stats(columns[key]) for key in self.features if key in columns}
        for view, video in zip(self.schema.views, videos, strict=True):
            found[view.key] = stats.image_stats(video.levels, video.frames)

        # everything is written and synced first, so that nothing but renames is left
        folder = self._folder
        parts: list[tuple[Path, str]] = [
            (video.path, layout.path_of(layout.VIDEO, number, view.key))
            for view, video in zip(self.schema.views, videos, strict=True)
        ]

        def table(content: pa.Table, name: str) -> None:
            path = folder / name.replace("/", "-")
            write_table(path, content)
            parts.append((path, name))

        for name, content in tables(entry.episode, beside).items():
            table(content, layout.path_of(layout.SIDE[name], number))
        table(table_of(columns, self.features), layout.path_of(layout.DATA, number))
        if tasks != self._tasks:
            table(texts_table("task", tasks), layout.TASKS)
        if self._steps != self._texts(layout.SUBTASKS, "subtask"):
            table(texts_table("subtask", self._steps), layout.SUBTASKS)
        listed = [self.entries[i] for i in beside_it], [self._stats[i] for i in beside_it]
        rows = entries_table([*listed[0], entry], [*listed[1], found], self.features)
        table(rows, layout.path_of(layout.EPISODES, meta))
        everything = stats.aggregate([*self._stats, found])
        info = self._info | {
            "total_episodes": entry.episode + 1,
            "total_frames": entry.stop,
            "total_tasks": len(tasks),
            "splits": {"train": f"0:{entry.episode + 1}"},
        }
        for name, json_content in ((layout.STATS, stats_json(everything)), (layout.INFO, info)):
            write_json(folder / Path(name).name, json_content)
            parts.append((folder / Path(name).name, name))

        self._behind = True  # until all names are given: what is on the disk is ahead of what is known here
        for temporary, name in parts:
            publish(temporary, self.root / name)
        self._behind = False
        self.entries.append(entry)
        self._stats.append(found)
        self._tasks, self._info, self._next = tasks, info, number + 1
        return entry

    def step_number(self, text: str) -> int:
        """The number of a step text; new texts get the next."""
        if text not in self._steps:
            self._steps.append(text)
        return self._steps.index(text)

    def _texts(self, name: str, column: str) -> list[str]:
        path = self.root / name
        return read_texts(path, column) if path.exists() else []

    def _put_json(self, name: str, content: Any) -> None:
        temporary = self.root / layout.UNFINISHED / Path(name).name
        write_json(temporary, content)
        publish(temporary, self.root / name)


class EpisodeWriter:
    """One episode in the making; `add` a row a tick, then `save`, or `discard`.

    Attributes:
        n: frames so far.
    """

    def __init__(
        self, dataset: DatasetWriter, task: str, encoding: EncoderProcess | InlineEncoder | None
    ) -> None:
        self._dataset, self._task, self._encoding = dataset, task, encoding
        self._schema = dataset.schema
        self.n = 0
        self._numbers: list[NDArray[np.float32]] = []  # (3, n_joints + 1) a frame, as in VECTORS
        self._scalars: list[tuple[bool, int, float]] = []
        self._repeated: dict[str, list[int]] = {view.name: [] for view in self._schema.views}
        self._age = 0.0
        self._open = True
        self.events: list[EpisodeEvent] = []
        self.commands: list[CommandRecord] = []

    def add(self, row: Row) -> None:
        """One frame. Returns at once: at most the encoding's `max_wait` a camera later where it lags.

        Raises:
            InvalidFrameError: the row does not match the schema or is not finite; it is not recorded.
            EncoderError, WriteError: the episode is lost, every finished one is kept.
        """
        vectors = [np.asarray(v, np.float32) for v in (row.state, row.action, row.requested)]
        if not all(v.shape == (self._schema.width,) and np.isfinite(v).all() for v in vectors):
            raise InvalidFrameError(_number_problem(row, self._schema, self.n))
        if not np.isfinite(row.capture_time):
            raise InvalidFrameError(f"frame {self.n}: capture time {row.capture_time} is not finite")
        if len(row.images) != len(self._schema.views):
            raise InvalidFrameError(
                f"frame {self.n}: {len(row.images)} pictures for {len(self._schema.views)} cameras"
            )
        if problem := shape_problem(self._schema, row.images):
            raise InvalidFrameError(f"frame {self.n}: {problem}")
        for camera, (view, rgb) in enumerate(zip(self._schema.views, row.images, strict=True)):
            assert self._encoding is not None
            if not self._encoding.add(camera, self.n, rgb):
                self._repeated[view.name].append(self.n)
        self._numbers.append(np.stack(vectors))
        step = self._dataset.step_number(row.step)
        self._scalars.append((row.intervention, step, float(row.capture_time)))
        self._age = max(self._age, row.age)
        self.n += 1

    @property
    def repeated(self) -> int:
        """Pictures so far that the encoder had no room for."""
        return sum(map(len, self._repeated.values()))

    def save(self, run: Run | None = None) -> tuple[Entry, Sidecar]:
        """Finish the episode: when this returns it is on the disk for good.

        Raises:
            InvalidFrameError: there is no frame in it.
            EncoderError, WriteError: the episode is lost, every finished one is kept.
        """
        if not self.n:
            self.discard()
            raise InvalidFrameError("an episode without a frame is not saved; nothing was commanded")
        videos = [] if self._encoding is None else self._encoding.finish()
        for video in videos:
            if video.frames != self.n:
                raise EncoderError(f"{video.path}: {video.frames} pictures for {self.n} frames; not saved")
        numbers = np.stack(self._numbers)  # (T, 3, D)
        intervention, step, time = (np.array(column) for column in zip(*self._scalars, strict=True))
        columns = {key: numbers[:, i] for i, key in enumerate(VECTORS)} | {
            "intervention": intervention,
            "subtask_index": step,
            "capture_time": time - time[0],
            "frame_index": np.arange(self.n),
        }
        waited = 0.0 if self._encoding is None else self._encoding.waited
        timing = measure_timing(time, self._schema.fps, self._repeated, waited, self._age)
        run = Run(self._task) if run is None else replace(run, instruction=run.instruction or self._task)
        beside = Sidecar(run, timing, tuple(self.events), tuple(self.commands))
        self._open = False
        return self._dataset._save(self._task, columns, videos, beside), beside

    def discard(self) -> None:
        """Throw the episode away. After `save` it does nothing."""
        if self._open and self._encoding is not None:
            self._encoding.abandon()
        self._open = False


def lock(root: Path) -> int:
    """Be the only writer of a data set until the returned descriptor is closed. Raises DatasetBusyError."""
    with told(root / layout.LOCK):
        fd = os.open(root / layout.LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(fd, 32).decode(errors="replace").strip()
        os.close(fd)
        raise DatasetBusyError(
            f"{root}: process {holder or '?'} is recording to it; name another path or end it"
        ) from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)
    return fd


def table_of(columns: Mapping[str, Any], features: Mapping[str, Any]) -> pa.Table:
    """Rows of data/*.parquet, from arrays by feature."""
    schema = arrow_schema(features)
    arrays = []
    for field in schema:
        values = columns[field.name]
        if pa.types.is_fixed_size_list(field.type):
            flat = pa.array(np.ascontiguousarray(values, np.float32).reshape(-1))
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, field.type.list_size))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.table(arrays, schema)


def _number_problem(row: Row, schema: Schema, frame: int) -> str:
    names = [*schema.joints, "gripper"]
    for what in ("state", "action", "requested"):
        values = np.asarray(getattr(row, what))
        if values.shape != (schema.width,):
            return f"frame {frame}: {what} has shape {values.shape}, expected ({schema.width},)"
        for name, value in zip(names, values, strict=True):
            if not np.isfinite(value):
                return f"frame {frame}: {what} of {name} is {value}, not a finite number"
    return f"frame {frame}: a number is beyond what float32 holds"
