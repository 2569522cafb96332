"""What a sentence says: its tokens, and the things it names; which were taken back or excluded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from palme.language.checks.clauses import Standing, clauses, standings
from palme.language.checks.lexicon import Lexicon, english
from palme.language.checks.nouns import Named, noun_phrases
from palme.language.checks.tokens import MARK, Token, tokens

JOINING = ("join", "joins", "joined", "joining")
"""Words after which a thing comes to where another is."""
_REACH = 8
"""Tokens up to which "not" reaches."""
_AUXILIARIES = frozenset("is are does did was were isn't aren't".split()) | {
    "is there",
    "are there",
    "is it true",
}
_CLAUSE = frozenset(", . ; : ! - – — but and then".split())


@dataclass(frozen=True)
class Distance:
    """A length in [cm] and the token where it stands."""

    cm: float
    at: int


@dataclass(frozen=True)
class Said:
    """A sentence for the checks.

    Attributes:
        tokens: all of them.
        things: noun phrases, in order.
        corrected: tokens before it were taken back and may have no counterpart; 0 = nothing was.
    """

    tokens: tuple[Token, ...]
    things: tuple[Named, ...]
    corrected: int

    @classmethod
    def of(cls, sentence: str, lexicon: Lexicon | None = None) -> Said:
        """See class."""
        found = tokens(sentence, lexicon or english())
        corrected = _corrected(found)
        things = [replace(one, dropped=one.start < corrected) for one in noun_phrases(found)]
        things = _led_as_before(things) if corrected else things
        return cls(found, tuple(_negated(things, found)), corrected)

    @cached_property
    def kept(self) -> tuple[Token, ...]:
        """Tokens that were not taken back."""
        return self.tokens[self.corrected :]

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """Of each token: whether its clause asks, only tells, or is chatter."""
        return standings(self.tokens, self.things)

    def asks(self, at: int) -> bool:
        """Whether the token at `at` stands in a clause that asks."""
        return self.standings[at] == "asks"

    def is_denied(self, one: Named) -> bool:
        """Whether it stands after a "not" in its clause, and another clause says what is wanted instead."""
        denied = self.denied_by(one.start)
        return denied is not None and any(
            other.start >= denied.stop and not other.negated and self.denied_by(other.start) is None
            for other in self.things
        )

    def denied_by(self, at: int) -> range | None:
        """The clause of the token at `at`, where a "not" stands in it before that; None = none does."""
        clause = next((one for one in clauses(self.tokens) if at in one), None)
        if clause is None:
            return None
        denies = any({"neg", "contrast", "halt"} & self.tokens[k].claims for k in range(clause.start, at))
        return clause if denies else None

    @cached_property
    def heard(self) -> tuple[Token, ...]:
        """Tokens that were not taken back and are no chatter."""
        return tuple(
            token
            for at, token in enumerate(self.tokens)
            if at >= self.corrected and self.standings[at] != "chatter"
        )

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Every word, phrases taken apart."""
        return tuple(word for token in self.tokens for word in token.words)

    def has(self, *claims: str) -> bool:
        """Whether any token makes one of `claims`."""
        return any(token.has(*claims) for token in self.tokens)

    def has_word(self, *words: str) -> bool:
        """Whether one of `words` stands in it, alone or in a phrase."""
        return any(word in self.words for word in words)

    def claims(self, kind: str) -> frozenset[str]:
        """All claims of a kind."""
        return (
            frozenset().union(*(token.claim(kind) for token in self.tokens)) if self.tokens else frozenset()
        )

    @cached_property
    def wanted(self) -> tuple[Named, ...]:
        """Things that the program must account for."""
        return tuple(one for one in self.things if not one.dropped and not one.pronoun)

    @cached_property
    def is_question(self) -> bool:
        """Whether it asks for an answer, by its first word or by its mark."""
        opening = [token for token in self.tokens if not _is_manners(token)][:2]
        if self.ends_with_question_mark or not opening:
            return self.ends_with_question_mark
        first, second = opening[0], opening[-1]
        if first.text == "do":
            return second.text in ("you", "we", "any", "the", "all", "they")
        return first.text in _AUXILIARIES or bool(first.claim("ask") - {"yes", "tell", "possible"})

    @property
    def ends_with_question_mark(self) -> bool:
        """Whether it ends so."""
        return bool(self.tokens) and self.tokens[-1].text == "?"

    @cached_property
    def distances(self) -> tuple[Distance, ...]:
        """Lengths with their units, in order."""
        return tuple(_distances(self.tokens))

    @cached_property
    def figures(self) -> tuple[tuple[float, int], ...]:
        """Numbers that are no lengths, and where each stands."""
        measured = {one.at for one in self.distances}
        found = []
        for at, token in enumerate(self.tokens):
            value = None if token.doubtful else number_of(token)
            if value is not None and at not in measured and at >= self.corrected:
                found.append((value, at))
        return tuple(found)


