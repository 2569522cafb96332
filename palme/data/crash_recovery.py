"""Recovery after a killed writer: a complete episode is counted, an incomplete one is removed.

An episode is complete once its row in meta/episodes has its name; `palme.data.writer` defines the order. Only
files with the next free number can be incomplete; recovery removes no other file.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from palme.data import layout
from palme.data.episode_index import DatasetInfo, Entry, read_entries, read_stats, read_texts, stats_json
from palme.data.errors import DamagedDatasetError
from palme.data.files import publish, write_json, writing
from palme.data.schema import Features, video_keys
from palme.data.stats import aggregate


def recover(root: Path, info: DatasetInfo) -> tuple[DatasetInfo, list[Entry], list[str]]:
    """Restore a data set to the state after its last complete episode. The caller holds the lock.

    Returns:
        The new info.json, the episodes, and a line for each change made.

    Raises:
        DamagedDatasetError: info.json counts more episodes than meta/episodes lists; no killed writer
            leaves that.
    """
    done = []
    unfinished = root / layout.UNFINISHED
    if unfinished.exists():
        if any(unfinished.iterdir()):
            done.append("removed an episode whose recording was interrupted")
        shutil.rmtree(unfinished, ignore_errors=True)
    entries = read_entries(root, info.features)
    if info.total_episodes > len(entries):
        raise DamagedDatasetError(
            f"{root}: info.json counts {info.total_episodes} episodes, meta/episodes lists {len(entries)}; "
            f"`palme data repair {root}`"
        )
    if leftovers := _leftovers(root, info.features, entries):
        done.append(f"removed {len(leftovers)} files of an incomplete episode")
    for path in leftovers:
        with writing(path):
            path.unlink()
    if uncounted := len(entries) - info.total_episodes:
        info = recount(root, info, entries)
        done.append(f"added {uncounted} complete episode(s) to info.json")
    return info, entries, done


def recount(root: Path, info: DatasetInfo, entries: list[Entry]) -> DatasetInfo:
    """Rewrite meta/stats.json and meta/info.json from meta/episodes."""
    tasks = root / layout.TASKS
    n_tasks = len(read_texts(tasks, "task")) if tasks.exists() else 0
    info = info.counting(len(entries), entries[-1].stop if entries else 0, n_tasks)
    stats = stats_json(aggregate(read_stats(root, info.features)))
    for name, content in ((layout.STATS, stats), (layout.INFO, info.json)):
        temporary = root / layout.UNFINISHED / Path(name).name
        write_json(temporary, content)
        publish(temporary, root / name)
    return info


def _leftovers(root: Path, features: Features, entries: list[Entry]) -> list[Path]:
    """The existing files of the next free number, other than meta/episodes."""
    used = set().union(*(entry.files for entry in entries)) if entries else set()
    n = max(used, default=-1) + 1
    names = [layout.path_of(layout.DATA, n), *(layout.path_of(table, n) for table in layout.SIDECAR.values())]
    names += [layout.path_of(layout.VIDEO, n, key) for key in video_keys(features)]
    return [root / name for name in names if (root / name).exists()]
