"""Whether what was said contains a right answer, word for word; numbers may be digits or words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_AS_DIGITS = {word: str(n) for n, word in enumerate(_NUMBERS)}
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# Chinese, Japanese, Thai, Lao, Burmese and Khmer put no space between words
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def contains_one(said: str, answers: Iterable[str]) -> bool:
    """Whether `said` contains one of `answers`: its words, one after another, whatever the case."""
    return any(_contains(said, answer) for answer in answers)


def _contains(said: str, answer: str) -> bool:
    if _UNSPACED.search(answer):
        return _plain(answer).strip() in _plain(said)
    there, wanted = _words(said), _words(answer)
    n = len(wanted)
    return n > 0 and any(there[k : k + n] == wanted for k in range(len(there) - n + 1))


def _words(text: str) -> list[str]:
    return [_AS_DIGITS.get(word, word) for word in _WORD.findall(_plain(text))]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
