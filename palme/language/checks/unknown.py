"""Words that nothing here knows, that ask for what cannot be done, or that are misspelt."""

from __future__ import annotations

from collections.abc import Iterator

from palme.language.checks.lexicon import BEYOND
from palme.language.checks.said import Said
from palme.language.checks.tokens import Token
from palme.language.checks.violations import Violation
from palme.language.checks.written import Written
from palme.language.programs import calls as c

_SOLID = frozenset({"block", "cylinder", "bowl", "thing", "tower", "pile"})


def _in_request(said: Said, at: int) -> bool:
    """Whether a word stands in a clause that names a thing, a place or an act; else it is chatter."""
    first = max((k for k in range(at) if _ends_clause(said.tokens[k])), default=-1) + 1
    last = min(
        (k for k in range(at, len(said.tokens)) if _ends_clause(said.tokens[k])), default=len(said.tokens)
    )
    clause = said.tokens[first:last]
    names = any(
        first <= one.start < last
        and not one.pronoun
        and (one.looks or one.kinds & _SOLID or one.superlatives)
        for one in said.things
    )
    return names or any(token.has("rel in", "rel on", "rel under", "table", "unit") for token in clause) or (
        len(clause) == len([token for token in said.tokens if "mark" not in token.claims])
    )  # fmt: skip


def _leads(said: Said, at: int) -> bool:
    """Whether a word is the first of its clause but for manners, as that of an order is."""
    for token in reversed(said.tokens[:at]):
        if _ends_clause(token) or token.text in ("and", "then", "please"):
            return True
        if "chat" not in token.claims or token.text in ("i", "i'm", "we", "he", "she", "they", "my"):
            return False
    return True


def _ends_clause(token: Token) -> bool:
    return "mark" in token.claims and token.text != "-"


def unknown(said: Said, written: Written) -> Iterator[Violation]:
    """A program that acts or answers must not rest on a word that is not understood."""
    if not written.moves and not written.answers:
        return
    for at, token in enumerate(said.tokens):
        if not token.claims:
            said_of = _in_request(said, at)
            yield Violation("unknown", token.said, f"I do not know the word {token.said!r}", said_of)
        elif BEYOND in token.claims and not (at < said.corrected and at):
            asked = _in_request(said, at) or _leads(said, at)
            yield Violation("beyond", token.said, f"I cannot do anything with {token.said!r}", asked)
        elif "colour none" in token.claims and len(token.claim("colour")) == 1 and not written.of(c.Nothing):
            yield Violation("beyond", token.said, f"nothing here is {token.said}")
        elif token.edits and token.doubtful:
            yield Violation("doubtful", token.said, f"I am not sure about the word {token.said!r}", False)
        elif token.edits:
            yield Violation("misspelt", token.said, f"I read {token.said!r} as {token.text!r}", False)
