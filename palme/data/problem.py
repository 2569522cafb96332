"""One problem of a data set: which file, which field, what it holds, what it should hold, what helps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from palme.data.errors import DamagedDatasetError


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        where: the file.
        what: the field, its value, and what is expected.
        episode: the only episode that it concerns, which is unusable; None if the data set is concerned.
        fatal: whether no reader can go on.
    """

    where: str
    what: str
    episode: int | None = None
    fatal: bool = False

    def __str__(self) -> str:
        """One line for a person."""
        which = "" if self.episode is None else f"episode {self.episode}: "
        return f"{self.where}: {which}{self.what}"


def refuse_fatal(root: Path, problems: Iterable[Problem]) -> None:
    """Raise the first problem that no reader can go on with.

    Raises:
        DamagedDatasetError: names the file, the field, its value and the remedy.
    """
    for problem in problems:
        if problem.fatal:
            raise DamagedDatasetError(f"{root / problem.where}: {problem.what}; `palme data repair {root}`")


def shown(value: object) -> str:
    """A value in a message, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
