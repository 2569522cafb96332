"""Whether an answer is a yes."""

from __future__ import annotations

YES = frozenset(
    "y yes yeah yep yup ya ok okay sure confirm correct exactly indeed"
    " ja oui si sí sim da hai haan evet tak".split()
)
"""Words each of which agrees."""
WITH = frozenset("go ahead please do it that that's is right thanks thank you robot of course".split())
"""Words that may stand beside one of them; alone they say too little ("right", "that")."""
PHRASES = frozenset(
    {"go ahead", "please go ahead", "please do", "do it", "do that", "that's right", "of course"}
)
"""Answers that agree without one of the words."""


def is_yes(answer: str) -> bool:
    """Whether `answer` agrees to what was asked, and says nothing else."""
    words = answer.lower().replace(",", " ").rstrip(" .!").split()
    return " ".join(words) in PHRASES or (bool(YES & set(words)) and set(words) <= YES | WITH)
