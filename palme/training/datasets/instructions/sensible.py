"""Whether a drawn program is one that a person would ask for; what is drawn at random often is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from palme.language.programs.calls import (
    Arrange,
    At,
    BetweenPlace,
    Compare,
    Do,
    If,
    OnTheTable,
    Program,
    Put,
    Stack,
    Swap,
)
from palme.language.programs.things import BetweenFilter, Closest, Except, Not, Noun, Related, Things


def is_sensible(program: Program) -> bool:
    """False where something is moved onto itself, described by itself, named twice, or moved and kept."""
    moved = [
        line.what.text for line in program.lines if isinstance(line, Put) and line.what.quantifier != "it"
    ]
    moved += [part.text for line in program.lines if isinstance(line, Stack) for part in line.parts]
    kept = {line.what.text for line in program.lines if isinstance(line, Do) and line.verb == "keep"}
    apart = len(set(moved)) == len(moved) and not kept & set(moved)
    return apart and all(_makes_sense(part) for part in walk(program))


def walk(node: Any) -> Iterator[Any]:
    """`node` and every part of it."""
    yield node
    if isinstance(node, tuple):
        for one in node:
            yield from walk(one)
    elif is_dataclass(node):
        for field in fields(node):
            yield from walk(getattr(node, field.name))


def _makes_sense(part: Any) -> bool:
    if isinstance(part, Put):
        empties = isinstance(part.place, OnTheTable) and _contents(part.what)  # said as "empty"
        return _differ(part.what, *_references(part.place)) and not empties and not _joins_itself(part)
    if isinstance(part, Swap):
        return _differ(part.first, part.second)
    if isinstance(part, Compare):
        return isinstance(part.right, int) or _differ(part.left, part.right)
    if isinstance(part, (BetweenFilter, BetweenPlace)):
        return part.second is None or _differ(part.first, part.second)
    if isinstance(part, (Stack, Arrange)):
        return _differ(*part.parts) or len(part.parts) == 1
    if isinstance(part, Things):
        return len({noun.text for noun in part.nouns}) == len(part.nouns)
    if isinstance(part, Noun):
        described = [one.to for one in part.filters if isinstance(one, (Related, Closest))]
        left_out = [
            noun
            for one in part.filters
            if isinstance(one, Except) and not isinstance(one.those.quantifier, int)  # "all but one"
            for noun in one.those.nouns
        ]
        return all(_bare(part) != _bare(noun) for to in described for noun in to.nouns) and all(
            _is_some_of(noun, part) for noun in left_out
        )
    if isinstance(part, Do) and part.verb in ("gather", "spread"):
        return part.what.quantifier not in ("any", 1) and (
            part.what.quantifier != "the" or len(part.what.nouns) > 1
        )
    if isinstance(part, Do) and part.verb == "empty":
        return all(noun.kind == "bowl" for noun in part.what.nouns)
    return not isinstance(part, If) or bool(part.then)


def _references(place: Any) -> tuple[Things, ...]:
    if isinstance(place, At):
        return (place.of,)
    if isinstance(place, BetweenPlace):
        return (place.first,) if place.second is None else (place.first, place.second)
    return ()


def _joins_itself(put: Put) -> bool:
    """Whether something goes in the bowl that holds it, or in the one that does not."""
    place = [noun for of in _references(put.place) for noun in of.nouns]
    filters = [one.filter if isinstance(one, Not) else one for noun in place for one in noun.filters]
    holds = [one.to for one in filters if isinstance(one, Related) and one.relation == "holding"]
    return not all(_differ(put.what, to) for to in holds)


def _is_some_of(noun: Noun, of: Noun) -> bool:
    """Whether `noun`, which is left out, can be among `of` without being all of it."""
    kinds = noun.kind == of.kind or "thing" in (noun.kind, of.kind) or "tower" in (noun.kind, of.kind)
    looks = (noun.kind, noun.colour, noun.size)
    return kinds and (bool(noun.filters) or looks != (of.kind, of.colour, of.size))


def _contents(what: Things) -> bool:
    """Whether `what` is all that is in a bowl."""
    return what.quantifier == "all" and any(
        noun.kind == "thing" and isinstance(one, Related) and one.relation == "in"
        for noun in what.nouns
        for one in noun.filters
    )


def _differ(*things: Things) -> bool:
    """Whether no two of `things` are said by the same words; "it" is like nothing."""
    said = [_bare(noun).text for one in things for noun in one.nouns]
    return len(set(said)) == len(said)


def _bare(noun: Noun) -> Noun:
    return replace(noun, filters=()) if noun.colour or noun.size else noun
