"""Repair: recovers from a killed writer in place; for any other damage rewrites the complete episodes.

The damaged data set is kept as PATH.damaged: repair deletes no data.
"""

from __future__ import annotations

import os
from pathlib import Path

from palme.data.check import check
from palme.data.crash_recovery import recount, recover
from palme.data.episode_index import DatasetInfo, read_entries, read_info
from palme.data.errors import DamagedDatasetError, DataError, WriteError
from palme.data.merge_split import copy_episodes
from palme.data.reader import Dataset
from palme.data.writer import lock


def repair(root: Path) -> list[str]:
    """Make a data set valid.

    Returns:
        A line for each change made; [] if the data set was valid.

    Raises:
        NotADatasetError: `root` holds no data set.
        DatasetBusyError: another process writes to it.
        DamagedDatasetError: no episode is complete.
    """
    info = read_info(root)
    fd = lock(root)
    try:
        done = _recovered(root, info)
        problems = check(root)
        if not problems:
            return done
        bad = {p.episode for p in problems if p.episode is not None}
        good = [i for i in range(len(Dataset(root).entries)) if i not in bad]
        if not good:
            raise DamagedDatasetError(f"{root}: no episode is complete; first problem: {problems[0]}")
        return done + _rewritten(root, good, sorted(bad))
    finally:
        os.close(fd)


def _recovered(root: Path, info: DatasetInfo) -> list[str]:
    entries = read_entries(root, info.features)
    if (lost := info.total_episodes - len(entries)) > 0:
        recount(root, info, entries)
        return [f"removed from info.json {lost} episode(s) that meta/episodes does not list"]
    return recover(root, info)[2]


def _rewritten(root: Path, good: list[int], bad: list[int]) -> list[str]:
    """Replace the data set by a copy of its complete episodes."""
    damaged, repaired = root.with_name(f"{root.name}.damaged"), root.with_name(f".{root.name}.repaired")
    if damaged.exists():
        raise WriteError(f"{damaged} exists from an earlier repair; move it away first")
    try:
        copy_episodes(repaired, [(Dataset(root), good)])
    except DataError as error:
        raise DamagedDatasetError(f"{root}: {error}; nothing was changed") from error
    os.replace(root, damaged)
    os.replace(repaired, root)
    without = f" without {', '.join(map(str, bad))}" if bad else ""
    return [f"rewrote {len(good)} episode(s){without}; the damaged data set is kept at {damaged}"]
