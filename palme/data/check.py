"""Checks a data set: opens every file, compares every count, changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from palme.data import layout
from palme.data.episode_index import DatasetInfo, Entry, read_entries, read_info, read_texts
from palme.data.errors import DataError
from palme.data.reader import Dataset
from palme.data.sidecar import read_sidecars

TIMESTAMP_TOLERANCE = 1e-4  # [s] LeRobot's own tolerance of a nominal timestamp


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        where: the file.
        what: the problem.
        episode: its number, None if the whole data set is concerned.
    """

    where: str
    what: str
    episode: int | None = None

    def __str__(self) -> str:
        """One line for a person."""
        which = "" if self.episode is None else f"episode {self.episode}: "
        return f"{self.where}: {which}{self.what}"


def check(root: Path, deep: bool = False) -> list[Problem]:
    """All problems of a data set.

    Args:
        root: the data set.
        deep: decode every image, not only the first and the last of each episode.

    Raises:
        NotADatasetError: there is no data set.
    """
    info = read_info(root)
    found: list[Problem] = []
    unfinished = root / layout.UNFINISHED
    if unfinished.exists() and any(unfinished.iterdir()):
        found.append(Problem(layout.UNFINISHED, "a recording is in progress, or its writer was killed"))
    try:
        entries = read_entries(root, info.features)
    except DataError as error:
        return [*found, Problem("meta/episodes", str(error))]
    found += _totals(root, info, entries)
    try:
        dataset = Dataset(root)
    except DataError as error:
        return [*found, Problem("meta", str(error))]
    start = 0
    for number, entry in enumerate(dataset.entries):
        if entry.episode != number:
            found.append(Problem("meta/episodes", f"lists episode {entry.episode}, expected {number}"))
        if not (entry.start == start and entry.stop == start + entry.length and entry.length > 0):
            found.append(
                Problem(
                    "meta/episodes",
                    f"frames {entry.start} to {entry.stop}, length {entry.length}, expected start {start}",
                    entry.episode,
                )
            )
        start = entry.stop
        found += _numbers(dataset, entry)
        found += _videos(dataset, entry, deep)
    found += _sidecar_tables(root, len(dataset.entries))
    dataset.close()
    return found


def _totals(root: Path, info: DatasetInfo, entries: list[Entry]) -> Iterator[Problem]:
    counted = info.total_episodes
    if counted != len(entries):
        yield Problem(layout.INFO, f"counts {counted} episodes, meta/episodes lists {len(entries)}")
    frames = sum(entry.length for entry in entries)
    if counted == len(entries) and info.total_frames != frames:
        yield Problem(layout.INFO, f"counts {info.total_frames} frames, meta/episodes {frames}")
    if counted:
        try:
            tasks = read_texts(root / layout.TASKS, "task")
            if info.total_tasks != len(tasks) and counted == len(entries):
                yield Problem(layout.INFO, f"counts {info.total_tasks} tasks, meta/tasks {len(tasks)}")
        except DataError as error:
            yield Problem(layout.TASKS, str(error))
        yield from _stats(root)
    used = {entry.data for entry in entries}
    for path in sorted((root / "data").glob("*/*.parquet")):
        if layout.number_of(path) not in used:
            yield Problem(str(path.relative_to(root)), "belongs to no episode")
    for path in sorted((root / "videos").glob("*/*/*.mp4")):
        key = path.relative_to(root).parts[1]
        if layout.number_of(path) not in {e.clips[key].file for e in entries if key in e.clips}:
            yield Problem(str(path.relative_to(root)), "belongs to no episode")


def _stats(root: Path) -> Iterator[Problem]:
    try:
        json.loads((root / layout.STATS).read_text(encoding="utf-8"), parse_constant=_not_finite)
    except (OSError, ValueError) as error:
        yield Problem(layout.STATS, f"missing, truncated or not finite ({error})")


