"""File layout: the names of LeRobotDataset v3.0, and under `palme/` the tables that v3.0 does not define."""

from __future__ import annotations

import re
from pathlib import Path

VERSION = "v3.0"
CHUNK_SIZE = 1000  # files a folder
ROWS = 100  # episodes a file of meta/episodes; the file is rewritten with each episode
DATA_MB, VIDEO_MB = 100, 200  # file size at which packing starts the next file; v3.0's own defaults

INFO, STATS = "meta/info.json", "meta/stats.json"
TASKS, SUBTASKS = "meta/tasks.parquet", "meta/subtasks.parquet"
NUMBERED = "chunk-{chunk_index:03d}/file-{file_index:03d}"
EPISODES = f"meta/episodes/{NUMBERED}.parquet"
DATA = f"data/{NUMBERED}.parquet"
VIDEO = f"videos/{{video_key}}/{NUMBERED}.mp4"
# Sidecar tables, one file an episode: how it was recorded, the agent's events, the exact commands.
SIDECAR = {name: f"palme/{name}/{NUMBERED}.parquet" for name in ("runs", "events", "commands")}

UNFINISHED = ".unfinished"  # everything being written; no file outside it is ever incomplete
LOCK = ".writer"
IMAGE_PREFIX = "observation.images."

_NUMBERS = re.compile(r"(?:^|/)chunk-(\d+)/file-(\d+)\.(?:parquet|mp4)$")


def place(n: int) -> tuple[int, int]:
    """(chunk, file) of the `n`-th file."""
    return divmod(n, CHUNK_SIZE)


def path_of(template: str, n: int, video_key: str = "") -> str:
    """The path of the `n`-th file of a kind, relative to the data set."""
    chunk, file = place(n)
    return template.format(chunk_index=chunk, file_index=file, video_key=video_key)


def number_of(path: Path) -> int | None:
    """The `n` of `path_of`, or None if the name has another form."""
    found = _NUMBERS.search(path.as_posix())
    return None if found is None else int(found[1]) * CHUNK_SIZE + int(found[2])


def numbered(folder: Path, suffix: str) -> list[Path]:
    """The files of a kind, in order; what a file manager or an editor left beside them is none of them."""
    found = [(number_of(path), path) for path in folder.glob(f"chunk-*/file-*.{suffix}") if path.is_file()]
    return [path for number, path in sorted((n, p) for n, p in found if n is not None)]
