"""Files that do not belong in a data set: those of macOS and Windows, backups of editors, half-done moves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from palme.data import layout
from palme.data.problem import Problem
from palme.data.schema import Features, video_keys

_PLACE = r"chunk-\d{3,}/file-\d{3,}"
_TABLES = re.compile(rf"(?:data|meta/episodes|palme/(?:runs|events|commands))/{_PLACE}\.parquet")
_OTHERS_JSON = re.compile(r"meta/[A-Za-z0-9]\w*\.json")  # other programs keep theirs there: modality.json


def belongs(name: str, features: Features | None = None) -> bool:
    """Whether a file has a place in a data set.

    Args:
        name: its path, relative to the data set.
        features: of info.json; None = any camera is possible.
    """
    if _TABLES.fullmatch(name) or _OTHERS_JSON.fullmatch(name) or name in (layout.TASKS, layout.SUBTASKS):
        return True
    found = re.fullmatch(rf"videos/([^/]+)/{_PLACE}\.mp4", name)
    return found is not None and (features is None or found[1] in video_keys(features))


def stray_problems(root: Path, features: Features) -> Iterator[Problem]:
    """Files under meta, data, videos and palme that belong to nothing."""
    for folder in ("meta", "data", "videos", "palme"):
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if not path.is_dir() and not belongs(name, features):
                if belongs(name):
                    yield Problem(name, f"info.json declares no camera {path.relative_to(root).parts[1]!r}")
                    continue
                harm = "; LeRobot would read it" if path.suffix == ".parquet" else ""
                yield Problem(name, f"belongs to no part of a data set{harm}; delete it")
