"""Checks a data set: opens every file, compares every field and count, changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from palme.data import layout
from palme.data.episode_check import episode_problems, overlaps, video_info_problems
from palme.data.episode_index import (
    DatasetInfo,
    Entry,
    episode_files,
    read_entries,
    read_info,
    read_stats,
    read_texts,
)
from palme.data.errors import DamagedDatasetError, DataError
from palme.data.files import read_json, read_table
from palme.data.index_check import index_file_problems, stats_file_problems, texts_problems
from palme.data.info_check import info_problems
from palme.data.problem import Problem
from palme.data.reader import Dataset
from palme.data.schema import video_keys
from palme.data.sidecar_check import sidecar_problems
from palme.data.sidecar_reader import read_sidecars
from palme.data.stats import Stats, aggregate
from palme.data.strays import stray_problems


def check(root: Path, deep: bool = False) -> list[Problem]:
    """All problems of a data set.

    Args:
        root: the data set.
        deep: decode every image, not only the first and the last of each episode.

    Raises:
        NotADatasetError: there is no data set.
    """
    if not any((root / name).exists() for name in (layout.INFO, "data", "meta/episodes")):
        read_info(root)  # raises the error that names what is missing
    found: list[Problem] = []
    unfinished = root / layout.UNFINISHED
    if unfinished.exists() and any(unfinished.iterdir()):
        found.append(Problem(layout.UNFINISHED, "a recording is in progress, or its writer was killed"))
    try:
        content = read_json(root / layout.INFO)
    except DataError as error:
        return [*found, Problem(layout.INFO, str(error))]
    found += info_problems(content)
    try:
        info = read_info(root)
    except DamagedDatasetError:
        return found
    files = episode_files(root)
    found += index_file_problems(root, files, info.features)
    found += stray_problems(root, info.features)
    found += texts_problems(root, layout.TASKS, "task") if info.total_episodes else []
    if "subtask_index" in info.features and info.total_episodes:
        found += texts_problems(root, layout.SUBTASKS, "subtask")
    if any(problem.fatal for problem in found):
        return found
    entries = read_entries(root, info.features)
    found += _totals(root, info, entries)
    try:
        dataset = Dataset(root)
    except DataError as error:
        return [*found, Problem("meta", str(error))]
    known = read_stats(root, info.features)
    found += _stats(root, info, known)
    taken: dict[tuple[str, int], list[tuple[float, float, int]]] = {}
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
        found += episode_problems(dataset, entry, known[number], deep)
        for key, clip in entry.clips.items():
            taken.setdefault((key, clip.file), []).append((clip.start, clip.stop, entry.episode))
    found += overlaps(taken, dataset.fps)
    found += video_info_problems(dataset)
    found += sidecar_problems(root, dataset.entries, dataset.fps)
    found += _arm(dataset)
    dataset.close()
    return found


def _arm(dataset: Dataset) -> Iterator[Problem]:
    """Whether info.json and the runs name the same arm."""
    try:
        runs = read_sidecars(dataset.root)
    except (DataError, TypeError, ValueError):
        return  # its columns are listed already
    arms = {side.run.arm for side in runs.values() if side.run.arm}
    if arms and dataset.info.robot_type not in list(arms):
        what = f"robot_type is {dataset.info.robot_type!r}, palme/runs names {', '.join(sorted(arms))}"
        yield Problem(layout.INFO, what)


def _totals(root: Path, info: DatasetInfo, entries: list[Entry]) -> Iterator[Problem]:
    counted = info.total_episodes
    if counted != len(entries):
        yield Problem(layout.INFO, f"counts {counted} episodes, meta/episodes lists {len(entries)}")
    frames = sum(entry.length for entry in entries)
    if counted == len(entries) and info.total_frames != frames:
        yield Problem(layout.INFO, f"counts {info.total_frames} frames, meta/episodes {frames}")
    if counted == len(entries) and counted:
        tasks = read_texts(root / layout.TASKS, "task")
        if info.total_tasks != len(tasks):
            yield Problem(layout.INFO, f"counts {info.total_tasks} tasks, meta/tasks {len(tasks)}")
    used = {entry.data for entry in entries}
    for path in layout.numbered(root / "data", "parquet"):
        if layout.number_of(path) not in used:
            yield Problem(str(path.relative_to(root)), "belongs to no episode")
    for path in layout.numbered(root / "data", "parquet"):
        frames = sum(entry.length for entry in entries if entry.data == layout.number_of(path))
        try:
            rows = len(read_table(path, lambda name: name == "index"))
        except DataError:
            continue  # told with its episodes
        if frames and rows != frames:
            yield Problem(str(path.relative_to(root)), f"has {rows} rows, its episodes have {frames} frames")
    for path in [one for key in video_keys(info.features) for one in _video_files(root, key)]:
        key = path.relative_to(root).parts[1]
        if layout.number_of(path) not in {e.clips[key].file for e in entries if key in e.clips}:
            yield Problem(str(path.relative_to(root)), "belongs to no episode")


def _stats(root: Path, info: DatasetInfo, known: list[dict[str, Stats]]) -> Iterator[Problem]:
    if info.total_episodes:
        yield from stats_file_problems(root, info.features, aggregate(known[: info.total_episodes]))


def _video_files(root: Path, key: str) -> list[Path]:
    return layout.numbered(root / "videos" / key, "mp4")
