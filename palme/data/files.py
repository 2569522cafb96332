"""Durable files: each file is complete and synced to disk before it gets its name."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from palme.data.errors import DamagedDatasetError, NotADatasetError, WriteError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Converts an OSError raised while `path` is written to WriteError."""
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: OSError) -> WriteError:
    """The WriteError for `error`, with a remedy if the disk is full."""
    if error.errno in _FULL:
        return WriteError(
            f"{path}: {os.strerror(error.errno or 0).lower()}; free some space, or record to another disk; "
            "every finished episode is kept"
        )
    return WriteError(f"{path}: {error.strerror or error}; every finished episode is kept")


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def publish(temporary: Path, final: Path) -> None:
    """Rename a synced file to `final` atomically, and sync the folder.

    Raises:
        WriteError: the file system refuses.
    """
    with writing(final):
        new = [folder for folder in final.parents if not folder.exists()]
        final.parent.mkdir(parents=True, exist_ok=True)
        for folder in new:
            sync(folder.parent)
        os.replace(temporary, final)
        sync(final.parent)


def write_json(path: Path, content: Any) -> None:
    """Write and sync JSON.

    Raises:
        ValueError: `content` holds NaN or infinity.
        WriteError: the file system refuses.
    """
    _write(path, lambda: path.write_text(json.dumps(content, indent=4, allow_nan=False), encoding="utf-8"))


def write_table(path: Path, table: pa.Table) -> None:
    """Write and sync a parquet file of one row group.

    Raises:
        WriteError: the file system refuses.
    """
    _write(path, lambda: pq.write_table(table, path, compression="snappy", row_group_size=1 << 20))


def _write(path: Path, write: Callable[[], object]) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write()
        sync(path)


def read_json(path: Path) -> Any:
    """The content of a JSON file of a data set.

    Raises:
        NotADatasetError: the file does not exist.
        DamagedDatasetError: the file is not valid JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_not_finite)
    except (FileNotFoundError, NotADirectoryError):
        raise NotADatasetError(f"{path} does not exist; a LeRobotDataset v3.0 has one") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedDatasetError(
            f"{path}: cannot be read as JSON ({error}); `palme data repair` rebuilds it"
        ) from error


def _not_finite(word: str) -> float:
    raise ValueError(f"holds {word}")


def read_table(path: Path, wanted: Callable[[str], bool] | None = None) -> pa.Table:
    """A parquet file.

    Args:
        path: the file.
        wanted: selects columns by name; None = all.

    Raises:
        DamagedDatasetError: the file is missing or truncated.
    """
    try:
        with pq.ParquetFile(path) as file:  # a third of the time of `read_table`, which looks for partitions
            names = None if wanted is None else list(filter(wanted, file.schema_arrow.names))
            return file.read(columns=names, use_threads=False)
    except FileNotFoundError:
        raise DamagedDatasetError(f"{path} is missing; `palme data check` lists what it held") from None
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise DamagedDatasetError(f"{path}: truncated or not parquet ({why})") from error
