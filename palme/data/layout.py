"""Where things lie: LeRobotDataset v3.0's own names, and under `palme/` what that format has no place for."""

from __future__ import annotations

import re
from pathlib import Path

VERSION = "v3.0"
CHUNK_SIZE = 1000  # files a folder
ROWS = 100  # episodes that a file of meta/episodes lists; it is written anew with each
DATA_MB, VIDEO_MB = 100, 200  # size from which packing begins another file; v3.0's own defaults

INFO, STATS = "meta/info.json", "meta/stats.json"
TASKS, SUBTASKS = "meta/tasks.parquet", "meta/subtasks.parquet"
NUMBERED = "chunk-{chunk_index:03d}/file-{file_index:03d}"
EPISODES = f"meta/episodes/{NUMBERED}.parquet"
DATA = f"data/{NUMBERED}.parquet"
VIDEO = f"videos/{{video_key}}/{NUMBERED}.mp4"
# One file an episode each, beside what LeRobot knows: how it was recorded, what was said, what was commanded.
RUNS, EVENTS, COMMANDS = (f"palme/{name}/{NUMBERED}.parquet" for name in ("runs", "events", "commands"))
SIDE = {"runs": RUNS, "events": EVENTS, "commands": COMMANDS}

UNFINISHED = ".unfinished"  # everything that is being written; nothing outside it is ever half a file
LOCK = ".writer"
PICTURE = "observation.images."

_NUMBERS = re.compile(r"chunk-(\d+)/file-(\d+)\.(?:parquet|mp4)$")


def place(n: int) -> tuple[int, int]:
    """(chunk, file) of the `n`-th file."""
    return divmod(n, CHUNK_SIZE)


def path_of(template: str, n: int, video_key: str = "") -> str:
    """The `n`-th file of a kind, relative to the data set."""
    chunk, file = place(n)
    return template.format(chunk_index=chunk, file_index=file, video_key=video_key)


def number_of(path: Path) -> int | None:
    """The `n` of `path_of`, or None where the name is of another kind."""
    found = _NUMBERS.search(path.as_posix())
    return None if found is None else int(found[1]) * CHUNK_SIZE + int(found[2])
