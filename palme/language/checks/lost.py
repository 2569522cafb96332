"""What a sentence names and a program passes over, although it names it elsewhere.

Things that are told by where they are, things that others join, things that stand beside an exception.
"""

from __future__ import annotations

from collections.abc import Iterator

from palme.language.checks.looks import named_as
from palme.language.checks.nouns import Named
from palme.language.checks.said import JOINING, Said
from palme.language.checks.tokens import Token
from palme.language.checks.violations import Violation
from palme.language.checks.written import Written
from palme.language.programs import calls as c
from palme.language.programs import things as t

_OPENS = frozenset("whatever whatever's whichever that's thats that which who's".split()) | {
    "that is",
    "which is",
}
"""Words that begin a relative clause."""
_WHATEVER = frozenset({"what's", "whats", "what is", "whatever is", "whatever's"})
"""Those that begin one after a verb as well: "put what's in ..."."""
_STANDS = frozenset(
    "is are 's sits sit sitting stands stand standing lies lie lying rests rest resting currently now right"
    " placed located there".split()
)
_LEADS = frozenset({"in", "on", "under"})


def lost(said: Said, written: Written) -> Iterator[Violation]:
    """See module."""
    if written.moves and not written.of(c.Do):
        yield from _told_by_where(said, written)
        yield from _joined_by(said, written)
    yield from _lost_in_an_exception(said, written)


def _told_by_where(said: Said, written: Written) -> Iterator[Violation]:
    """ "what's on the blue block" chooses a thing: the blue block is no mere place of the program."""
    for one in said.wanted:
        relation = _relative_relation(one, said)
        if relation is None or one.negated or not one.kinds and not one.looks or not said.asks(one.start):
            continue
        if relation == "in" and said.has_word(*JOINING):  # who joins what is in a bowl goes into it
            continue
        uses = [use for use in written.uses if one in named_as(use, said)]
        if uses and all(use.place for use in uses):
            what = " ".join((*sorted(one.colours), said.tokens[one.end - 1].text))
            told = f"nothing of it is chosen by being {relation} the {what}"
            yield Violation("relation", relation, told)


def _joined_by(said: Said, written: Written) -> Iterator[Violation]:
    """ "the blue block joins the green block": the place of the latter has its part."""
    for one in said.wanted:
        before = [
            token for token in said.tokens[: one.start] if not _is_article(token) and token.text != "with"
        ]
        if not before or before[-1].text not in JOINING or not one.looks or "bowl" in one.kinds:
            continue
        uses = [use for use in written.uses if one in named_as(use, said)]
        places = {k: line.place for k, line in enumerate(written.program.lines) if isinstance(line, c.Put)}
        own = {use.line for use in uses if not use.relation}
        if any(places[k] == places.get(other) for k in places if k not in own for other in own):
            continue  # the other one is put to the same place
        if uses and not any(use.relation for use in uses):
            what = " ".join((*sorted(one.colours), said.tokens[one.end - 1].text))
            yield Violation("relation", "join", f"nothing of it goes where the {what} is")


def _relative_relation(one: Named, said: Said) -> str | None:
    """ "in" where "what's in", "that sits in" or the like stands right before the thing."""
    at = one.start - 1
    while at >= 0 and _is_article(said.tokens[at]):
        at -= 1
    if at < 1:
        return None
    found = said.tokens[at].claim("rel") & _LEADS
    if len(found) != 1 or len(said.tokens[at].words) > 2:
        return None
    at -= 1
    while at > 0 and said.tokens[at].text in _STANDS:
        at -= 1
    opens = said.tokens[at].text in _OPENS and not (at and said.tokens[at - 1].has("verb put", "verb move"))
    return min(found) if opens or said.tokens[at].text in _WHATEVER else None


def _is_article(token: Token) -> bool:
    return (
        token.text in ("the", "a", "an", "my", "our", "that", "this")
        and "definite" in token.claims
        or (token.text in ("a", "an"))
    )


def _is_joined(one: Named, said: Said) -> bool:
    """Whether "and" stands right before it."""
    before = [token for token in said.tokens[max(0, one.start - 2) : one.start] if not _is_article(token)]
    return said.asks(one.start) and bool(before) and before[-1].text in ("and", "plus", "&")


def _lost_in_an_exception(said: Said, written: Written) -> Iterator[Violation]:
    """ "the blocks and the cylinder, apart from the one in the red bowl": the cylinder is not excepted."""
    if not written.of(t.Except) or not written.moves:
        return
    begins = [at for at, token in enumerate(said.tokens) if "except" in token.claims]
    if not begins or begins[0] < 2:
        return
    for one in said.wanted:
        if one.start > begins[0] or one.negated or not one.kinds or not _is_joined(one, said):
            continue
        uses = [use for use in written.uses if one in named_as(use, said)]
        if uses and all(use.negative for use in uses):
            what = " ".join((*sorted(one.colours), said.tokens[one.end - 1].text))
            yield Violation("exception", what, f"the {what} that you name is left out")