def _not_finite(word: str) -> float:
    raise ValueError(f"holds {word}")


def _numbers(dataset: Dataset, entry: Entry) -> Iterator[Problem]:
    where = layout.path_of(layout.DATA, entry.data)
    try:
        columns = dataset.columns(entry)
    except DataError as error:
        yield Problem(where, str(error), entry.episode)
        return
    n = entry.length
    wanted = {
        "episode_index": np.full(n, entry.episode),
        "frame_index": np.arange(n),
        "index": np.arange(entry.start, entry.stop),
    }
    for name, values in wanted.items():
        if name in columns and (bad := np.flatnonzero(columns[name] != values)).size:
            at = int(bad[0])
            yield Problem(
                where, f"{name} is {columns[name][at]} at frame {at}, expected {values[at]}", entry.episode
            )
    off = np.abs(columns["timestamp"].astype(float) - np.arange(n) / dataset.fps)
    if not (off <= TIMESTAMP_TOLERANCE).all():
        at = int(np.nanargmax(np.where(np.isfinite(off), off, np.inf)))
        yield Problem(
            where,
            f"timestamp {columns['timestamp'][at]} s at frame {at} is {off[at]:.6f} s from {at} / fps, limit "
            f"{TIMESTAMP_TOLERANCE:g}",
            entry.episode,
        )
    for name, values in columns.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            at = int(np.flatnonzero(~np.isfinite(values.reshape(n, -1)).all(1))[0])
            yield Problem(where, f"{name} is not finite at frame {at}: {values[at]}", entry.episode)
    yield from _texts(where, columns, dataset, entry)
    if "capture_time" in columns and not (np.diff(columns["capture_time"]) >= 0).all():
        at = int(np.flatnonzero(np.diff(columns["capture_time"]) < 0)[0]) + 1
        yield Problem(where, f"capture_time decreases at frame {at}", entry.episode)


def _texts(where: str, columns: dict[str, NDArray], dataset: Dataset, entry: Entry) -> Iterator[Problem]:
    for name, texts in (("task_index", dataset.tasks), ("subtask_index", dataset.steps)):
        if name in columns and not ((0 <= columns[name]) & (columns[name] < len(texts))).all():
            yield Problem(
                where, f"{name} up to {columns[name].max()}, the file has {len(texts)} texts", entry.episode
            )


def _videos(dataset: Dataset, entry: Entry, deep: bool) -> Iterator[Problem]:
    for key in dataset.video_keys:
        clip, path = entry.clips[key], dataset.video(entry, key)
        where = str(path.relative_to(dataset.root))
        if not path.exists():
            yield Problem(where, "missing", entry.episode)
            continue
        span = clip.stop - clip.start
        if not abs(span - entry.length / dataset.fps) <= 0.5 / dataset.fps:
            yield Problem(
                where, f"{span:.3f} s of video for {entry.length} frames at {dataset.fps} Hz", entry.episode
            )
        try:
            first, present = round(clip.start * dataset.fps), dataset.videos.count(path)
            if first + entry.length > present:
                yield Problem(
                    where, f"images {first} to {first + entry.length - 1} of {present}", entry.episode
                )
                continue
            for frame in range(entry.length) if deep else {0, entry.length - 1}:
                shape = list(dataset.image(entry, key, frame).shape)
                if shape != (declared := list(dataset.features[key]["shape"])):
                    what = f"images are {shape}, info.json declares {declared}"
                    yield Problem(where, what, entry.episode)
                    break
        except DataError as error:
            yield Problem(where, str(error), entry.episode)


def _sidecar_tables(root: Path, n: int) -> Iterator[Problem]:
    try:
        present = read_sidecars(root)
    except DataError as error:
        yield Problem("palme", str(error))
        return
    if present and (missing := [i for i in range(n) if i not in present]) and len(missing) < n:
        yield Problem("palme/runs", f"lacks episode(s) {missing}")
