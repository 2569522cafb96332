"""What fingers and ears do to words: a slip a word, and words run together."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

PATH = Path(__file__).parent / "english_slips.yaml"
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    key: row[max(k - 1, 0) : k] + row[k + 1 : k + 2] + below[max(k - 1, 0) : k + 1]
    for row, below in zip(_ROWS, (*_ROWS[1:], ""), strict=True)
    for k, key in enumerate(row)
}
"""Keys beside and below each key."""
_SOUNDS = (
    ("ck", "k"), ("ue", "eu"), ("ll", "l"), ("ow", "wo"), ("ee", "ea"), ("ou", "o"), ("ple", "pel"),
    ("er", "re"), ("nge", "neg"), ("s", "z"), ("c", "k"), ("i", "y"), ("lea", "la"), ("the", "teh"),
    ("ight", "ite"), ("wh", "w"), ("ea", "ee"), ("y", "i"), ("x", "ks"), ("th", "d"), ("qu", "kw"),
)  # fmt: skip
"""How people misspell by ear."""
_ONLY_KNOWN = frozenset("left right in on and not no red one two is it of off to if at".split())
"""Words of which any letter is needed: only the slips that are listed for them."""


class Slips:
    """Misspells words so that they can still be told apart.

    Args:
        listed: how a word is often misspelt.
        words: of the grammar; no letter that is lost or hit beside makes one of them of another.
    """

    def __init__(self, listed: Mapping[str, Sequence[str]], words: Collection[str] = ()) -> None:
        self._listed, self._words = listed, frozenset(words)

    @classmethod
    def load(cls, words: Collection[str] = ()) -> Slips:
        """Those of `english_slips.yaml`."""
        import yaml

        return cls(yaml.load(PATH.read_text(encoding="utf-8"), yaml.BaseLoader), words)  # "on" is a word

    def misspelt(self, rng: random.Random, text: str, share: float) -> str:
        """`text` with a slip in about `share` of its words."""
        return " ".join(self._misspelt(rng, word) if rng.random() < share else word for word in text.split())

    def _misspelt(self, rng: random.Random, word: str) -> str:
        known = self._listed.get(word.lower(), ())
        if known and (word.lower() in _ONLY_KNOWN or rng.random() < 0.4):
            return rng.choice(known)
        if not _may_slip(word):
            return word
        for _ in range(4):
            slipped = slip(rng, word)
            if len(word) > 6 and rng.random() < 0.2:
                slipped = slip(rng, slipped)
            if slipped.lower() not in self._words:
                return slipped
        return word


def _may_slip(word: str) -> bool:
    return len(word) >= 3 and word.isalpha() and word.lower() not in _ONLY_KNOWN


def slip(rng: random.Random, word: str) -> str:
    """`word` with two letters swapped, one lost, drawn out, hit beside or too many, or as it sounds."""
    at = rng.randrange(len(word))
    kind = rng.random()
    near = rng.choice(_NEIGHBOURS.get(word[at].lower()) or word[at])
    if kind < 0.27 and at < len(word) - 1:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind < 0.52 and len(word) > 3 and at > 0:
        return word[:at] + word[at + 1 :]
    if kind < 0.69:
        return word[:at] + word[at] * rng.choice((1, 1, 1, 2, 4)) + word[at:]
    if kind < 0.82:
        return word[:at] + near + word[at + 1 :]
    if kind < 0.88:
        return word[: at + 1] + near + word[at + 1 :]
    sounds = [pair for pair in _SOUNDS if pair[0] in word]
    if not sounds:
        return word
    right, wrong = rng.choice(sounds)
    return word.replace(right, wrong, 1)


def joined(rng: random.Random, text: str) -> str:
    """With a space lost or in the wrong place, or one too many."""
    words = text.split()
    at = rng.randrange(len(words))
    kind = rng.random()
    if kind < 0.8 and at + 1 < len(words):
        first, second = words[at], words[at + 1]
        both = first + second
        if kind < 0.2 and len(first) > 2 and len(second) > 2:  # "th ered block"
            both = f"{first[:-1]} {first[-1]}{second}"
        return " ".join((*words[:at], both, *words[at + 2 :]))
    cut = rng.randrange(1, max(len(words[at]), 2))
    return " ".join((*words[:at], words[at][:cut], words[at][cut:], *words[at + 1 :]))
