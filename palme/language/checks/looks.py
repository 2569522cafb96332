"""Colours, sizes and kinds: each thing of the program is named by the sentence, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from palme.language.checks.nouns import Named
from palme.language.checks.said import JOINING, Said
from palme.language.checks.violations import Violation
from palme.language.checks.written import Use, Written
from palme.language.programs import calls as c
from palme.language.programs import things as t

_SIZE_OF = {"smallest": "small", "largest": "large"}
_COMPARED = {"smaller": "small", "larger": "large"}
_NONE = frozenset[str]()
_GOES_ON = frozenset(
    "is are was will should must can shall would may of that which who goes belongs and or and's one".split()
)


def looks(said: Said, written: Written) -> Iterator[Violation]:
    """Things without their like on the other side."""
    yield from _not_said(said, written)
    yield from _not_written(said, written)


def named_as(use: Use, said: Said) -> list[Named]:
    """Noun phrases that can mean a thing of the program."""
    whole = [one for one in said.things if _fits(one, use)]
    return whole or list(_apart(use, said))


def _apart(use: Use, said: Said) -> Iterator[Named]:
    """ "the red block, the large one", "the small red block on the large one": what is said apart."""
    sizes, colour = _sizes_of(use.noun), use.noun.colour
    if not sizes or use.relation == "is":
        return
    sized = [one for one in said.things if not one.colours and one.kinds <= {"any"} and _sizes(one) == sizes]
    unsized = Use(
        replace(use.noun, size=None, filters=tuple(f for f in use.noun.filters if not isinstance(f, t.Most))),
        use.quantifier, use.among, use.relation, use.place, use.negative, use.line, use.acts,
    )  # fmt: skip
    described = [
        one
        for one in said.things
        if not one.pronoun and _fits(replace(one, sizes=_NONE, superlatives=_NONE), unsized)
    ]
    if sized and described and (colour or use.noun.kind in ("thing", *_kinds(described))):
        yield from sized
        yield from (one for one in described if not _sizes(one))


def _kinds(things: Iterable[Named]) -> frozenset[str]:
    return frozenset[str]().union(*(one.kinds for one in things))


def _fits(named: Named, use: Use) -> bool:
    noun = use.noun
    if named.pronoun:
        return False
    if (noun.colour or "") not in (named.colours or {""}) and not (named.colours & _filtered(noun)):
        return False
    if use.relation != "is" and not _fits_size(noun, _sizes(named)):
        return False
    return _fits_kind(named, use)


def _fits_size(noun: t.Noun, said: set[str]) -> bool:
    compared = {
        _COMPARED[one.relation]
        for one in noun.filters
        if isinstance(one, t.Related) and one.relation in _COMPARED
    }
    return said == _sizes_of(noun) or bool(compared) and said == _sizes_of(noun) | compared


def _filtered(noun: t.Noun) -> set[str]:
    """Colours that its filters are about: "the non-red block", "red ones in the bowl of their colour"."""
    if noun.colour:
        return set()
    found: set[str] = set()
    for one in noun.filters:
        inner = one.filter if isinstance(one, t.Not) else one
        if isinstance(inner, t.Attribute):
            found.add(inner.word)
        elif isinstance(inner, t.Alike) and inner.trait == "colour":
            found |= set(t.COLOUR_WORDS)
    return found


def _fits_kind(named: Named, use: Use) -> bool:
    kind = use.noun.kind
    if named.whole:
        return kind == "thing"
    if not named.kinds or "any" in named.kinds or kind in named.kinds or use.relation == "is":
        return True
    if kind == "tower":
        return "pile" in named.kinds
    loosely = kind == "thing" and use.quantifier == "the" and use.noun.colour is not None
    return loosely or kind == "thing" and "pile" in named.kinds  # where two fit, it is asked which


def _sizes(named: Named) -> set[str]:
    return set(named.sizes) | {_SIZE_OF[one] for one in named.superlatives if one in _SIZE_OF}


def _sizes_of(noun: t.Noun) -> set[str]:
    found: set[str] = {noun.size} if noun.size else set()
    for one in noun.filters:
        if isinstance(one, t.Most) and one.superlative in _SIZE_OF:
            found.add(_SIZE_OF[one.superlative])
    return found


def _not_said(said: Said, written: Written) -> Iterator[Violation]:
    elided = any(not one.kinds and not one.pronoun and not one.whole for one in said.things)
    kinds = frozenset[str]().union(*(one.kinds for one in said.things)) if said.things else frozenset()
    for use in written.uses:
        noun = use.noun
        if noun.colour is None and not _sizes_of(noun):
            if (
                noun.kind in t.KIND_WORDS[:3]
                and not named_as(use, said)
                and use.relation != "is"
                and noun.kind in kinds
                and not (_holds(noun) and said.has_word(*JOINING))
            ):
                yield Violation("looks", noun.kind, f"you do not name a {noun.kind} without saying which")
            if noun.kind not in ("thing", *kinds) and not elided and "any" not in kinds:
                if noun.kind == "block" and kinds & {"tower", "pile"}:
                    continue
                if not (noun.kind == "tower" and ("pile" in kinds or said.has("verb stack", "verb unstack"))):
                    yield Violation("kind", noun.kind, f"you do not name a {noun.kind}")
            continue
        if not named_as(use, said):
            words = " ".join(word for word in (noun.size, noun.colour, noun.kind) if word)
            yield Violation("looks", words, f"you do not name a {words}")


def _holds(noun: t.Noun) -> bool:
    """Whether it is told by what is in it."""
    return any(isinstance(one, t.Related) and one.relation == "holding" for one in noun.filters)


def _not_written(said: Said, written: Written) -> Iterator[Violation]:
    if not written.moves and not written.answers:
        return
    uses = written.uses
    colours = {use.noun.colour for use in uses}
    orders = said.claims("sort") or "by" in written.words
    whole = bool({"tower", "it"} & written.words)
    for one in said.wanted:
        if one.colours == {"none"}:
            continue
        if not one.looks and not one.superlatives & set(_SIZE_OF):
            if one.kinds and not (one.kinds & {"any", "thing", "pile", "tower"}) and not one.negated:
                if (
                    not one.before & {"from", "off"}
                    and not whole
                    and not any(_kind_in(use, one) for use in uses)
                ):
                    told = f"nothing of it is about a {min(one.kinds)}"
                    yield _weighed(Violation("kind", min(one.kinds), told), one, said, written)
            continue
        if any(_fits(one, use) for use in uses) or one.negated or _is_of_no_thing(one, said):
            continue
        if any(_partly(one, use) or one in named_as(use, said) for use in uses):
            continue
        if len(one.colours) > 1 and one.colours <= colours:
            continue
        if orders and not one.colours:
            continue
        if not one.colours and (said.has("ask size") or {"larger", "smaller"} & written.words):
            continue
        words = " ".join((*sorted(one.sizes), *sorted(one.colours), *sorted(one.kinds - {"any"})))
        told = f"nothing of it is about the {words or 'one'} that you name"
        yield _weighed(Violation("looks", words, told), one, said, written)


def _weighed(violation: Violation, one: Named, said: Said, written: Written) -> Violation:
    """Light where a thing is only told of or denied, grave where others may stand for it."""
    if not said.asks(one.start) or said.is_denied(one):
        return violation.lightly()
    hesitates = any(
        token.text in ("er", "um", "uh", "erm", "hmm", "eh") and said.tokens[at - 1].text in (",", "-", "...")
        for at, token in enumerate(said.tokens)
        if at > one.end
    )
    listed = any(line.by in ("rainbow", "alphabet") for line in written.of(c.Stack, c.Arrange))
    asked = any(one.question == "where" for one in written.of(c.Ask)) or bool(written.of(t.Among))
    chosen = asked and not written.moves and said.has_word("or")
    listed = listed or bool(written.of(c.Swap)) and not one.looks
    return violation.if_sure(not (said.has("former") or listed or chosen or hesitates))


def _partly(one: Named, use: Use) -> bool:
    """ "the large one", "of the two red ones": one trait of a thing whose others are said elsewhere."""
    if one.pronoun or one.whole or not (one.kinds <= {"any"} or one.amounts):
        return False
    if one.colours:
        same = (use.noun.colour or "") in one.colours
        return same and not _sizes(one) and bool(_sizes_of(use.noun)) and _fits_kind(one, use)
    return _sizes(one) == _sizes_of(use.noun)


def _is_of_no_thing(one: Named, said: Said) -> bool:
    """ "a small job", "a big thank you": a size of something that is no thing here."""
    after = said.tokens[one.end] if one.end < len(said.tokens) else None
    return (
        not one.colours
        and not one.kinds
        and after is not None
        and after.claims <= {"chat"}
        and after.text not in _GOES_ON
    )


def _kind_in(use: Use, named: Named) -> bool:
    return use.noun.kind in named.kinds or (use.noun.kind == "thing" and not use.acts)
