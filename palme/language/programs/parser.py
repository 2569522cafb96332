"""The only parser of instruction programs, which also says what may follow: the grammar of decoding.

One recursive descent, one word of look-ahead. Where the text ends too early, the words that would have been
accepted there are exactly those that may follow, so one owner serves both uses.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NoReturn, cast

from palme.language.programs import calls as c
from palme.language.programs import things as t
from palme.language.programs.calls import Call, Condition, Line, Place, Program
from palme.language.programs.things import IT, Filter, Noun, Things

MAX_WORDS = 160
"""Longest program in words; the longest of the training data has fewer than 120."""
MAX_LINES = 12
MAX_DEPTH = 3
"""Filters within filters."""
END = "</s>"
"""What may follow a whole program, beside further lines (`palme.language.vocabulary.EOS`)."""

Words = tuple[str, ...]


class BadProgram(ValueError):
    """Text that is no program: names the word, where it stands, and what may stand there."""


class UnknownCall(BadProgram):
    """A line calls something that there is not.

    Attributes:
        name: of the call, such as "pour_into".
    """

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; nearest: {near[0]}" if near else f"; there are {', '.join(known)}"
        super().__init__(f"{name}: I cannot do that{hint}")


def parse(text: str) -> Program:
    """The program that `text` is: lines end at ";" or at a line break; spaces and case do not matter.

    Raises:
        UnknownCall: a line begins with a call that there is not.
        BadProgram: any other text; the message names the word and what may stand there.
    """
    words = _words(text)
    if len(words) > MAX_WORDS:
        raise BadProgram(f"a program of {len(words)} words; at most {MAX_WORDS}")
    whole = _Reader((*words, END))
    if not words or END in words:
        raise BadProgram(f"{text.strip()!r} is no program; it begins with one of {_listed(may_follow(()))}")
    return whole.program()


@lru_cache(maxsize=65536)
def may_follow(prefix: Words) -> Words:
    """Words that may follow `prefix`, `END` among them where it is whole: for constrained decoding.

    Raises:
        BadProgram: `prefix` begins no program.
    """
    reader = _Reader(prefix)
    try:
        reader.program()
    except _Ended:
        pass
    return tuple(reader.expected)


class _Ended(Exception):
    """The words ended; `_Reader.expected` says what may follow."""


_ACTIONS = ("put", "move", "stack", *c.SHAPES, "swap", *c.VERBS)
_CALLS = (*_ACTIONS, *c.QUESTIONS, "exists", "possible", "nothing", "refuse")
_NUMBERS = tuple(str(k) for k in range(1, t.MAX_COUNT + 1))
_DISTANCES = tuple(str(k) for k in range(1, c.MAX_CM + 1))
_QUANTIFIERS = ("all", "any", "each", "half", *_NUMBERS)
_LOOKS = (*t.SIZES, *t.COLOUR_WORDS, *t.KIND_WORDS)
_SECOND = {
    first: second
    for written in (*t.RELATIONS.values(), *c.PLACES.values())
    for first, _, second in [written.partition(" ")]
    if second
}
"""The second word of "left of", "next to", ..."""
_FILTERS = (
    *t.RELATIONS, "between", *t.EXTREMES, *t.SUPERLATIVES, "number", *t.STATES, "same", "other",
    "except", "among",
)  # fmt: skip
_ACROSS = {"left": ("front", "behind"), "right": ("front", "behind")}
"""The sides that make a corner with a side."""
ALL_WORDS: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *_CALLS, *_DISTANCES, "0", *_QUANTIFIERS, *_LOOKS, *_FILTERS, *_SECOND.values(), *t.RELATIONS,
            *c.PLACES, *c.SIDES, *c.DIRECTIONS, *c.ORDERS, *c.COMPARISONS, *c.REASONS,
            *t.RANKED_FROM, *t.TRAITS, "it", "not", "and", "or", "as", "table", "middle", "side", "by", "if",
            "else", "(", ")", "[", "]", ",", ";", ":", "&", "+",
        )
    )
)  # fmt: skip
"""Every word that a program can contain."""


class _Reader:
    def __init__(self, words: Sequence[str]) -> None:
        self._words, self._at = words, 0
        self.expected: dict[str, None] = {}  # in order of asking, at the end of the words

    # ---- words ----

    def _try(self, *words: str) -> str | None:
        """The next word, taken, if it is one of `words`."""
        if self._at == len(self._words):
            self.expected.update(dict.fromkeys(words))
            return None
        if self._words[self._at] not in words:
            return None
        self._at += 1
        return self._words[self._at - 1]

    def _take(self, *words: str) -> str:
        """The next word, which must be one of `words`."""
        word = self._try(*words)
        return self._fail(words) if word is None else word

    def _fail(self, words: Sequence[str]) -> NoReturn:
        if self._at == len(self._words):
            raise _Ended
        before = " ".join(self._words[: self._at])
        found = self._words[self._at]
        what = "ends too early" if found == END else f"is followed by {found!r}"
        raise BadProgram(f"{before!r} {what}; {_listed(words)} may follow")

    # ---- lines ----

    def program(self) -> Program:
        lines = [self._line()]
        while (len(lines) < MAX_LINES or self._at < len(self._words)) and self._try(";"):
            if not len(lines) < MAX_LINES:
                raise BadProgram(f"a program of more than {MAX_LINES} lines")
            lines.append(self._line())
        self._take(END)
        return Program(tuple(lines))

    def _line(self) -> Line:
        return self._if() if self._try("if") else self._call()

    def _if(self) -> c.If:
        condition, negated = self._condition()
        self._take(":")
        then = self._branch()
        if not self._try("else"):
            return c.If(condition, then, (), negated)
        self._take(":")
        return c.If(condition, then, (self._if(),) if self._try("if") else self._branch(), negated)

    def _branch(self) -> tuple[Call, ...]:
        calls = [self._call()]
        while self._try("&"):
            calls.append(self._call())
        return tuple(calls)

    def _condition(self) -> tuple[Condition, bool]:
        """A condition, and whether it is negated as a whole."""
        negated = self._try("not") is not None
        first = self._simple_condition()
        word = self._try("and", "or")
        if word is None:
            return first, negated
        not_second = self._try("not") is not None
        return c.Joint(first, cast(Any, word), self._simple_condition(), negated, not_second), False

    def _simple_condition(self) -> c.Exists | c.Compare:
        if self._take("exists", "count") == "exists":
            return c.Exists(self._in_brackets(self._things))
        left = self._in_brackets(self._things)
        return self._compared(left, self._take(*c.COMPARISONS))

    def _compared(self, left: Things, comparison: str) -> c.Compare:
        word = self._take("count", "0", *_NUMBERS)
        right = self._in_brackets(self._things) if word == "count" else int(word)
        return c.Compare(left, cast(c.Comparison, comparison), right)

    def _call(self) -> Call:
        name = self._try(*_CALLS)
        if name is None:
            if self._at < len(self._words) and self._words[self._at].isidentifier():
                raise UnknownCall(self._words[self._at], _CALLS)
            self._fail(_CALLS)
        if name == "nothing":
            self._take("(")
            self._take(")")
            return c.Nothing()
        if name == "count":
            left = self._in_brackets(self._things)
            comparison = self._try(*c.COMPARISONS)
            return c.Ask("count", left) if comparison is None else self._compared(left, comparison)
        return cast(Call, self._in_brackets(lambda: self._inside(name)))

    def _in_brackets(self, inside: Callable[[], Any]) -> Any:
        self._take("(")
        found = inside()
        self._take(")")
        return found

    def _inside(self, name: str) -> Call:
        if name == "refuse":
            return c.Refuse(cast(c.Reason, self._take(*c.REASONS)))
        if name == "possible":
            action = self._take(*_ACTIONS)
            return c.Possible(self._in_brackets(lambda: cast(c.Action, self._inside(action))))
        if name == "exists":
            return c.Exists(self._things())
        if name in c.QUESTIONS:
            return c.Ask(cast(c.Question, name), self._things())
        if name in c.VERBS:
            return c.Do(cast(c.Verb, name), self._things())
        if name == "put":
            what = self._things()
            self._take(",")
            return c.Put(what, self._place())
        if name == "move":
            return self._move()
        if name == "swap":
            first = self._things()
            self._take(",")
            return c.Swap(first, self._things())
        parts = [self._things()]
        while self._try(","):
            parts.append(self._things())
        by = cast(c.Order, self._take(*c.ORDERS)) if self._try("by") else None
        if name == "stack":
            return c.Stack(tuple(parts), by)
        return c.Arrange(cast(c.Shape, name), tuple(parts), by)

    def _move(self) -> c.Move:
        what = self._things()
        self._take(",")
        direction = cast(c.Direction, self._take(*c.DIRECTIONS))
        cm = int(self._take(*_DISTANCES))
        across = ("away", "toward") if direction in ("left", "right") else ("left", "right")
        second = self._try(*across)
        if second is None:
            return c.Move(what, direction, cm)
        return c.Move(what, direction, cm, (cast(c.Direction, second), int(self._take(*_DISTANCES))))

    # ---- places ----

    def _place(self) -> Place:
        word = self._take(*c.PLACES, "between", "middle", "side")
        if word == "middle":
            return c.Middle()
        if word == "side":
            side = self._take(*c.SIDES)
            corner = self._try(*_ACROSS[side]) if side in _ACROSS else None
            return c.AtSide(cast(c.Side, side), cast("c.Side | None", corner))
        if word == "between":
            return c.BetweenPlace(*self._two(0))
        if word == "on" and self._try("table"):
            return c.OnTheTable()
        relation, of = self._relation(word), self._things()
        cm = self._try(*_DISTANCES) if word in c.SIDES else None
        return c.At(relation, of, None if cm is None else int(cm))

    def _relation(self, word: str) -> Any:
        if word in _SECOND:
            self._take(_SECOND[word])
        return word

    def _two(self, depth: int) -> tuple[Things, Things | None]:
        first = self._things(depth)
        return first, self._things(depth) if self._try("and") else None

    # ---- things ----

    def _things(self, depth: int = 0) -> Things:
        if self._try("it"):
            return IT
        word = self._try(*_QUANTIFIERS)
        quantifier = "the" if word is None else int(word) if word.isdigit() else word
        nouns = [self._noun(depth)]
        while self._try("+"):
            nouns.append(self._noun(depth))
        return Things(cast(t.Quantifier, quantifier), tuple(nouns))

    def _noun(self, depth: int) -> Noun:
        size = self._try(*t.SIZES)
        colour = self._try(*t.COLOUR_WORDS)
        kind = cast(t.Kind, self._take(*t.KIND_WORDS))
        filters: list[Filter] = []
        while depth < MAX_DEPTH and self._try("["):
            filters.append(self._filter(depth + 1))
            self._take("]")
        return Noun(kind, colour, cast("t.Size | None", size), tuple(filters))

    def _filter(self, depth: int) -> Filter:
        return t.Not(self._plain_filter(depth)) if self._try("not") else self._plain_filter(depth)

    def _plain_filter(self, depth: int) -> Filter:
        word = self._take(*_LOOKS, *_FILTERS)
        if word in _LOOKS:
            return t.Attribute(word)
        if word in t.EXTREMES:
            return t.Closest(cast(t.Extreme, word), self._things(depth))
        if word in t.SUPERLATIVES:
            return t.Most(cast(t.Superlative, word))
        if word in t.STATES:
            return t.Is(cast(t.State, word))
        if word in ("same", "other"):
            trait = cast(t.Trait, self._take(*t.TRAITS))
            return t.Alike(trait, word == "same", self._things(depth) if self._try("as") else None)
        if word == "number":
            rank = int(self._take(*_NUMBERS))
            return t.Nth(rank, cast(t.RankedFrom, self._take(*t.RANKED_FROM)))
        if word == "between":
            return t.BetweenFilter(*self._two(depth))
        if word == "except":
            return t.Except(self._things(depth))
        if word == "among":
            return t.Among(self._things(depth))
        if word == "on" and self._try("table"):
            return t.OnTable()
        return t.Related(self._relation(word), self._things(depth))


def _words(text: str) -> Words:
    spaced = text.strip().lower().replace("\n", " ; ")
    for mark in "()[],;:&+":
        spaced = spaced.replace(mark, f" {mark} ")
    return tuple(spaced.split())


def _listed(words: Sequence[str] | dict[str, None]) -> str:
    listed = list(words)
    shown = ", ".join(listed[:12])
    return shown if len(listed) <= 12 else f"{shown}, ... ({len(listed)} words)"
