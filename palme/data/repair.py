"""Mending: what a killed writer left is settled in place; of anything worse, what is whole is written anew.

The old one is kept beside it, as PATH.damaged: nothing is thrown away by a machine.
"""

from __future__ import annotations

import os
from pathlib import Path

from palme.data.check import check
from palme.data.crash_recovery import recount, recover
from palme.data.episode_index import read_entries, read_info
from palme.data.errors import DamagedDatasetError, DataError, WriteError
from palme.data.merge_split import copy_episodes
from palme.data.reader import Dataset
from palme.data.writer import lock


def repair(root: Path) -> list[str]:
    """Make a data set whole. Returns what was done, for a person; [] where nothing was wrong.

    Raises:
        NotADatasetError: `root` holds no data set.
        DatasetBusyError: another process writes to it.
        DamagedDatasetError: no episode is complete.
    """
    info = read_info(root)
    fd = lock(root)
    try:
        done = _settled(root, info)
        problems = check(root)
        if not problems:
            return done
        bad = {p.episode for p in problems if p.episode is not None}
        whole = [i for i in range(_count(root)) if i not in bad]
        if not whole:
            raise DamagedDatasetError(f"{root}: no episode is whole; first problem: {problems[0]}")
        return done + _rebuilt(root, whole, sorted(bad))
    finally:
        os.close(fd)


def _settled(root: Path, info: dict) -> list[str]:
    entries = read_entries(root, info["features"])
    if info["total_episodes"] > len(entries):
        lost = info["total_episodes"] - len(entries)
        recount(root, info, entries)
        return [
            f"{lost} episode(s) that info.json counted are not listed in meta/episodes: no longer counted"
        ]
    _, _, done = recover(root, info)
    return done


def _count(root: Path) -> int:
    return len(Dataset(root).entries)


def _rebuilt(root: Path, whole: list[int], bad: list[int]) -> list[str]:
    """Swap in a data set of the episodes that are whole."""
    aside, mended = root.with_name(f"{root.name}.damaged"), root.with_name(f".{root.name}.mended")
    if aside.exists():
        raise WriteError(f"{aside}: is there from an earlier repair; move it away first")
    try:
        copy_episodes(mended, [(Dataset(root), whole)])
    except DataError as error:
        raise DamagedDatasetError(f"{root}: {error}; nothing was changed") from error
    os.replace(root, aside)
    os.replace(mended, root)
    said = f"written anew with {len(whole)} episode(s)"
    if bad:
        said += f", without {', '.join(map(str, bad))}"
    return [f"{said}; as it was: {aside}"]
