"""Writes a new data set from episodes of others: `merge`, `split` and the rewriting half of `repair`.

Many short files become few long ones: rows fill 100 MB of parquet, videos 200 MB, LeRobot's defaults. Video
packets are copied, never re-encoded. The new data set is written under a temporary name and renamed once it
is complete.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from palme.data import layout, stats
from palme.data.episode_index import (
    Clip,
    DatasetInfo,
    Entry,
    entries_table,
    extra_columns,
    joined,
    read_stats,
    stats_json,
    texts_table,
    with_extras,
)
from palme.data.errors import DataError, SchemaMismatchError, WriteError
from palme.data.files import read_table, sync, write_error, write_json, write_table
from palme.data.info_check import FIELDS
from palme.data.reader import Dataset
from palme.data.schema import arrow_schema
from palme.data.sidecar import renumbered, sidecar_files

MB = 1 << 20
DERIVED = {"total_videos", "total_chunks"}  # of older versions: counts that follow from the others

Sources = Sequence[tuple[Dataset, Sequence[int]]]
"""Data sets, each with the numbers of its episodes to copy."""


def copy_episodes(
    target: Path,
    sources: Sources,
    progress: Callable[[int], object] = lambda n: None,
) -> int:
    """Write episodes of `sources`, in that order, as a new data set.

    Args:
        target: the new folder.
        sources: data sets, each with the numbers of its episodes to copy.
        progress: called with 1 after each episode.

    Returns:
        The number of episodes.

    Raises:
        SchemaMismatchError: the sources differ in arm, rate or features, or no episode is given.
        WriteError: `target` exists, or the disk is full.
        DamagedDatasetError: an episode cannot be read.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise WriteError(f"output path exists: {target}; choose another or delete it")
    first = sources[0][0]
    for other, _ in sources[1:]:
        _check_same(first, other)
    if not any(numbers for _, numbers in sources):
        raise SchemaMismatchError(f"{target}: no episode to write")
    part = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(part, ignore_errors=True)
    try:
        n = _EpisodeCopier(part, first).write(sources, progress)
        for folder, _, _ in os.walk(part):
            sync(Path(folder))
        if target.exists():
            target.rmdir()
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, target)
        sync(target.parent)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return n


def _check_same(one: Dataset, other: Dataset) -> None:
    for what in ("fps", "robot_type"):
        here, there = one.info.json.get(what), other.info.json.get(what)
        if here != there:
            raise SchemaMismatchError(
                f"{what}: {here!r} in {one.root}, {there!r} in {other.root}; arm and rate must be the same"
            )
    for key in sorted(set(one.features) | set(other.features)):
        a, b = one.features.get(key), other.features.get(key)
        if a is None or b is None:
            raise SchemaMismatchError(f"feature {key!r} is not in {(one if a is None else other).root}")
        for part in ("dtype", "shape", "names"):
            if a.get(part) != b.get(part):
                raise SchemaMismatchError(
                    f"feature {key!r}: {part} {a.get(part)} in {one.root}, {b.get(part)} in {other.root}"
                )
    for key in one.video_keys if one.entries and other.entries else ():
        first, second = (d.videos.index(d.video(d.entries[0], key)) for d in (one, other))
        for part in ("codec_name", "pix_fmt"):
            if (here := getattr(first, part)) != (there := getattr(second, part)):
                raise SchemaMismatchError(
                    f"feature {key!r}: {part} {here} in {one.root}, {there} in {other.root}"
                )
    for key in sorted((set(one.info.json) | set(other.info.json)) - set(FIELDS) - DERIVED):
        here, there = one.info.json.get(key), other.info.json.get(key)
        if here != there:
            raise SchemaMismatchError(
                f"info.json: {key} is {here!r} in {one.root}, {there!r} in {other.root}; make them equal"
            )


