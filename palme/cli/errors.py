"""Usage errors: one line that lists the legal names, exit code 2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from palme.registry import UnknownName


class UsageError(Exception):
    """Something on the command line is unknown or malformed."""


class NotRecorded(Exception):
    """An episode of a data set that is being made could not be recorded."""


def reason(error: Exception) -> str:
    """The message of an error of a file, without the number and path that Python adds."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


@contextmanager
def beginning() -> Iterator[None]:
    """What comes before the first motion: an error of the file system there means that nothing begins.

    Raises:
        UsageError: in place of an OSError, such as a full disk or no folder for temporary files.
    """
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise UsageError(f"not begun: {where}{reason(error).lower()}; nothing has moved") from error


def unknown(what: str, given: str, known: Iterable[str]) -> UsageError:
    """`UsageError` for an unknown name; lists the known ones and the nearest."""
    return UsageError(str(UnknownName(what, given, known)))
