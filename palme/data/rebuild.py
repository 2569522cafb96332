"""Rebuilds the meta files of a data set beside it: what is right is kept, the rest follows from the frames.

Data and videos are linked, not copied. What nothing else shows (joint names, step texts) is lost with its
file; the lines returned and the errors say so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from palme.data import layout, stats
from palme.data.columns import Column, column_problems
from palme.data.decoder import index_video
from palme.data.episode_index import (
    Clip,
    DatasetInfo,
    Entry,
    entries_table,
    episode_files,
    extra_columns,
    read_entries,
    read_stats,
    read_texts,
    stats_json,
    texts_table,
    with_extras,
)
from palme.data.errors import DamagedDatasetError, DataError
from palme.data.files import read_table, write_json, write_table, writing
from palme.data.index_check import image_stats_problem, index_file_problems, texts_problems
from palme.data.reader import Dataset
from palme.data.rebuild_info import rebuilt_info
from palme.data.rebuild_sidecars import rebuild_sidecars
from palme.data.schema import video_keys
from palme.data.sidecar import SCHEMAS, sidecar_files
from palme.data.sidecar_check import sidecar_problems
from palme.data.strays import belongs

MADE = (layout.INFO, layout.STATS)


def rebuild(root: Path, target: Path) -> list[str]:
    """Write the data set at `root` to `target` with whole meta files.

    Returns:
        A line for each thing that was derived or lost.

    Raises:
        DamagedDatasetError: something is lost that no other file shows.
        WriteError: the file system refuses.
    """
    tables, unreadable = _data_tables(root)
    info, done = rebuilt_info(root, tables)
    with writing(target):
        done += _linked(root, target)
    tasks, entries, lines = _entries(root, info, tables, unreadable)
    done += lines
    write_table(target / layout.TASKS, texts_table("task", tasks))
    steps = root / layout.SUBTASKS
    if "subtask_index" in info.features:
        fatal = [problem for problem in texts_problems(root, layout.SUBTASKS, "subtask") if problem.fatal]
        if fatal:
            raise DamagedDatasetError(
                f"{steps}: {fatal[0].what}; the step texts stand nowhere else: restore the file from a copy"
            )
        write_table(target / layout.SUBTASKS, texts_table("subtask", read_texts(steps, "subtask")))
    info = info.counting(len(entries), entries[-1].stop, len(tasks))
    extras = _extras(root, info)
    write_json(target / layout.INFO, info.json)
    _write_index(target, entries, [{}] * len(entries), info, extras)
    dataset = Dataset(target)
    found = _statistics(root, dataset)
    dataset.close()
    _write_index(target, entries, found, info, extras)
    write_json(target / layout.STATS, stats_json(stats.aggregate(found)))
    if any(sidecar_files(root, name) for name in SCHEMAS):
        if sidecar_problems(root, entries, info.fps):
            done += rebuild_sidecars(root, Dataset(target))
        else:
            for path in (path for name in SCHEMAS for path in sidecar_files(root, name)):
                _link(path, target / path.relative_to(root))
    return done


def _data_tables(root: Path) -> tuple[dict[int, pa.Table], list[Path]]:
    tables, unreadable = {}, []
    for path in layout.numbered(root / "data", "parquet"):
        try:
            tables[layout.number_of(path) or 0] = read_table(path)
        except DataError:
            unreadable.append(path)
    if not tables:
        raise DamagedDatasetError(f"{root}: no file of data/ can be read: the frames are lost")
    return tables, unreadable


def _linked(root: Path, target: Path) -> list[str]:
    """Link data, videos and the meta files of other programs. Returns what is left out."""
    left = []
    for folder in ("data", "videos", "meta", "palme"):
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_dir():
                continue
            if not belongs(name):
                left.append(name)
            elif folder in ("data", "videos") or (name.endswith(".json") and name not in MADE):
                _link(path, target / name)
    for path in root.iterdir():  # README.md, .gitattributes and the like
        if path.is_file() and path.name != layout.LOCK:
            _link(path, target / path.name)
    return [f"left out {', '.join(left)}: no part of a data set"] if left else []


def _link(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, to)
    except OSError:  # a file system without links
        shutil.copy2(path, to)


def _entries(
    root: Path, info: DatasetInfo, tables: Mapping[int, pa.Table], unreadable: Sequence[Path]
) -> tuple[list[str], list[Entry], list[str]]:
    """Task sentences and episodes."""
    old: list[Entry] = []
    try:
        if not index_file_problems(root, episode_files(root), info.features):
            old = read_entries(root, info.features)
    except DataError:
        pass
    seen = [] if unreadable else _from_rows(tables)
    if not seen and not old:
        raise DamagedDatasetError(
            f"{root}: meta/episodes is damaged, and the rows of data/ do not show the episodes; restore it "
            "from a copy"
        )
    if not seen:
        return (*_tasks(root, tables, old), [])
    known = {entry.episode: entry for entry in old}
    told = _old_tasks(root)
    entries = [
        replace(entry, tasks=told.get(entry.episode, ()), meta=entry.episode // layout.ROWS) for entry in seen
    ]
    places = [(e.start, e.stop, e.data) for e in entries]
    same = len(old) == len(entries) and [(e.start, e.stop, e.data) for e in old] == places
    kept = [replace(e, clips=known[e.episode].clips, meta=known[e.episode].meta) for e in entries if same]
    if same and _clips_fit(root, old, info):
        return (*_tasks(root, tables, kept), [])
    try:
        entries = _with_clips(root, entries, info)
    except DamagedDatasetError:
        if not same:
            raise
        entries = kept  # what is damaged is a video: its episodes are lost, and not their places
    lines = [f"meta/episodes: made anew from the rows of data/, {len(entries)} episode(s)"]
    return (*_tasks(root, tables, entries), lines)


def _from_rows(tables: Mapping[int, pa.Table]) -> list[Entry]:
    """The episodes as the rows number them; [] if the numbers contradict each other."""
    entries: list[Entry] = []
    count = {"episode_index": Column("int"), "frame_index": Column("int"), "index": Column("int")}
    for number in sorted(tables):
        table = tables[number]
        if not len(table) or list(column_problems(table, count)):
            return []
        episode, frame, index = (table[name].to_numpy() for name in count)
        begins = np.flatnonzero(np.diff(episode, prepend=episode[0] - 1))
        for begin, end in zip(begins, [*begins[1:], len(episode)], strict=True):
            n, start = int(end - begin), entries[-1].stop if entries else 0
            right = episode[begin] == len(entries) and index[begin] == start
            right = right and np.array_equal(frame[begin:end], np.arange(n))
            if not (right and np.array_equal(index[begin:end], np.arange(start, start + n))):
                return []
            entries.append(Entry(len(entries), (), n, start, start + n, number, {}, 0))
    return entries


def _clips_fit(root: Path, entries: Sequence[Entry], info: DatasetInfo) -> bool:
    """Whether each episode has as many images as frames, within its file and its own alone."""
    taken: set[tuple[str, int, int]] = set()
    for entry in entries:
        for key, clip in entry.clips.items():
            first = round(clip.start * info.fps)
            path = root / layout.path_of(layout.VIDEO, clip.file, key)
            if abs((clip.stop - clip.start) * info.fps - entry.length) > 0.5 or not path.exists():
                return False
            here = {(key, clip.file, frame) for frame in range(first, first + entry.length)}
            if here & taken:
                return False
            taken |= here
            try:
                if first + entry.length > index_video(path, info.fps).n:
                    return False
            except DataError:
                continue  # the video is damaged: the episode is lost, and not its place
    return True


def _with_clips(root: Path, entries: list[Entry], info: DatasetInfo) -> list[Entry]:
    """The episodes with their places in the videos: one file an episode, or one after another."""
    for key in video_keys(info.features):
        files = {layout.number_of(path): path for path in layout.numbered(root / "videos" / key, "mp4")}
        alone = len({entry.data for entry in entries}) == len(entries)
        if alone and {entry.data for entry in entries} <= set(files):
            places = [Clip(entry.data, 0.0, entry.length / info.fps) for entry in entries]
        else:
            places = _packed(root, key, files, entries, info.fps)
        entries = [
            replace(entry, clips={**entry.clips, key: place})
            for entry, place in zip(entries, places, strict=True)
        ]
    return entries


def _packed(
    root: Path, key: str, files: Mapping[int | None, Path], entries: Sequence[Entry], fps: float
) -> list[Clip]:
    places: list[Clip] = []
    numbers = sorted(n for n in files if n is not None)
    at, present = 0, 0
    for entry in entries:
        if at >= present:
            if not numbers:
                break
            number = numbers.pop(0)
            at, present = 0, index_video(files[number], fps).n
        if at + entry.length > present:
            break
        places.append(Clip(number, at / fps, (at + entry.length) / fps))
        at += entry.length
    if len(places) < len(entries):
        raise DamagedDatasetError(
            f"{root / 'videos' / key}: its images are not those of the episodes one after another; restore "
            "meta/episodes from a copy"
        )
    return places


def _old_tasks(root: Path) -> dict[int, tuple[str, ...]]:
    """The task sentences of the episodes in meta/episodes, else in palme/runs, as far as they can be read."""
    out: dict[int, tuple[str, ...]] = {}
    for path in sidecar_files(root, "runs"):
        try:
            table = read_table(path)
        except DataError:
            continue
        if not list(column_problems(table, {"episode_index": Column("int"), "instruction": Column("text")})):
            for row in table.select(["episode_index", "instruction"]).to_pylist():
                out[row["episode_index"]] = (row["instruction"],)
    start = 0
    for path in episode_files(root):
        try:
            table = read_table(path)
        except DataError:
            continue
        if not list(column_problems(table, {"tasks": Column("text", many=1)})):
            numbers = list(range(start, start + len(table)))
            if not list(column_problems(table, {"episode_index": Column("int")})):
                numbers = table["episode_index"].to_pylist()
            out |= {n: tuple(texts) for n, texts in zip(numbers, table["tasks"].to_pylist(), strict=True)}
        start += len(table)
    return out


def _tasks(root: Path, tables: Mapping[int, pa.Table], entries: list[Entry]) -> tuple[list[str], list[Entry]]:
    """The task sentences by number, and the episodes with theirs."""
    used: dict[int, list[int]] = {}
    for table in tables.values():
        if not list(column_problems(table, {"episode_index": Column("int"), "task_index": Column("int")})):
            pairs = zip(table["episode_index"].to_pylist(), table["task_index"].to_pylist(), strict=True)
            for episode, number in dict.fromkeys(pairs):
                used.setdefault(episode, []).append(number)
    if not any(problem.fatal for problem in texts_problems(root, layout.TASKS, "task")):
        texts = read_texts(root / layout.TASKS, "task")
    else:
        named = {
            numbers[0]: entry.tasks[0]
            for entry in entries
            if len(numbers := used.get(entry.episode, [])) == 1 and len(entry.tasks) == 1
        }
        if sorted(named) != list(range(len(named))) or set(named) != {
            n for one in used.values() for n in one
        }:
            raise DamagedDatasetError(
                f"{root / layout.TASKS}: damaged, and meta/episodes does not show each task sentence; "
                "restore it from a copy"
            )
        texts = [named[n] for n in sorted(named)]
    out = []
    for entry in entries:
        numbers = used.get(entry.episode, [])
        right = numbers and all(0 <= n < len(texts) for n in numbers)
        out.append(replace(entry, tasks=tuple(texts[n] for n in numbers)) if right else entry)
    return texts, out


def _statistics(root: Path, dataset: Dataset) -> list[dict[str, stats.Stats]]:
    """Those of each episode: of the rows anew, of the images as they are, or from the video if damaged."""
    try:
        known = read_stats(root, dataset.features)
    except (DataError, KeyError, TypeError):
        known = []
    out = []
    for entry in dataset.entries:
        mine: dict[str, stats.Stats] = known[entry.episode] if entry.episode < len(known) else {}
        found: dict[str, stats.Stats] = {}
        try:
            columns = dataset.columns(entry)
            found = {
                k: stats.column_stats(v)
                for k, v in columns.items()
                if v.dtype.kind != "O" and np.isfinite(v).all()
            }
        except DataError:
            pass  # the episode is lost
        for key in dataset.video_keys:
            if key in mine and not image_stats_problem(mine[key], entry.length):
                found[key] = mine[key]
                continue
            try:
                levels = sum(
                    stats.count_levels(dataset.image(entry, key, frame)) for frame in range(entry.length)
                )
                found[key] = stats.image_stats(np.asarray(levels), entry.length)
            except DataError:
                pass
        out.append(found)
    return out


def _write_index(
    target: Path,
    entries: Sequence[Entry],
    found: Sequence[dict[str, stats.Stats]],
    info: DatasetInfo,
    extras: pa.Table | None,
) -> None:
    for meta in sorted({entry.meta for entry in entries}):
        rows = [i for i, entry in enumerate(entries) if entry.meta == meta]
        table = entries_table([entries[i] for i in rows], [found[i] for i in rows], info.features)
        write_table(target / layout.path_of(layout.EPISODES, meta), with_extras(table, extras))


def _extras(root: Path, info: DatasetInfo) -> pa.Table | None:
    """The columns that other programs added to meta/episodes, if its rows can still be told apart."""
    try:
        extras = extra_columns(root, info.features)
    except DataError:
        return None
    if extras is None or list(column_problems(extras, {"episode_index": Column("int")})):
        return None
    return extras
