"""What words claim, and which known word a misspelt one was meant to be.

`lexicon.yaml` gives each word its claims ("colour red", "rel in", "neg", ...), `beyond.yaml` the words that
ask for what the arm cannot do. Neither is used by the training data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

BEYOND = "beyond"
_CORE = frozenset({"colour", "kind", "size", "rel", "sup"})
SWAPPED, LOST = 0.8, 0.9
"""Costs of slips, where another letter costs 1."""
CHAT = "chat"
Claims = frozenset[str]


@dataclass(frozen=True)
class Mended:
    """The known words that a misspelt one is most like.

    Attributes:
        words: as like as each other, in order of the alphabet.
        edits: letters added, lost, changed or swapped.
    """

    words: tuple[str, ...]
    edits: int


class Lexicon:
    """Claims of words and phrases.

    Args:
        claims: by word, or by phrase with spaces.
        real: words that are none of these, and no misspellings of them.
    """

    def __init__(self, claims: Mapping[str, Claims], real: frozenset[str] = frozenset()) -> None:
        self._real = real
        self._claims = {word: tags for word, tags in claims.items() if " " not in word}
        self._phrases: dict[str, list[tuple[tuple[str, ...], Claims]]] = {}
        for phrase, tags in claims.items():
            words = tuple(phrase.split())
            if len(words) > 1:
                self._phrases.setdefault(words[0], []).append((words, tags))
        for some in self._phrases.values():
            some.sort(key=lambda one: -len(one[0]))
        parts = {word for phrase, tags in claims.items() if BEYOND not in tags for word in phrase.split()}
        parts |= set(self._claims)
        self._known = frozenset(parts)
        self._letters = [(word, len(word), _letters(word)) for word in sorted(parts) if word.isalpha()]

    def __contains__(self, word: str) -> bool:
        return word in self._known

    def __len__(self) -> int:
        return len(self._known)

    def claims(self, word: str) -> Claims:
        """Those of a single word; none where it is unknown, or known in phrases alone."""
        return self._claims.get(word, frozenset())

    def phrase(self, words: tuple[str, ...]) -> tuple[int, Claims] | None:
        """The longest phrase at the beginning of `words`: its length in words, and its claims."""
        for phrase, tags in self._phrases.get(words[0], ()) if words else ():
            if words[: len(phrase)] == phrase:
                return len(phrase), tags
        return None

    def mended(self, word: str) -> Mended | None:
        """What an unknown `word` was meant to be; None where no known word is close."""
        most = 0 if word in self._real else _edits_allowed(word)
        if not most:
            return None
        if (short := self._without_vowels(word)) is not None:
            return Mended((short,), 1)
        mask, best, found = _letters(word), most + 0.5, list[str]()
        for known, length, letters in self._letters:
            if abs(length - len(word)) > most or (mask ^ letters).bit_count() > 2 * most:
                continue
            alike = known[0] == word[0]
            if len(word) <= 4 and not alike and sorted(known) != sorted(word):
                continue
            if len(word) == 2 and not (
                known[-1] == word[-1] and length == 3 and self._claims[known] - {CHAT}
            ):
                continue
            cost = edit_distance(word, known, most)
            if cost > most:
                continue
            cost += 0.0 if alike else 0.3
            claims = self._claims.get(known, frozenset()) - {"colour none"}
            cost -= 0.2 if any(one.startswith("colour ") for one in claims) else 0.0
            if cost < best - 1e-9:
                best, found = cost, [known]
            elif cost < best + 1e-9:
                found.append(known)
        likeliest = min(map(self._rank, found), default=0)
        found = [known for known in found if self._rank(known) == likeliest]
        return Mended(tuple(found), max(1, round(best))) if found else None

    def _without_vowels(self, word: str) -> str | None:
        """ "prpl", "orng", "blk": a colour or a kind as people shorten it."""
        if len(word) < 3 or set(word[1:]) & set("aeiou"):
            return None
        named = [
            known
            for known in self._claims
            if any(one.startswith(("colour ", "kind ")) for one in self._claims[known] - {"colour none"})
        ]
        return next(
            (known for known in named if len(known) > len(word) and _skeleton(known) == _skeleton(word)), None
        )

    def _rank(self, word: str) -> int:
        """-1 for colours, 0 for what such sentences are about, 1 for other claims, 2 for chatter, 3 else."""
        claims = self.claims(word)
        if any(one.startswith("colour ") for one in claims - {"colour none"}):
            return -1
        if any(one.partition(" ")[0] in _CORE for one in claims):
            return 0
        return 3 if BEYOND in claims else 1 if claims - {CHAT} else 2

    def split(self, word: str) -> tuple[str, str] | None:
        """Two known words that were written as one."""
        for at in range(2, len(word) - 1):
            first, second = word[:at], word[at:]
            if self.claims(first) - {CHAT} and self.claims(second) and len(second) > 2:
                return first, second
        return None


def edit_distance(a: str, b: str, most: float) -> float:
    """Letters lost, added, changed, or swapped with their neighbour; more than `most` where there are more.

    A slip of two swapped letters is likelier than a lost one, and that than another letter.
    """
    before, last = list[float](), [LOST * k for k in range(len(b) + 1)]
    for i, x in enumerate(a, 1):
        row = [LOST * i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + LOST, row[j - 1] + LOST, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + SWAPPED)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before, last = last, row
    return last[-1]


@cache
def english() -> Lexicon:
    """The lexicon of English."""
    claims: dict[str, set[str]] = {}
    for name in ("lexicon.yaml", "beyond.yaml"):
        for key, words in _read(name).items():
            tag = (
                BEYOND
                if name == "beyond.yaml"
                else key.rstrip("*").removesuffix(" phrase").removesuffix(" words")
            )
            for word in _forms(words.split(","), key):
                claims.setdefault(word, set()).add(tag)
    lexicon = {
        word: frozenset(tags - {BEYOND} if tags - {BEYOND, CHAT, "colour none"} else tags)
        for word, tags in claims.items()
    }
    listed = (files("palme.language.checks") / "real_words.txt").read_text(encoding="utf-8").splitlines()
    real = frozenset(word for line in listed if not line.startswith("#") for word in line.split())
    return Lexicon(lexicon, real)


def _read(name: str) -> dict[str, str]:
    import yaml

    text = (files("palme.language.checks") / name).read_text(encoding="utf-8")
    return {str(key): str(words) for key, words in yaml.load(text, yaml.BaseLoader).items()}


def _forms(words: Iterable[str], key: str) -> Iterable[str]:
    for raw in words:
        word = " ".join(raw.replace("-", " ").split())
        if not word:
            continue
        yield word
        if key.endswith("*"):
            yield from _inflected(word, verb=key.startswith("verb"))


def _inflected(phrase: str, verb: bool) -> Iterable[str]:
    """Plurals, or -s, -ed and -ing; of a phrase, its first word as a verb and its last as a noun."""
    first, space, rest = phrase.partition(" ")
    if not verb:
        yield phrase + ("es" if phrase.endswith(("s", "x", "ch", "sh")) else "s")
        return
    tail = space + rest
    stem = first[:-1] if first.endswith("e") else first
    yield first + ("es" if first.endswith(("s", "x", "ch", "sh", "o")) else "s") + tail
    if first.endswith("y") and first[-2:-1] not in "aeiou":
        yield from (first[:-1] + end + tail for end in ("ies", "ied"))
    doubled = first + first[-1] if len(first) > 2 and first[-2] in "aeiou" else first
    for base in {stem, doubled}:
        yield from (base + end + tail for end in ("ed", "ing"))


def _skeleton(word: str) -> str:
    """Its first letter and its consonants, doubled ones once."""
    kept = word[:1] + "".join(letter for letter in word[1:] if letter not in "aeiou")
    return re.sub(r"(.)\1", r"\1", kept.replace("ck", "k"))


def _edits_allowed(word: str) -> int:
    if not word.isalpha() or not word.isascii() or len(word) < 2:
        return 0
    return 1 if len(word) < 7 else 2


def _letters(word: str) -> int:
    mask = 0
    for letter in word:
        if "a" <= letter <= "z":
            mask |= 1 << (ord(letter) - 97)
    return mask
