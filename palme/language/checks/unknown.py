"""Words that nothing here knows, that ask for what cannot be done, or that are misspelt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from palme.language.checks.lexicon import BEYOND, CHAT
from palme.language.checks.said import Said
from palme.language.checks.tokens import Token
from palme.language.checks.violations import Violation
from palme.language.checks.written import Written
from palme.language.programs import calls as c


def _stands_for_what_is_asked(said: Said, at: int, answers: bool) -> bool:
    """Whether an unknown word is what shall be done, or the only name of a thing; else others say it."""
    if _leads(said, at):
        return True
    before = said.tokens[at - 1] if at else None
    after = said.tokens[at + 1] if at + 1 < len(said.tokens) else None
    ends = after is None or "mark" in after.claims or after.has("rel", "verb", "table", "then")
    determined = before is not None and (
        "definite" in before.claims or before.text in ("a", "an", "of", "every", "each", "all", "some", "any")
    )
    return ends and (determined or answers)


def _is_led_to(said: Said, at: int) -> bool:
    """Whether a person is whom something is done for, and not who speaks or is spoken of."""
    return any(token.has("rel", "verb") for token in said.tokens[max(at - 2, 0) : at])


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
            one = Violation("unknown", token.said, f"I do not know the word {token.said!r}")
            if len(token.said) <= 2:
                yield one.lightly()
            elif said.standings[at] == "asks":
                yield one.if_sure(_stands_for_what_is_asked(said, at, written.answers))
            else:
                yield replace(one, sure=False, grave=said.standings[at] == "tells" and _leads(said, at))
        elif token.text == "give me the" and written.answers and not written.moves:
            continue
        elif BEYOND in token.claims and not (at < said.corrected and at):
            one = Violation("beyond", token.said, f"I cannot do anything with {token.said!r}")
            done = token.said.endswith(("ing", "ed"))  # "we are playing", "the block hiding in the bowl"
            if _leads(said, at):
                ahead = said.tokens[at + 1 : at + 2]
                spoken_of = CHAT in token.claims and not any(
                    "definite" in after.claims or after.text in ("a", "an", "some") for after in ahead
                )  # "teacher told us", and not "play a song"
                yield one.if_sure(not (done or spoken_of))
            elif said.asks(at):
                yield one.if_sure(not (done or CHAT in token.claims and not _is_led_to(said, at)))
            else:
                yield replace(one, sure=False)
        elif "colour none" in token.claims and len(token.claim("colour")) == 1 and not written.of(c.Nothing):
            yield Violation("beyond", token.said, f"nothing here is {token.said}")
        elif token.edits and token.doubtful:
            yield Violation("doubtful", token.said, f"I am not sure about the word {token.said!r}", False)
        elif token.edits:
            yield Violation("misspelt", token.said, f"I read {token.said!r} as {token.text!r}", False)