@dataclass
class _EpisodeCopier:
    root: Path
    template: Dataset
    entries: list[Entry] = field(default_factory=list)
    episode_stats: list[dict[str, stats.Stats]] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=lambda: [""])
    extras: list[pa.Table] = field(default_factory=list)  # columns of meta/episodes of other programs

    def write(
        self, sources: Sequence[tuple[Dataset, Sequence[int]]], progress: Callable[[int], object]
    ) -> int:
        features = self.template.features
        data = _DataFiles(self.root, arrow_schema(features))
        videos = {key: _VideoFiles(self.root, key, self.template.fps) for key in self.template.video_keys}
        sidecars: dict[str, list[pa.Table]] = {name: [] for name in layout.SIDECAR}
        for dataset, numbers in sources:
            known = read_stats(dataset.root, features)
            new = {}
            for number in numbers:
                new[number] = len(self.entries)
                old = dataset.episode(number).entry
                columns = self._columns(dataset, old)
                file = data.add(columns, features)
                clips = {key: video.add(dataset, old) for key, video in videos.items()}
                start = self.entries[-1].stop if self.entries else 0
                self.entries.append(
                    replace(old, episode=new[number], start=start, stop=start + old.length, data=file,
                            clips=clips, meta=0)
                )  # fmt: skip
                self.episode_stats.append(self._stats(known[number], columns))
                progress(1)
            for name in layout.SIDECAR:
                rows = [read_table(path) for path in sidecar_files(dataset.root, name)]
                if rows:
                    sidecars[name].append(renumbered(joined(rows, f"palme/{name}"), new))
            if (extras := extra_columns(dataset.root, features)) is not None:
                self.extras.append(renumbered(extras, new))
        data.close()
        for video in videos.values():
            video.close()
        for name, parts in sidecars.items():
            if parts:
                write_table(
                    self.root / layout.path_of(layout.SIDECAR[name], 0), joined(parts, f"palme/{name}")
                )
        self._meta()
        return len(self.entries)

    def _meta(self) -> None:
        features = self.template.features
        write_table(self.root / layout.TASKS, texts_table("task", self.tasks))
        if "subtask_index" in features:
            write_table(self.root / layout.SUBTASKS, texts_table("subtask", self.steps))
        extras = joined(self.extras, "meta/episodes") if self.extras else None
        table = with_extras(entries_table(self.entries, self.episode_stats, features), extras)
        write_table(self.root / layout.path_of(layout.EPISODES, 0), table)
        write_json(self.root / layout.STATS, stats_json(stats.aggregate(self.episode_stats)))
        info = self.template.info
        new = DatasetInfo.new(features, info.fps, info.robot_type)
        new = new.counting(len(self.entries), self.entries[-1].stop, len(self.tasks))
        others = {k: v for k, v in info.json.items() if k not in new.json and k not in DERIVED}
        write_json(self.root / layout.INFO, {**new.json, **others})

    def _columns(self, dataset: Dataset, old: Entry) -> dict[str, Any]:
        """The episode's rows, renumbered."""
        columns: dict[str, Any] = dict(dataset.columns(old))
        n, start = old.length, self.entries[-1].stop if self.entries else 0
        columns["episode_index"] = np.full(n, len(self.entries))
        columns["frame_index"] = np.arange(n)
        columns["index"] = np.arange(start, start + n)
        columns["timestamp"] = (np.arange(n) / dataset.fps).astype(np.float32)
        columns["task_index"] = _renumbered_texts(columns["task_index"], dataset.tasks, self.tasks)
        if "subtask_index" in columns:
            columns["subtask_index"] = _renumbered_texts(columns["subtask_index"], dataset.steps, self.steps)
        return columns

    def _stats(self, old: dict[str, stats.Stats], columns: dict[str, Any]) -> dict[str, stats.Stats]:
        """Statistics of the rows; those of images are copied, since they precede compression."""
        numbers = {k: stats.column_stats(v) for k, v in columns.items() if v.dtype.kind != "O"}
        return {key: old[key] for key in self.template.video_keys if key in old} | numbers


def _renumbered_texts(index: Any, old: list[str], new: list[str]) -> Any:
    """Numbers of `old` texts as numbers of `new` texts, which are appended as needed."""
    used = {int(i): old[int(i)] for i in np.unique(index)}
    new += [text for text in used.values() if text not in new]
    return np.array([new.index(used[int(i)]) for i in index], np.int64)


class _DataFiles:
    """Writes data/*.parquet: one row group an episode, the next file when one is full."""

    def __init__(self, root: Path, schema: pa.Schema) -> None:
        self._root, self._schema = root, schema
        self._n, self._size = -1, 0
        self._writer: Any = None

    def add(self, columns: dict[str, Any], features: Any) -> int:
        from palme.data.writer import table_of

        table = table_of(columns, features)
        if self._writer is None or self._size + table.nbytes > layout.DATA_MB * MB:
            self.close()
            self._n, self._size = self._n + 1, 0
            path = self._root / layout.path_of(layout.DATA, self._n)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pa.parquet.ParquetWriter(path, self._schema, compression="snappy")
        self._writer.write_table(table)
        self._size += table.nbytes
        return self._n

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            sync(self._root / layout.path_of(layout.DATA, self._n))
            self._writer = None


class _VideoFiles:
    """Writes videos/KEY/*.mp4: packets in sequence, the next file when one is full."""

    def __init__(self, root: Path, key: str, fps: float) -> None:
        self._root, self._key, self._fps = root, key, fps
        self._n, self._size = -1, 0
        self._container: Any = None
        self._images, self._like = 0, b""

    def add(self, dataset: Dataset, entry: Entry) -> Clip:
        import av

        path = dataset.video(entry, self._key)
        index = dataset.videos.index(path)
        first = round(entry.clips[self._key].start * self._fps)
        last = first + entry.length
        if not (last <= index.n and index.key[np.flatnonzero(index.image == first)[0]]):
            raise DataError(
                f"{path}: episode {entry.episode} does not begin at a key frame, or is "
                "truncated; it cannot be copied"
            )
        wanted = np.flatnonzero((index.image >= first) & (index.image < last))
        size = int(index.size[wanted].sum())
        with av.open(str(path)) as source:
            stream = source.streams.video[0]
            full = self._size + size > layout.VIDEO_MB * MB
            if self._container is None or full or self._like != index.extradata:
                self._begin(stream, index.extradata)
            at = self._images
            numbers = index.image[wanted] - first
            delay = int((np.arange(len(wanted)) - numbers).max())  # images that wait for later ones
            packets = [p for p in source.demux(stream) if p.size]
            for order, k in enumerate(wanted.tolist()):
                packet = packets[k]
                packet.pts = (at + int(numbers[order])) * index.ticks
                packet.dts = (at + order - delay) * index.ticks
                packet.duration = index.ticks
                packet.stream = self._stream
                self._container.mux(packet)
        self._size += size
        self._images += entry.length
        return Clip(self._n, at / self._fps, self._images / self._fps)

    def _begin(self, stream: Any, template: bytes) -> None:
        import av

        self.close()
        self._n, self._size, self._images, self._like = self._n + 1, 0, 0, template
        path = self._root / layout.path_of(layout.VIDEO, self._n, self._key)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(path), "w", format="mp4")
        self._stream = self._container.add_stream_from_template(stream, opaque=True)

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
            sync(self._root / layout.path_of(layout.VIDEO, self._n, self._key))
            self._container = None
