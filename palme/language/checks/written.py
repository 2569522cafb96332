"""What a program says: its things with the part that each plays, and its calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any, cast

from palme.language.programs import calls as c
from palme.language.programs import things as t

ACTIONS = (c.Put, c.Move, c.Stack, c.Arrange, c.Swap, c.Do)


@dataclass(frozen=True)
class Use:
    """A noun of a program.

    Attributes:
        noun: with its filters.
        quantifier: of its group.
        among: nouns in its group.
        relation: that leads to it: of a place, or of a filter; "" for what a call is about.
        place: whether the relation is a place's, where something is put.
        negative: it is excluded, kept, or what a condition denies.
        line: number of its line, from 0.
        acts: it is part of an action, not of a question or a condition.
    """

    noun: t.Noun
    quantifier: t.Quantifier
    among: int
    relation: str
    place: bool
    negative: bool
    line: int
    acts: bool


@dataclass(frozen=True)
class Written:
    """A program for the checks."""

    program: c.Program

    @cached_property
    def parts(self) -> tuple[Any, ...]:
        """Every node of it."""
        return tuple(_walk(self.program.lines))

    def of(self, *kinds: type) -> tuple[Any, ...]:
        """Nodes of these types."""
        return tuple(part for part in self.parts if isinstance(part, kinds))

    @cached_property
    def words(self) -> frozenset[str]:
        """Of its text."""
        return frozenset(self.program.text.split())

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """Every noun, in the order of the text."""
        return tuple(use for k, line in enumerate(self.program.lines) for use in _of_line(line, k))

    @cached_property
    def moves(self) -> bool:
        """Whether anything could be moved."""
        hypothetical = {id(one.call) for one in self.of(c.Possible)}
        return any(
            id(one) not in hypothetical and not (isinstance(one, c.Do) and one.verb == "keep")
            for one in self.of(*ACTIONS)
        )

    @cached_property
    def answers(self) -> bool:
        """Whether it answers a question; conditions do not."""
        tested = {id(one) for test in self.of(c.If) for one in _walk(test.condition)}
        return any(id(one) not in tested for one in self.of(c.Ask, c.Exists, c.Compare, c.Possible))

    @cached_property
    def negates(self) -> bool:
        """Whether anything of it says no."""
        lines = self.program.lines
        return (
            bool(self.of(t.Not, t.Except, c.Nothing, c.Refuse, t.Is))
            or any(one.verb in ("keep", "empty", "clear", "out", "unstack") for one in self.of(c.Do))
            or any(one.negated or one.otherwise for one in self.of(c.If))
            or any(one.not_first or one.not_second for one in self.of(c.Joint))
            or any(not one.same for one in self.of(t.Alike))
            or any(one.relation == "instead" for one in self.of(c.At))
            or any(one.comparison in ("=", "<", "<=") for one in self.of(c.Compare))
            or not lines
        )


def _walk(node: Any) -> Iterator[Any]:
    if isinstance(node, tuple):
        for one in node:
            yield from _walk(one)
    elif is_dataclass(node):
        yield node
        for one in fields(node):
            yield from _walk(getattr(node, one.name))


def _of_line(line: c.Line, k: int) -> Iterator[Use]:
    if not isinstance(line, c.If):
        yield from _of_call(line, k)
        return
    test = line.condition
    if isinstance(test, c.Joint):
        yield from _of_call(test.first, k, test.not_first)
        yield from _of_call(test.second, k, test.not_second)
    else:
        yield from _of_call(test, k, line.negated)
    for call in (*line.then, *line.otherwise):
        yield from _of_line(call, k)


def _of_call(call: Any, k: int, negative: bool = False) -> Iterator[Use]:
    acts = isinstance(call, ACTIONS)
    if isinstance(call, c.Possible):
        yield from _of_call(call.call, k)
        return
    if isinstance(call, c.Do) and call.verb == "keep":
        negative = True
    for field in fields(call) if is_dataclass(call) else ():
        value = getattr(call, field.name)
        for group in value if isinstance(value, tuple) else (value,):
            if isinstance(group, t.Things):
                yield from _of_things(group, "", False, negative, k, acts)
            elif isinstance(group, c.At):
                yield from _of_things(group.of, group.relation, True, negative, k, acts)
            elif isinstance(group, c.BetweenPlace):
                for one in (group.first, group.second):
                    if one is not None:
                        yield from _of_things(one, "between", True, negative, k, acts)


def _of_things(
    things: t.Things, relation: str, place: bool, negative: bool, line: int, acts: bool
) -> Iterator[Use]:
    for noun in things.nouns:
        yield Use(noun, things.quantifier, len(things.nouns), relation, place, negative, line, acts)
        for one in noun.filters:
            yield from _of_filter(one, negative, line, acts)


def _of_filter(one: t.Filter, negative: bool, line: int, acts: bool) -> Iterator[Use]:
    if isinstance(one, t.Not):
        yield from _of_filter(one.filter, True, line, acts)
    elif isinstance(one, t.Except):
        yield from _of_things(one.those, "", False, True, line, acts)
    elif isinstance(one, t.Among):
        yield from _of_things(one.group, "", False, negative, line, acts)
    elif isinstance(one, t.Related):
        yield from _of_things(one.to, one.relation, False, negative, line, acts)
    elif isinstance(one, t.Closest):
        yield from _of_things(one.to, one.extreme, False, negative, line, acts)
    elif isinstance(one, t.BetweenFilter):
        for group in (one.first, one.second):
            if group is not None:
                yield from _of_things(group, "between", False, negative, line, acts)
    elif isinstance(one, t.Alike):
        if one.to is not None:
            yield from _of_things(one.to, "as", False, negative, line, acts)
    elif isinstance(one, t.Attribute):
        yield Use(_noun(one.word), "the", 1, "is", False, negative, line, acts)


def _noun(word: str) -> t.Noun:
    """Anything that has the attribute."""
    if word in t.COLOUR_WORDS:
        return t.Noun("thing", word)
    if word in t.SIZES:
        return t.Noun("thing", None, cast(t.Size, word))
    return t.Noun(cast(t.Kind, word))
