"""Records a data set episode by episode; killing the writer at any instant loses no finished episode.

While an episode is recorded its rows are in memory and its videos under `.unfinished`, which readers ignore.
`save` writes and syncs every file there, then renames each (and syncs the folder) in this order. Videos,
sidecar tables and data have one file an episode; the others are replaced by a longer one:

    1. videos/KEY/...          nothing refers to them yet
    2. palme/runs, events, commands
    3. data/...                rows beyond those that info.json counts
    4. meta/tasks.parquet, meta/subtasks.parquet   a superset of the texts in use
    5. meta/episodes/...       from here on the episode is complete
    6. meta/stats.json
    7. meta/info.json          from here on it is counted: readers stop here

After any number of these renames the data set reads as before, or with one episode more. The next writer, or
`palme data repair`, counts an episode that is complete (after 5) and removes one that is not.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from palme.data import layout, stats
from palme.data.crash_recovery import recover
from palme.data.encoding import EncodedVideo, EncoderProcess, VideoEncoder, shape_problem
from palme.data.episode_index import (
    Clip,
    DatasetInfo,
    Entry,
    entries_table,
    read_info,
    read_stats,
    read_texts,
    stats_json,
    texts_table,
)
from palme.data.errors import (
    DataError,
    DatasetBusyError,
    EncoderError,
    EpisodeLostError,
    InvalidFrameError,
    NotADatasetError,
)
from palme.data.files import publish, write_error, write_json, write_table, writing
from palme.data.frame_timing import ShownPictures, measure_timing
from palme.data.schema import VECTORS, Features, Schema, arrow_schema
from palme.data.sidecar import CommandRecord, EpisodeEvent, Run, Sidecar, tables
from robots.text import text_problem


@dataclass(frozen=True)
class Row:
    """One frame.

    Attributes:
        state: (n_joints + 1,) measured joints in [rad] and gripper opening in [0, 1], before the command.
        action: (n_joints + 1,) the command sent.
        requested: (n_joints + 1,) the command requested.
        step: the step text, "" between steps.
        capture_time: monotonic time in [s] of the receiver.
        images: uint8 (H, W, 3) in the schema's order of cameras.
        intervention: whether a person commanded.
        age: age in [s] of the oldest image.
        offsets: [s] from `capture_time` to when each image was taken, <= 0; () = all then.
        taken: for each image, what tells it from the one before: its time; None = it is new; () = all are.
    """

    state: NDArray
    action: NDArray
    requested: NDArray
    step: str
    capture_time: float
    images: Sequence[NDArray[np.uint8]] = ()
    intervention: bool = False
    age: float = 0.0
    offsets: Sequence[float] = ()
    taken: Sequence[float | None] = ()


class DatasetWriter:
    """Records episodes to a data set, new or existing; the only writer while it is open. A context manager.

    Attributes:
        root, schema: as given.
        features: the features of info.json.
        entries: the episodes, in order.
        recovered: what was recovered from an earlier writer, a line each.
    """

    def __init__(
        self,
        root: Path | str,
        schema: Schema,
        encoder: Callable[[Schema], VideoEncoder] = EncoderProcess,
    ) -> None:
        """Lock the data set, recover it, and start the encoder.

        Args:
            root: the folder.
            schema: what is recorded.
            encoder: makes the video encoder.

        Raises:
            DatasetBusyError: another process writes to it.
            SchemaMismatchError: it is of another arm, rate or cameras.
            NotADatasetError: the folder holds something else.
            WriteError: the file system refuses.
        """
        self.root, self.schema = Path(root), schema
        self.features: Features = schema.features()
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        self._lock = lock(self.root)
        self._make_encoder = encoder
        self._encoder: VideoEncoder | None = None
        self._folder = self.root / layout.UNFINISHED
        self._failed = False  # an episode failed: the disk may be ahead of this object
        self.recovered: list[str] = []
        try:
            self._open()
            self._start_encoder()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        schema = self.schema
        if not (self.root / layout.INFO).exists():
            if names := [p.name for p in self.root.iterdir() if not p.name.startswith(".")]:
                if names != ["meta"] or any((self.root / "meta").iterdir()):
                    raise NotADatasetError(
                        f"{self.root}: contains {names[0]!r} and no {layout.INFO}; choose an empty "
                        "folder or a data set"
                    )
            temporary = self._folder / Path(layout.INFO).name
            write_json(temporary, DatasetInfo.new(self.features, schema.fps, schema.robot_type).json)
            publish(temporary, self.root / layout.INFO)
        info = read_info(self.root)
        schema.check_same(info.features, info.fps, info.robot_type)
        self.features = info.features
        self._info, self.entries, self.recovered = recover(self.root, info)
        self._tasks = self._texts(layout.TASKS, "task")
        self._steps = self._texts(layout.SUBTASKS, "subtask") or [""]
        self._stats = read_stats(self.root, self.features)
        files = [p for kind in ("data/*/*", "videos/*/*/*", "palme/*/*/*") for p in self.root.glob(kind)]
        self._next = 1 + max((layout.number_of(path) or 0 for path in files), default=-1)

    def _start_encoder(self) -> None:
        """A new encoder in place of one that failed: what is left in that one's queue concerns no episode."""
        old, self._encoder = self._encoder, None
        if old is not None:
            old.close()
        if self.schema.views:
            self._encoder = self._make_encoder(self.schema)

    def __enter__(self) -> DatasetWriter:
        """Return the writer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the writer."""
        self.close()

    def begin(self, task: str) -> EpisodeWriter:
        """Start an episode; the previous one must be saved or discarded.

        Args:
            task: the task sentence.

        Raises:
            InvalidFrameError: the sentence is empty, or holds a character that no file can carry.
            WriteError: the file system refuses.
            EncoderError: the encoder failed.
        """
        if problem := text_problem(task):
            raise InvalidFrameError(f"the task sentence of an episode: {problem}")
        if not task.strip():
            raise InvalidFrameError("the task sentence of an episode is empty")
        with self.containing():
            if self._failed:  # perhaps between the renames of a save: read what it left
                self._open()
                self._start_encoder()
                self._failed = False
            # a new name each time: an encoder that briefly outlives its killed parent must not write here
            self._folder = self.root / layout.UNFINISHED / uuid.uuid4().hex
            shutil.rmtree(self._folder.parent, ignore_errors=True)
            self._folder.mkdir(parents=True)
            if self._encoder is not None:
                try:
                    self._encoder.begin(self._folder)
                except EncoderError:  # it ended between two episodes
                    self._start_encoder()
                    self._encoder.begin(self._folder)
        return EpisodeWriter(self, task, self._encoder)

    @contextmanager
    def containing(self) -> Iterator[None]:
        """Whatever fails inside costs one episode: the next `begin` reads what it left on disk.

        Raises:
            DataError: as it was raised.
            WriteError: in place of an OSError.
            EpisodeLostError: in place of any other exception.
        """
        try:
            yield
        except BaseException as error:
            self._failed = True
            if isinstance(error, DataError) or not isinstance(error, Exception):
                raise
            if isinstance(error, OSError):
                raise write_error(self.root, error) from error
            raise EpisodeLostError(
                f"{self.root}: the episode cannot be saved ({type(error).__name__}: {error}); every finished "
                "episode is kept"
            ) from error

    def close(self) -> None:
        """End the encoder and release the lock; an unsaved episode is discarded. Idempotent."""
        try:
            if self._encoder is not None:
                self._encoder.close()
        finally:
            if self._lock >= 0:
                shutil.rmtree(self.root / layout.UNFINISHED, ignore_errors=True)
                os.close(self._lock)
                self._lock = -1

    def _save(
        self,
        task: str,
        steps: Sequence[str],
        columns: dict[str, Any],
        videos: Sequence[EncodedVideo],
        sidecar: Sidecar,
    ) -> Entry:
        """Write one episode; `subtask_index` in `columns` counts in `steps`."""
        n, number = len(columns["frame_index"]), self._next
        start = self.entries[-1].stop if self.entries else 0
        clips = {v.key: Clip(number, 0.0, n / self.schema.fps) for v in self.schema.views}
        meta = self.entries[-1].meta if self.entries else 0
        listed = [i for i, one in enumerate(self.entries) if one.meta == meta]
        if len(listed) >= layout.ROWS:
            meta, listed = meta + 1, []
        entry = Entry(len(self.entries), (task,), n, start, start + n, number, clips, meta)
        tasks = self._tasks if task in self._tasks else [*self._tasks, task]
        all_steps = [*self._steps, *(step for step in steps if step not in self._steps)]
        numbers = np.array([all_steps.index(step) for step in steps])
        columns = columns | {
            "subtask_index": numbers[columns["subtask_index"]],
            "timestamp": (np.arange(n) / self.schema.fps).astype(np.float32),
            "episode_index": np.full(n, entry.episode),
            "index": np.arange(start, start + n),
            "task_index": np.full(n, tasks.index(task)),
        }
        found = {key: stats.column_stats(columns[key]) for key in self.features if key in columns}
        for view, video in zip(self.schema.views, videos, strict=True):
            found[view.key] = stats.image_stats(video.levels, video.frames)

        # write and sync everything first, so that only renames remain
        folder = self._folder
        parts: list[tuple[Path, str]] = [
            (video.path, layout.path_of(layout.VIDEO, number, view.key))
            for view, video in zip(self.schema.views, videos, strict=True)
        ]

        def table(content: pa.Table, name: str) -> None:
            path = folder / name.replace("/", "-")
            write_table(path, content)
            parts.append((path, name))

        for name, content in tables(entry.episode, sidecar).items():
            table(content, layout.path_of(layout.SIDECAR[name], number))
        table(table_of(columns, self.features), layout.path_of(layout.DATA, number))
        if tasks != self._tasks:
            table(texts_table("task", tasks), layout.TASKS)
        if all_steps != self._steps or not (self.root / layout.SUBTASKS).exists():
            table(texts_table("subtask", all_steps), layout.SUBTASKS)
        rows = entries_table(
            [*(self.entries[i] for i in listed), entry],
            [*(self._stats[i] for i in listed), found],
            self.features,
        )
        table(rows, layout.path_of(layout.EPISODES, meta))
        everything = stats.aggregate([*self._stats, found])
        info = self._info.counting(entry.episode + 1, entry.stop, len(tasks))
        for name, json_content in ((layout.STATS, stats_json(everything)), (layout.INFO, info.json)):
            write_json(folder / Path(name).name, json_content)
            parts.append((folder / Path(name).name, name))

        for temporary, name in parts:
            publish(temporary, self.root / name)
        self.entries.append(entry)
        self._stats.append(found)
        self._tasks, self._steps, self._info, self._next = tasks, all_steps, info, number + 1
        return entry

    def _texts(self, name: str, column: str) -> list[str]:
        path = self.root / name
        return read_texts(path, column) if path.exists() else []