def number_of(token: Token) -> float | None:
    """Its value, in figures or in words."""
    if token.number is not None:
        return token.number
    values = token.claim("number")
    return float(min(values, key=float)) if values else None


_UNITS = {"cm": 1.0, "mm": 0.1, "m": 100.0, "dm": 10.0, "inch": 2.54, "foot": 30.48}


def _distances(found: Sequence[Token]) -> Iterator[Distance]:
    for at, token in enumerate(found):
        if fraction := token.claim("fraction"):
            yield Distance(float(min(fraction)), at)
        value = number_of(token)
        if value is None and token.text in ("one", "a", "an") and at + 1 < len(found):
            whole = 0.5 if at and found[at - 1].text == "half" else 1.0
            value = whole if found[at + 1].has("unit") and found[at + 1].text != "m" else None
        if value is None or at + 1 == len(found):
            continue
        ahead = next((k for k in (at + 1, at + 2) if k < len(found) and found[k].has("unit")), None)
        if ahead is not None:
            (unit,) = list(found[ahead].claim("unit"))[:1]
            yield Distance(value * _UNITS[unit], at)


def _is_manners(token: Token) -> bool:
    if MARK in token.claims or "chat" in token.claims and len(token.words) > 1:
        return True
    return "chat" in token.claims and not token.has("ask", "verb") and token.text not in _AUXILIARIES


def _corrected(found: Sequence[Token]) -> int:
    """From which token on the sentence holds."""
    last = 0
    for at, token in enumerate(found):
        if not any("chat" not in t.claims and MARK not in t.claims for t in found[:at]):
            continue
        marked = MARK in found[at - 1].claims and at > 0
        ahead = found[at + 1 : at + 2]
        if "correct" in token.claims and (marked or len(token.words) > 1):
            last = at
        elif token.text == "no" and marked and (not ahead or not ahead[0].has("kind", "colour", "size")):
            last = at
        elif "halt" in token.claims and marked and "verb" not in token.claims:
            last = at
    return last


def _led_as_before(things: Sequence[Named]) -> list[Named]:
    """ "in the red bowl, no, the blue one": what replaces a thing stands where that stood."""
    relations = frozenset[str]().union(*(one.before for one in things if one.dropped))
    first = next((one for one in things if not one.dropped), None)
    return [
        replace(one, before=relations | {"joined"}) if one is first and not one.before else one
        for one in things
    ]


def _negated(things: Sequence[Named], found: Sequence[Token]) -> Iterator[Named]:
    reach: set[int] = set()
    for at, token in enumerate(found):
        if not {"neg", "contrast", "except"} & token.claims:
            continue
        for one in things:
            if at < one.start <= at + _REACH and not any(
                t.text in _CLAUSE for t in found[at + 1 : one.start]
            ):
                reach.add(one.start)
                if not one.pronoun:
                    break
    for one in things:
        yield replace(one, negated=one.start in reach)
