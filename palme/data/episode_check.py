"""Problems of one episode: its rows, texts, statistics and images, each compared with the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from palme.data import layout
from palme.data.episode_index import Entry
from palme.data.errors import DataError
from palme.data.index_check import image_stats_problem, stats_problem
from palme.data.problem import Problem, shown
from palme.data.reader import Dataset
from palme.data.stats import NAMES, Stats, column_stats

TIMESTAMP_TOLERANCE = 1e-4  # [s] LeRobot's own tolerance of a nominal timestamp


def episode_problems(
    dataset: Dataset, entry: Entry, known: Mapping[str, Stats], deep: bool
) -> Iterator[Problem]:
    """Problems of one episode.

    Args:
        dataset: it is of.
        entry: its row of meta/episodes.
        known: its statistics there.
        deep: decode every image, not only the first and the last.
    """
    rows = list(_numbers(dataset, entry))
    yield from rows or _statistics(dataset, entry, known)
    yield from _videos(dataset, entry, deep)


def overlaps(
    taken: Mapping[tuple[str, int], Sequence[tuple[float, float, int]]], fps: float
) -> Iterator[Problem]:
    """Episodes that name the same images, from (start, stop, episode) by camera and file."""
    for (key, file), clips in taken.items():
        for (_, stop, one), (start, _, other) in pairwise(sorted(clips)):
            if not start >= stop - 0.5 / fps:
                where = layout.path_of(layout.VIDEO, file, key)
                yield Problem(where, f"episodes {one} and {other} name the same images")


def video_info_problems(dataset: Dataset) -> Iterator[Problem]:
    """What info.json tells of the videos, against the first of each camera."""
    for key in dataset.video_keys if dataset.entries else ():
        feature = dataset.features[key]
        told = feature.get("info")
        if not isinstance(told, dict):
            continue  # optional: LeRobot fills it in
        try:
            video = dataset.videos.index(dataset.video(dataset.entries[0], key))
        except DataError:
            continue  # told already
        wanted = {
            "video.height": feature["shape"][0], "video.width": feature["shape"][1], "video.channels": 3,
            "video.fps": dataset.fps, "video.codec": video.codec_name, "video.pix_fmt": video.pix_fmt,
            "video.is_depth_map": False, "has_audio": False,
        }  # fmt: skip
        for name, value in wanted.items():
            there = told.get(name, value)
            if not (there == value and isinstance(there, bool) == isinstance(value, bool)):
                what = f"feature {key!r}: {name} is {shown(told[name])}, the video has {value!r}"
                yield Problem(layout.INFO, what)


def _statistics(dataset: Dataset, entry: Entry, known: Mapping[str, Stats]) -> Iterator[Problem]:
    """The episode's statistics in meta/episodes against its rows."""
    where = layout.path_of(layout.EPISODES, entry.meta)
    try:
        columns = dataset.columns(entry)
    except DataError:
        return  # told already
    for key, feature in dataset.features.items():
        if feature["dtype"] == "string":
            continue
        if key not in known:
            what = (
                f"statistics of {key} in episode {entry.episode} are missing, not finite or of another shape"
            )
            yield Problem(where, what)
        elif feature["dtype"] == "video":
            if problem := image_stats_problem(known[key], entry.length):
                yield Problem(where, f"stats/{key}/{problem} in episode {entry.episode}")
        elif np.isfinite(columns[key]).all():
            wanted = column_stats(columns[key])
            for name in NAMES:
                if problem := stats_problem(known[key][name], wanted, name):
                    yield Problem(where, f"stats/{key}/{name} of episode {entry.episode} {problem}")
                    break


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
        at = int(np.flatnonzero(~(np.diff(columns["capture_time"]) >= 0))[0]) + 1
        yield Problem(where, f"capture_time decreases at frame {at}", entry.episode)


def _texts(where: str, columns: dict[str, NDArray], dataset: Dataset, entry: Entry) -> Iterator[Problem]:
    for name, texts, file in (
        ("task_index", dataset.tasks, layout.TASKS),
        ("subtask_index", dataset.steps, layout.SUBTASKS),
    ):
        if name in columns and not ((0 <= columns[name]) & (columns[name] < len(texts))).all():
            what = f"{name} up to {columns[name].max()}, {file} has {len(texts)} texts"
            yield Problem(where, what, entry.episode)
            return
    used = {dataset.tasks[int(i)] for i in np.unique(columns["task_index"])}
    if used != set(entry.tasks):
        what = f"tasks of episode {entry.episode} is {list(entry.tasks)}, its frames name {sorted(used)}"
        yield Problem(layout.path_of(layout.EPISODES, entry.meta), what)


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
