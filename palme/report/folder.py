"""The folder of `out=`: a file that cannot be written there is named, and ends nothing."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from palme.report.pictures import Picture, jpeg
from robots.files import replacing

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENFILE, errno.EMFILE}
"""Errors that may pass, and that a path does not explain: a run goes on without its files."""


class OutputFolder:
    """Writes files whole or not at all: an older one stays until its successor is complete.

    Args:
        path: the folder.
        told: called with a sentence at the first failure of each cause.

    Attributes:
        missing: what could not be written so far: its name, and why.
    """

    def __init__(self, path: Path, told: Callable[[str], None]) -> None:
        self.path, self._told = path, told
        self.missing: dict[str, str] = {}

    def create(self) -> None:
        """Make the folder. Raises OSError, unless the disk is full: then every file will be missing."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.failed(self.path.name, error)

    def failed(self, name: str, error: OSError) -> None:
        """Note that `name` could not be written."""
        why = (error.strerror or str(error)).lower()
        known = why in self.missing.values()
        self.missing.setdefault(name, why)
        if not known:
            older = "; the file there is an older one" if _exists(self.path / name) else ""
            self._told(f"{self.path / name}: {why}; the run goes on without it{older}")

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """A context in which an OSError means that `name` could not be written."""
        try:
            yield
        except OSError as error:
            self.failed(name, error)

    def write_text(self, name: str, text: str) -> None:
        """Write a UTF-8 text file; if that fails, what was there stays."""
        with self.attempt(name), replacing(self.path / name) as file:
            file.write_text(text, encoding="utf-8", errors="backslashreplace")

    def write_picture(self, name: str, rgb: Picture) -> None:
        """Write a JPEG; its folder is made."""
        with self.attempt(name):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path / name) as file:
                file.write_bytes(jpeg(rgb))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
