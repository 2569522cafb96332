"""Clauses of a sentence: which ask for something, which only tell, and which are chatter around it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from palme.language.checks.lexicon import BEYOND, CHAT
from palme.language.checks.nouns import Named
from palme.language.checks.tokens import MARK, Token

Standing = Literal["asks", "tells", "chatter"]
SOLID = frozenset({"block", "cylinder", "bowl", "thing", "tower", "pile"})
_OBJECTS = frozenset(
    {"it", "them", "em", "that", "this", "those", "these", "him", "her", "that one", "this one"}
)
_JOINS = frozenset({"but", "so", "because", "since", "and", "and then", "then", "while", "although"})
_TELLING = re.compile(
    r"\bthere(?:'s|s| is| are| was| were| stands?| sits?| lies?)\b"
    r"|^(?:(?:so|well|ok|okay|now|and|but|oh|look|hey|hi|robot|here|as|first) )*"
    r"(?:(?:here|where)(?:'s| is| are)\b|(?:i|we|you)(?:'ve| have| see| can see| had)(?: got)?\b(?! to\b)"
    r"|(?:i|we) (?:wanted|told|asked|said|thought|wished|planned|was|were|had|put|placed|used)\b"
    r"|do you see\b|you know\b|you see\b|see (?:the|that|those|these|my|our)\b|whereas\b"
    r"|forget (?:about )?(?:the|my|our|that|what)\b"
    r"|funny how\b|my first thought\b"
    r"|(?:instead of|rather than)\b)"
)
_SPEAKS = re.compile(r"^(?:(?:so|well|ok|okay|now|and|but|oh|because|since|as) )*(?:i|we|he|she|they)\b(?!')")
_WISHES = re.compile(
    r"\b(?:like|wish|ask|expect|require|prefer|hope|order|command|suggest|choose|mean|said|say|would|will)\b"
)
_ASKING = re.compile(
    r"\b(?:if|whether|unless|how many|how|which|should|please|must|shall|want|wants|wanna|need|needs)\b"
)


def standings(tokens: Sequence[Token], things: Sequence[Named]) -> tuple[Standing, ...]:
    """Of each token, what its clause does.

    A clause is chatter where nothing on a table is named in it, and tells where it says what is there or
    what was; a sentence without any other clause asks.
    """
    parts = list(clauses(tokens))
    found: list[Standing] = [_standing(tokens, clause, things) for clause in parts]
    for k in range(len(parts) - 2):
        if found[k] == "asks" and _is_tag(tokens, parts[k + 1]):
            found[k] = "tells"
    for k, clause in enumerate(parts):
        if _is_interjection(tokens, clause):
            found[k] = "chatter"
    for k in range(1, len(parts)):
        if found[k - 1] == "tells" and found[k] == "asks" and _goes_on(tokens, parts[k]):
            found[k] = "tells"
    if "asks" not in found:
        found = ["asks" for _ in found]
    out: list[Standing] = ["chatter"] * len(tokens)
    for clause, standing in zip(parts, found, strict=True):
        for at in clause:
            out[at] = standing
    return tuple(out)


def clauses(tokens: Sequence[Token]) -> Iterator[range]:
    """Tokens between marks and joining words; marks belong to none."""
    begin = 0
    for at, token in enumerate(tokens):
        mark = MARK in token.claims and token.text != "-"
        if mark or token.text in _JOINS:
            if at > begin:
                yield range(begin, at)
            begin = at + 1 if mark else at
    if begin < len(tokens):
        yield range(begin, len(tokens))


def _standing(tokens: Sequence[Token], clause: range, things: Sequence[Named]) -> Standing:
    part = [tokens[at] for at in clause]
    named = any(one.start in clause and _is_of_the_table(one) for one in things)
    if not named and not _acts_on_what_was_named(part):
        return "chatter"
    text = " ".join(word for token in part for word in token.words)
    told = _TELLING.search(text) or _SPEAKS.search(text) and not _WISHES.search(text) or _is_of_a_person(part)
    return "tells" if told and not _ASKING.search(text) else "asks"


def _is_of_a_person(part: Sequence[Token]) -> bool:
    """ "my flatmate thinks the red block is dull": who does something is nothing on the table."""
    words = [token for token in part if token.text not in _JOINS and token.text not in ("well", "oh", "now")]
    if len(words) < 3 or "definite" not in words[0].claims:
        return False
    who = words[1]
    return (BEYOND in who.claims and CHAT in who.claims) and not words[2].has("rel")


def _is_of_the_table(one: Named) -> bool:
    return not one.pronoun and bool(one.looks or one.kinds & SOLID or one.superlatives or one.whole)


def _acts_on_what_was_named(part: Sequence[Token]) -> bool:
    """ "put it there", "not three", "a bit to the left", "nothing else", "don't"."""
    if any(
        token.has("side", "unit", "way", "number", "figure", "if", "unless", "else", "fraction")
        for token in part
    ):
        return True
    if any(token.claim("rel") and token.words[-1] in _OBJECTS | {"there"} for token in part):
        return True
    object = any(token.text in _OBJECTS or token.has("quant rest") for token in part)
    acts = any(token.has("verb", "keep", "halt", "neg") and "pronoun" not in token.claims for token in part)
    if object and acts:
        return True
    if any("table" in token.claims and token.text not in ("down", "counter", "board") for token in part):
        return True
    opening = next(
        (token for token in part if token.text not in ("and", "but", "so", "please", "then")), None
    )
    return opening is not None and bool({"neg", "halt", "keep", "table", "except"} & opening.claims)


def _goes_on(tokens: Sequence[Token], clause: range) -> bool:
    """ "and one small block" after "there is one large block"."""
    part = [tokens[at] for at in clause]
    return part[0].text == "and" and not any(token.has("verb", "rel", "keep", "pronoun") for token in part)


def _is_interjection(tokens: Sequence[Token], clause: range) -> bool:
    """ "right" between two commas, or at the beginning; "didn't we?"."""
    asked = clause.stop < len(tokens) and tokens[clause.stop].text == "?"
    if asked and len(clause) == 2 and tokens[clause.start].text.endswith("n't"):
        return True
    follows = clause.stop < len(tokens) and tokens[clause.stop].text == ","
    return len(clause) == 1 and tokens[clause.start].text == "right" and follows


def _is_tag(tokens: Sequence[Token], clause: range) -> bool:
    """ ", right?" after what is only told."""
    after = clause.stop
    asked = after < len(tokens) and tokens[after].text == "?"
    return (
        asked
        and len(clause) == 1
        and tokens[clause.start].text in ("right", "ok", "okay", "yes", "yeah", "correct")
    )
