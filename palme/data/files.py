"""Writing that survives: each file is complete and on the disk before it has its name."""

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
def told(path: Path) -> Iterator[None]:
    """Turn what the file system refuses while `path` is written into WriteError."""
    try:
        yield
    except OSError as error:
        raise refusal(path, error) from error


def refusal(path: Path, error: OSError) -> WriteError:
    """What to tell a person whose disk is full, or whose file system says no."""
    if error.errno in _FULL:
        return WriteError(
            f"{path}: {os.strerror(error.errno or 0).lower()}; free some space, or record to another disk; "
            "every finished episode is kept"
        )
    return WriteError(f"{path}: {error.strerror or error}; every finished episode is kept")


def sync(path: Path) -> None:
    """Onto the disk, a file or a folder's names."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def publish(temporary: Path, final: Path) -> None:
    """Give a synced file its name, at one stroke, and put the name on the disk."""
    with told(final):
        new = [folder for folder in final.parents if not folder.exists()]
        final.parent.mkdir(parents=True, exist_ok=True)
        for folder in new:
            sync(folder.parent)
        os.replace(temporary, final)
        sync(final.parent)


def write_json(path: Path, content: Any) -> None:
    """Write and sync; NaN is refused by the encoder."""
    _write(path, lambda: path.write_text(json.dumps(content, indent=4, allow_nan=False), encoding="utf-8"))


def write_table(path: Path, table: pa.Table) -> None:
    """Write and sync one row group of parquet."""
    _write(path, lambda: pq.write_table(table, path, compression="snappy", row_group_size=1 << 20))


def _write(path: Path, write: Callable[[], Any]) -> None:
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write()
        sync(path)


def read_json(path: Path) -> Any:
    """Raises NotADatasetError where there is none, DamagedDatasetError where it is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise NotADatasetError(f"{path} is not there; a LeRobotDataset v3.0 has one") from None
    except (OSError, ValueError) as error:
        raise DamagedDatasetError(
            f"{path}: cannot be read as JSON ({error}); `palme data repair` builds it anew"
        ) from error


def read_table(path: Path, wanted: Callable[[str], bool] | None = None) -> pa.Table:
    """The columns whose names are `wanted`, None = all. Raises DamagedDatasetError, naming the file."""
    try:
        with pq.ParquetFile(path) as file:  # a third of the time of `read_table`, which looks for partitions
            names = None if wanted is None else list(filter(wanted, file.schema_arrow.names))
            return file.read(columns=names, use_threads=False)
    except FileNotFoundError:
        raise DamagedDatasetError(f"{path} is missing; `palme data check` tells what it held") from None
    except (OSError, pa.ArrowException) as error:
        raise DamagedDatasetError(
            f"{path}: cut short or no parquet ({str(error).splitlines()[0]})"
        ) from error
