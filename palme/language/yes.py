"""Whether an answer is a yes."""

from __future__ import annotations

YES = frozenset(
    "y yes yeah yep yup ok okay sure go ahead please do it that confirm correct right exactly indeed ja oui"
    " si sim da hai haan ya evet tak".split()
)
"""An answer of these words alone is a yes."""


def is_yes(answer: str) -> bool:
    """Whether `answer` agrees to what was asked, and says nothing else."""
    words = set(answer.lower().replace(",", " ").rstrip(" .!").split())
    return bool(words) and words <= YES
