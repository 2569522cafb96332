"""How near the lines of an instruction grammar come to sentences of a suite, whatever things these name.

Colours, kinds, sizes, sides and numbers are left out of both. A part of a line that has a program of its own
stands for a few words that everybody uses; one that has none, for each way to say it. A line is near a
sentence if it can be said in the same words but for one in eight, some of which are rare in the grammar.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from palme.training.datasets.instructions.grammar import Grammar

LEAST = 5
"""Words, classes aside, that a sentence and a line without its parts have at least to be anybody's own."""
RARE = 2
"""Rare words that they have in common at least."""
COMMON = 0.004
"""Share of a grammar's lines from which on a word in them is not rare."""
PER_EDIT = 8
"""Words of which one may be another, missing or added."""
CLASSES = (
    "colour", "plain_colour", "strange", "size", "block", "blocks", "cylinder", "cylinders", "bowl_word",
    "bowls", "solid_kind", "kind_all", "thing", "dish",
)  # fmt: skip
"""Symbols whose words are classes, in English and in the other languages."""
OTHERS = frozenset(
    """bigger biggest larger largest smaller smallest left right front behind back middle centre center
    top bottom upper lower leftmost rightmost one two three four five six seven eight nine ten first second
    third fourth last""".split()
)
"""English words for sizes, sides and numbers that are classes as well."""

_SLOT = re.compile(r"\{\w+[^{}]*\}")
_GROUP = re.compile(r"\(([^()]*)\)")
_PIECE = re.compile(r"\{(\w+)[^{}]*\}|\((?:[^()]|\([^()]*\))*\)")
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
_LETTER = rf"[^\W\d_{_UNSPACED}]"
_WORD = re.compile(rf"[{_UNSPACED}]|{_LETTER}+(?:'{_LETTER}+)?")
"""A word, or a letter where a language writes no spaces."""

Words = tuple[str, ...]
Choice = tuple[Words, ...]
"""Words that may stand at one place of a line."""
PART: Choice = ()
"""In place of a part that has a program of its own: up to `PART_WORDS` words that are not rare."""
PART_WORDS = 3


@dataclass(frozen=True, eq=False)
class Line:
    """A text of a grammar.

    Attributes:
        choices: of words, that it is made of.
        own: words that it may have, but for those of its parts.
        least: how many of these it has at least.
    """

    text: str
    choices: tuple[Choice, ...]
    own: frozenset[str]
    least: int


class Likeness:
    """Sentences held against the lines of one grammar."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._classes = OTHERS | {
            word
            for symbol in set(CLASSES) & set(grammar.symbols)
            for text in _texts(grammar, symbol)
            for word in _split(_SLOT.sub(" ", text))
        }
        self._lists: dict[str, Choice] = {}
        said = {
            text: self._words(_SLOT.sub(" ", text))
            for symbol in grammar.symbols
            for text in _texts(grammar, symbol, with_program=True)
        }
        counts = Counter(word for words in said.values() for word in set(words))
        self._common = {word for word, n in counts.items() if n > max(1, COMMON * len(said))}
        lines = (self._line(text) for text, words in said.items() if len(words) >= LEAST)
        self.lines = tuple(line for line in lines if line.least >= LEAST)
        self._by_word: dict[str, list[Line]] = defaultdict(list)
        for line in self.lines:
            for word in line.own - self._common:
                self._by_word[word].append(line)

    def near(self, sentences: Iterable[str]) -> list[str]:
        """The texts of lines that are near one of `sentences`, which are not told."""
        found: dict[str, None] = {}
        for words in map(self._words, sentences):
            if len(words) < LEAST:
                continue
            rare = [word not in self._common for word in words]
            shared = Counter(
                line for word, is_rare in zip(words, rare, strict=True) if is_rare
                for line in self._by_word.get(word, ())
            )  # fmt: skip
            for line, n in shared.items():
                if n >= RARE and _edits(words, rare, line.choices) <= len(words) // PER_EDIT:
                    found[line.text] = None
        return list(found)

    def _words(self, text: str) -> Words:
        """Those of `text` that are no classes."""
        return tuple(word for word in _split(text) if word not in self._classes)

    def _line(self, text: str) -> Line:
        choices: list[Choice] = []
        own: list[Choice] = []
        at = 0
        for match in [*_PIECE.finditer(text), None]:
            between = text[at : match.start() if match else len(text)]
            literal: list[Choice] = [((word,),) for word in self._words(between)]
            if match and not match[1]:
                literal.append(self._ways([match[0]]))
            own += literal
            choices += literal
            if match and match[1]:
                choices.append(self._list(match[1]))
            at = match.end() if match else at
        words = frozenset(word for choice in own for way in choice for word in way)
        return Line(text, tuple(choices), words, sum(min(map(len, choice)) for choice in own))

    def _list(self, symbol: str) -> Choice:
        """Each way to say a part that has no program, or nothing; else `PART`."""
        if symbol not in self._lists:
            ways = self._ways(["", *_texts(self._grammar, symbol)])
            has_program = any(rule.program for rule in self._grammar.rules(symbol))
            self._lists[symbol] = PART if has_program else ways
        return self._lists[symbol]

    def _ways(self, texts: Iterable[str]) -> Choice:
        return tuple(sorted({self._words(_SLOT.sub(" ", one)) for text in texts for one in _decided(text)}))


def _texts(grammar: Grammar, symbol: str, with_program: bool = False) -> Iterator[str]:
    for rule in grammar.rules(symbol):
        if rule.program or not with_program:
            yield from (text for ways in rule.sentences.values() for text in ways)


def _split(text: str) -> list[str]:
    """Words in small letters; letters where a language writes no spaces."""
    return _WORD.findall(text.casefold().replace("’", "'"))


def _decided(text: str) -> Iterator[str]:
    """`text` with each `(a|b)` decided, all ways."""
    match = _GROUP.search(text)
    if match is None:
        yield text
        return
    for one in match[1].split("|"):
        yield from _decided(text[: match.start()] + one + text[match.end() :])


def _edits(words: Sequence[str], rare: Sequence[bool], choices: Sequence[Choice]) -> int:
    """Least number of words to change, leave out or add, over all that the choices may be (Levenshtein)."""
    n = len(words)
    least = list(range(n + 1))  # by how many of `words` the choices so far make
    for choice in choices:
        if choice is PART:
            for _ in range(PART_WORDS):
                least = [least[0], *(least[k + 1] if rare[k] else min(least[k : k + 2]) for k in range(n))]
            continue
        best = [len(words) + 10**6] * (n + 1)
        for way in choice:
            row = least
            for word in way:
                after = [row[0] + 1]
                for k in range(n):
                    after.append(min(row[k] + (word != words[k]), row[k + 1] + 1, after[k] + 1))
                row = after
            best = [min(pair) for pair in zip(best, row, strict=True)]
        least = best
    return least[n]
