"""Colours, sizes and kinds: each thing of the program is named by the sentence, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator

from palme.language.checks.nouns import Named
from palme.language.checks.said import Said
from palme.language.checks.violations import Violation
from palme.language.checks.written import Use, Written
from palme.language.programs import things as t

_SIZE_OF = {"smallest": "small", "largest": "large"}


def looks(said: Said, written: Written) -> Iterator[Violation]:
    """Things without their like on the other side."""
    yield from _not_said(said, written)
    yield from _not_written(said, written)


def named_as(use: Use, said: Said) -> list[Named]:
    """Noun phrases that can mean a thing of the program."""
    return [one for one in said.things if _fits(one, use)]


def _fits(named: Named, use: Use) -> bool:
    noun = use.noun
    if named.pronoun:
        return False
    if (noun.colour or "") not in (named.colours or {""}):
        return False
    if use.relation != "is" and _sizes_of(noun) != _sizes(named):
        return False
    return _fits_kind(named, use)


def _fits_kind(named: Named, use: Use) -> bool:
    kind = use.noun.kind
    if named.whole:
        return kind == "thing"
    if not named.kinds or "any" in named.kinds or kind in named.kinds or use.relation == "is":
        return True
    if kind == "tower":
        return "pile" in named.kinds
    return kind == "thing" and "pile" in named.kinds


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
            ):
                yield Violation("looks", noun.kind, f"you do not name a {noun.kind} without saying which")
            if noun.kind not in ("thing", *kinds) and not elided and "any" not in kinds:
                if not (noun.kind == "tower" and ("pile" in kinds or said.has("verb stack", "verb unstack"))):
                    yield Violation("kind", noun.kind, f"you do not name a {noun.kind}")
            continue
        if not named_as(use, said):
            words = " ".join(word for word in (noun.size, noun.colour, noun.kind) if word)
            yield Violation("looks", words, f"you do not name a {words}")


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
                    yield Violation("kind", min(one.kinds), f"nothing of it is about a {min(one.kinds)}")
            continue
        if any(_fits(one, use) for use in uses) or one.negated:
            continue
        if len(one.colours) > 1 and one.colours <= colours:
            continue
        if orders and not one.colours:
            continue
        if not one.colours and (said.has("ask size") or {"larger", "smaller"} & written.words):
            continue
        words = " ".join((*sorted(one.sizes), *sorted(one.colours), *sorted(one.kinds - {"any"})))
        yield Violation("looks", words, f"nothing of it is about the {words or 'one'} that you name")


def _kind_in(use: Use, named: Named) -> bool:
    return use.noun.kind in named.kinds or (use.noun.kind == "thing" and not use.acts)
