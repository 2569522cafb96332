"""Sentences that are kept out of training: those of the suites, which measure what was learned.

`held_out.txt` has a hash of each, so that they are told apart without being read or shipped.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

PATH = Path(__file__).parent / "held_out.txt"


def key(sentence: str) -> str:
    """A hash of the letters and figures of `sentence`, whatever its capitals, spaces and marks."""
    plain = "".join(letter for letter in sentence.casefold() if letter.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()[:12]


@lru_cache(maxsize=1)
def held_out() -> frozenset[str]:
    """The keys of `held_out.txt`."""
    return frozenset(PATH.read_text(encoding="utf-8").split())
