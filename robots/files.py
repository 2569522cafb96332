"""Files that are replaced whole: written beside the old one under a temporary name, then renamed."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

_number = itertools.count()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The name to write to; at the end of the context the file takes the place of `path` at once.

    After an error, or a kill at any instant, `path` is what it was before. The name has the suffix of `path`
    and lies in its folder, which is made. A link is followed; what is no file, such as /dev/null, is written
    to as it is.

    Raises:
        OSError: the file system refuses.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{os.getpid()}-{next(_number)}.tmp{path.suffix}")
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())  # a rename must not get to the disk before what it names
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_texts(texts: Mapping[Path, str]) -> None:
    """Write each text to its path; all are on the disk before the first takes its place.

    Raises:
        OSError: the file system refuses; what was there before is kept.
    """
    with ExitStack() as stack:
        for path, text in texts.items():
            stack.enter_context(replacing(path)).write_text(text, encoding="utf-8")


def write_text(path: Path, text: str) -> None:
    """See `write_texts`."""
    write_texts({path: text})


@contextmanager
def replacing_files(folder: Path) -> Iterator[Path]:
    """A new folder to write to; at the end of the context each of its files takes its place in `folder`.

    All are on the disk before the first is moved; other files of `folder` stay. After an error nothing moves.

    Raises:
        OSError: the file system refuses.
    """
    folder = Path(os.path.realpath(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{os.getpid()}-{next(_number)}.tmp")
    beside.mkdir()
    try:
        yield beside
        written = sorted(path for path in beside.rglob("*") if path.is_file())
        for path in written:
            with path.open("rb") as file:
                os.fsync(file.fileno())
        for path in written:
            target = folder / path.relative_to(beside)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
