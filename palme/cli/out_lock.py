"""One process at a time writes to an `out=`: a lock that the operating system drops with its holder."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from palme.cli.errors import UsageError, reason
from palme.report.folder import FULL

FILE = ".palme.lock"


@contextmanager
def locked(out: Path | str, setting: str = "out", is_file: bool = False) -> Iterator[Path]:
    """`out` as a path, held by this process until the end of the context.

    Args:
        out: a folder, which is made; or the file that is written.
        setting: that names it.
        is_file: whether `out` is a file: then the lock lies beside it, and the other files there are free.

    Raises:
        UsageError: another process holds it, which the message names; or it cannot be made.
    """
    path = Path(out)
    lock = path.with_name(f".{path.name}.lock") if is_file else path / FILE
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        fd = _held(lock, f"{setting}={out}")
    except OSError as error:
        if error.errno not in FULL:
            raise UsageError(
                f"{setting}={out}: {reason(error)}; name a folder that can be written to"
            ) from error
        fd = -1  # a full disk ends no run: whoever writes says what is missing
    try:
        yield path
    finally:
        if fd >= 0:
            with suppress(OSError):
                lock.unlink(missing_ok=True)  # while it is held: who opened it meanwhile sees that it is gone
            os.close(fd)


def _held(lock: Path, named: str) -> int:
    """A descriptor that holds the lock; -1 where the file system has no locks."""
    while True:
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(fd, 400, 0).decode(errors="replace").strip() or "another process"
            os.close(fd)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise UsageError(
                    f"{named} is in use by {holder}; wait until it ends, or name another folder"
                ) from None
            return -1
        if _is_there(fd, lock):
            break
        os.close(fd)  # its last holder removed it between our two calls
    os.ftruncate(fd, 0)
    command = " ".join(["palme", *sys.argv[1:]])[:300]
    with suppress(OSError):  # on a full disk others learn less of who holds it
        os.pwrite(fd, f"process {os.getpid()} ({command})".encode(errors="replace"), 0)
    return fd


def _is_there(fd: int, lock: Path) -> bool:
    try:
        named = lock.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), named)
