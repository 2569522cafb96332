"""What a killed writer left behind: finished where the episode was whole, removed where it was not.

An episode is whole from the moment its row in meta/episodes has its name; see `palme.data.writer` for the
order. Only files with the number that comes next can be such a rest, and nothing else is ever removed here.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from palme.data import layout, stats
from palme.data.episode_index import Entry, read_entries, read_stats, read_texts, stats_json, video_keys
from palme.data.errors import DamagedDatasetError
from palme.data.files import publish, write_json


def recover(root: Path, info: dict[str, Any]) -> tuple[dict[str, Any], list[Entry], list[str]]:
    """Bring a data set into the state that its last whole episode left it in. The caller holds the lock.

    Returns:
        info.json as it is now, the episodes, and what was done, for a person.

    Raises:
        DamagedDatasetError: info.json counts more episodes than meta/episodes lists; no killed writer
            leaves that.
    """
    features, done = info["features"], []
    unfinished = root / layout.UNFINISHED
    if unfinished.exists():
        if any(unfinished.iterdir()):
            done.append("an episode that was being recorded when its writer ended was removed")
        shutil.rmtree(unfinished, ignore_errors=True)
    entries = read_entries(root, features)
    counted = info["total_episodes"]
    if counted > len(entries):
        raise DamagedDatasetError(
            f"{root}: info.json counts {counted} episodes, meta/episodes lists {len(entries)}; "
            f"`palme data repair {root}`"
        )
    if rest := _rest(root, features, entries):
        done.append(f"{len(rest)} files of an episode that was not finished were removed")
    for path in rest:
        path.unlink()
    if counted < len(entries):
        info = recount(root, info, entries)
        done.append(f"{len(entries) - counted} finished episode(s) not yet counted were counted")
    return info, entries, done


def recount(root: Path, info: dict[str, Any], entries: list[Entry]) -> dict[str, Any]:
    """Write meta/stats.json and meta/info.json anew from what meta/episodes holds."""
    tasks = root / layout.TASKS
    n_tasks = len(read_texts(tasks, "task")) if tasks.exists() else 0
    info = info | {
        "total_episodes": len(entries),
        "total_frames": entries[-1].stop if entries else 0,
        "total_tasks": n_tasks,
        "splits": {"train": f"0:{len(entries)}"},
    }
    everything = stats.aggregate(read_stats(root, info["features"]))
    for name, content in ((layout.STATS, stats_json(everything)), (layout.INFO, info)):
        temporary = root / layout.UNFINISHED / Path(name).name
        write_json(temporary, content)
        publish(temporary, root / name)
    return info


def files_of(root: Path, features: dict[str, Any], n: int) -> list[Path]:
    """Every file of number `n` that there could be, but for meta/episodes."""
    kinds = [layout.path_of(layout.DATA, n), *(layout.path_of(side, n) for side in layout.SIDE.values())]
    kinds += [layout.path_of(layout.VIDEO, n, key) for key in video_keys(features)]
    return [root / kind for kind in kinds]


def _rest(root: Path, features: dict[str, Any], entries: list[Entry]) -> list[Path]:
    used = set().union(*(entry.files for entry in entries)) if entries else set()
    return [path for path in files_of(root, features, max(used, default=-1) + 1) if path.exists()]