class EpisodeWriter:
    """One episode being recorded: `add` a row a tick, then `save` or `discard`.

    Attributes:
        n: number of frames so far.
        events, commands: the rows of the sidecar tables so far.
    """

    def __init__(self, dataset: DatasetWriter, task: str, encoder: VideoEncoder | None) -> None:
        """Start an episode of `dataset`; see `DatasetWriter.begin`."""
        self._dataset, self._task, self._encoder = dataset, task, encoder
        self._schema = dataset.schema
        self.n = 0
        self._numbers: list[NDArray[np.float32]] = []  # (3, n_joints + 1) a frame, as in VECTORS
        self._scalars: list[tuple[bool, int, float]] = []
        self._shown = ShownPictures([view.name for view in self._schema.views])
        self._age = 0.0
        self._open = True
        self._steps = [""]  # texts of this episode's steps, in order of appearance
        self.events: list[EpisodeEvent] = []
        self.commands: list[CommandRecord] = []

    def add(self, row: Row) -> None:
        """Append one frame. Waits at most the encoder's `max_wait` a camera.

        Raises:
            InvalidFrameError: the row does not match the schema, is not finite, or its step text cannot be
                written; it is not recorded.
            EncoderError, WriteError: the episode is lost, every finished one is kept.
        """
        if not self._open:
            raise InvalidFrameError(f"frame {self.n}: the episode is saved or discarded; begin another")
        if problem := text_problem(row.step):
            raise InvalidFrameError(f"frame {self.n}: step text: {problem}")
        vectors = [np.asarray(v, np.float32) for v in (row.state, row.action, row.requested)]
        if not all(v.shape == (self._schema.width,) and np.isfinite(v).all() for v in vectors):
            raise InvalidFrameError(_number_problem(row, self._schema, self.n))
        if not np.isfinite(row.capture_time):
            raise InvalidFrameError(f"frame {self.n}: capture time {row.capture_time} is not finite")
        if len(row.images) != len(self._schema.views):
            raise InvalidFrameError(
                f"frame {self.n}: {len(row.images)} images for {len(self._schema.views)} cameras"
            )
        if problem := shape_problem(self._schema, row.images):
            raise InvalidFrameError(f"frame {self.n}: {problem}")
        with self._dataset.containing():
            for camera, rgb in enumerate(row.images):
                assert self._encoder is not None
                accepted = self._encoder.add(camera, self.n, rgb)
                offset = row.offsets[camera] if row.offsets else 0.0
                key = row.taken[camera] if row.taken else None
                self._shown.add(camera, key, row.capture_time + offset, accepted)
        self._numbers.append(np.stack(vectors))
        if row.step not in self._steps:
            self._steps.append(row.step)
        self._scalars.append((row.intervention, self._steps.index(row.step), float(row.capture_time)))
        self._age = max(self._age, row.age)
        self.n += 1

    @property
    def repeated(self) -> int:
        """Number of images so far that repeat the previous one."""
        return sum(map(len, self._shown.repeated.values()))

    def save(self, run: Run | None = None) -> tuple[Entry, Sidecar]:
        """Finish the episode: it is on disk when this returns.

        Args:
            run: how it was recorded; None = the task alone.

        Raises:
            InvalidFrameError: the episode has no frame, or was saved or discarded before.
            EncoderError, WriteError, EpisodeLostError: the episode is lost, every finished one is kept, and
                the next one can be recorded.
        """
        if not (self._open and self.n):
            self.discard()
            raise InvalidFrameError("the episode has no frame: nothing was commanded; it is not saved")
        self._open = False
        with self._dataset.containing():
            return self._finish(run)

    def _finish(self, run: Run | None) -> tuple[Entry, Sidecar]:
        videos = [] if self._encoder is None else self._encoder.finish()
        for video in videos:
            if video.frames != self.n:
                raise EncoderError(f"{video.path}: {video.frames} images for {self.n} frames; not saved")
        numbers = np.stack(self._numbers)  # (T, 3, D)
        intervention, step, time = (np.array(column) for column in zip(*self._scalars, strict=True))
        columns = {key: numbers[:, i] for i, key in enumerate(VECTORS)} | {
            "intervention": intervention,
            "subtask_index": step,
            "capture_time": time - time[0],
            "frame_index": np.arange(self.n),
        }
        waited = 0.0 if self._encoder is None else self._encoder.waited
        timing = measure_timing(time, self._schema.fps, self._shown, waited, self._age)
        run = Run(self._task) if run is None else replace(run, instruction=run.instruction or self._task)
        sidecar = Sidecar(run, timing, tuple(self.events), tuple(self.commands))
        return self._dataset._save(self._task, self._steps, columns, videos, sidecar), sidecar

    def discard(self) -> None:
        """Discard the episode. Idempotent; does nothing after `save`."""
        was_open, self._open = self._open, False
        if was_open and self._encoder is not None:
            try:
                self._encoder.abandon()
            except (OSError, DataError):  # what it leaves is removed before the next episode
                self._dataset._failed = True


def lock(root: Path) -> int:
    """Lock a data set for writing until the returned file descriptor is closed.

    Raises:
        DatasetBusyError: another process holds the lock.
    """
    with writing(root / layout.LOCK):
        fd = os.open(root / layout.LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(fd, 32).decode(errors="replace").strip()
        os.close(fd)
        raise DatasetBusyError(
            f"{root}: process {holder or '?'} is recording to it; end it or choose another path"
        ) from None
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
    except OSError as error:
        os.close(fd)
        raise write_error(root / layout.LOCK, error) from error
    return fd


def table_of(columns: Mapping[str, Any], features: Features) -> pa.Table:
    """The rows of data/*.parquet from arrays by feature."""
    schema = arrow_schema(features)
    arrays = []
    for field in schema:
        values = columns[field.name]
        if pa.types.is_fixed_size_list(field.type):
            flat = pa.array(np.ascontiguousarray(values).reshape(-1), field.type.value_type)
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
    return f"frame {frame}: a number exceeds the range of float32"
