"""What is wrong with a formula or with the file it stands in; each message names the closest legal form."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BadFormula(ValueError):
    """A formula that cannot be read. `where` in the message says which part of it."""


class UnknownFormula(BadFormula):
    """A word that is no formula."""


class UnknownObject(BadFormula):
    """An id that names nothing on the table."""


class BadArgument(BadFormula):
    """A formula with the wrong number, names or kinds of arguments."""


class BadGoalFile(ValueError):
    """A goal file that is not of the documented form, or names a thing that it does not single out."""


def nearest(word: str, known: Iterable[str]) -> str:
    """ "; did you mean 'x'? There are a, b, x" of `known`."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    guess = f"; did you mean {near[0]!r}?" if near else ";"
    return f"{guess} There are {', '.join(known) or 'none'}"
