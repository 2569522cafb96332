"""Repair: recovers from a killed writer in place; for any other damage writes a whole data set beside it.

What it can restore: every meta file, from the frames and from what is right in the others; statistics; the
sidecar rows of undamaged episodes. What it cannot: frames and images that are damaged (their episodes are
left out), step texts, joint names, and an index that neither meta/episodes nor the rows show. The damaged
data set is kept as PATH.damaged: repair deletes no data, and changes nothing unless the result checks clean.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from palme.data.check import check
from palme.data.crash_recovery import recover
from palme.data.episode_index import read_info
from palme.data.errors import DamagedDatasetError, DataError, WriteError
from palme.data.files import sync, writing
from palme.data.merge_split import copy_episodes
from palme.data.reader import Dataset
from palme.data.rebuild import rebuild
from palme.data.writer import lock


def repair(root: Path) -> list[str]:
    """Make a data set valid.

    Returns:
        A line for each change made; [] if the data set was valid.

    Raises:
        NotADatasetError: `root` holds no data set.
        DatasetBusyError: another process writes to it.
        DamagedDatasetError: no episode is complete, or something is lost that no file shows; nothing changes.
        WriteError: the file system refuses, or PATH.damaged exists.
    """
    check(root)  # raises NotADatasetError before a lock is left in a folder of something else
    fd = lock(root)
    try:
        done = _recovered(root)
        problems = check(root)
        if not problems:
            return done
        damaged, repaired = root.with_name(f"{root.name}.damaged"), root.with_name(f".{root.name}.repaired")
        if damaged.exists():
            raise WriteError(f"{damaged} exists from an earlier repair; move it away first")
        try:
            done += _written(root, repaired)
            with writing(root):
                os.replace(root, damaged)
                os.replace(repaired, root)
                sync(root.parent)
        finally:
            shutil.rmtree(repaired, ignore_errors=True)
        return [*done, f"the damaged data set is kept at {damaged}"]
    finally:
        os.close(fd)


def _recovered(root: Path) -> list[str]:
    try:
        return recover(root, read_info(root))[2]
    except DataError:
        return []  # more is damaged than a killed writer leaves


def _written(root: Path, repaired: Path) -> list[str]:
    """Write the whole episodes of `root` to `repaired`, with whole meta files."""
    first = check(root)[0]
    shutil.rmtree(repaired, ignore_errors=True)
    try:
        done = rebuild(root, repaired)
        problems = check(repaired)
        bad = {p.episode for p in problems if p.episode is not None}
        if problems:  # write the rows and images anew, without the episodes that are lost
            good = [i for i in range(len(Dataset(repaired).entries)) if i not in bad]
            if not good:
                raise DamagedDatasetError(f"no episode is complete; first problem: {first}")
            whole = repaired.with_name(f"{repaired.name}.whole")
            shutil.rmtree(whole, ignore_errors=True)
            try:
                copy_episodes(whole, [(Dataset(repaired), good)])
                shutil.rmtree(repaired)
                os.replace(whole, repaired)
            finally:
                shutil.rmtree(whole, ignore_errors=True)
            without = f", left out {', '.join(map(str, sorted(bad)))}" if bad else ""
            done.append(f"wrote {len(good)} episode(s) anew{without}")
            problems = check(repaired)
        if problems:
            raise DamagedDatasetError(f"cannot be repaired: {problems[0]}")
    except DataError as error:
        text = str(error).replace(str(repaired), str(root))
        text = text if text.startswith(str(root)) else f"{root}: {text}"
        raise DamagedDatasetError(f"{text}; nothing was changed") from error
    return done
