"""What a person typed cannot be used: said in one line that lists what exists, exit code 2."""

from __future__ import annotations

from collections.abc import Iterable

from palme.registry import UnknownName


class UsageError(Exception):
    """Something on the command line is unknown or malformed."""


def reason(error: Exception) -> str:
    """What went wrong with a file, without the number and the path that Python tells with it."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def unknown(what: str, given: str, known: Iterable[str]) -> UsageError:
    """`UsageError` for a name that does not exist: lists those that do and the nearest of them."""
    return UsageError(str(UnknownName(what, given, known)))
