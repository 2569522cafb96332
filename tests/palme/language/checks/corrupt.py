"""Programs with one thing wrong: what a reader that is sure of itself may still write."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from palme.language.programs import calls as c
from palme.language.programs import things as t
from palme.language.programs.parser import BadProgram, parse

_OPPOSITE = {
    "left": "right", "right": "left", "front": "behind", "behind": "front", "on": "under", "under": "on",
    "in": "next", "next": "on", "touching": "in", "holding": "next", "nearest": "furthest",
    "furthest": "nearest",
    "leftmost": "rightmost", "rightmost": "leftmost", "frontmost": "backmost", "backmost": "frontmost",
    "largest": "smallest", "smallest": "largest", "highest": "lowest", "lowest": "highest", "away": "toward",
    "toward": "away", "small": "large", "large": "small", ">": "<", "<": ">", ">=": "<=", "<=": ">=",
    "=": ">",
}  # fmt: skip


def corrupted(program: c.Program, rng: random.Random) -> Iterator[tuple[str, c.Program]]:
    """Programs with one part changed, and what was: "colour", "size", "relation", ..."""
    seen = {program.text}
    for kind, wrong in _changed(program, rng):
        try:
            read = parse(wrong.text)
        except BadProgram:
            continue
        if read.text not in seen:
            seen.add(read.text)
            yield kind, read


def _changed(node: Any, rng: random.Random) -> Iterator[tuple[str, Any]]:
    """`node` with one thing changed in it, or in one of its parts."""
    yield from _own(node, rng)
    if isinstance(node, tuple):
        for k, one in enumerate(node):
            for kind, other in _changed(one, rng):
                yield kind, (*node[:k], other, *node[k + 1 :])
    elif is_dataclass(node):
        for field in fields(node):
            if field.init:
                for kind, other in _changed(getattr(node, field.name), rng):
                    yield kind, replace(node, **{field.name: other})  # type: ignore[type-var]


def _own(node: Any, rng: random.Random) -> Iterator[tuple[str, Any]]:
    if isinstance(node, t.Noun):
        if node.colour:
            others = [one for one in t.COLOUR_WORDS if one != node.colour]
            yield "colour", replace(node, colour=rng.choice(others))
            yield "colour lost", replace(node, colour=None)
        if node.size:
            yield "size", replace(node, size=_OPPOSITE[node.size])
            yield "size lost", replace(node, size=None)
        if node.kind in ("block", "cylinder"):
            yield "kind", replace(node, kind="cylinder" if node.kind == "block" else "block")
        for k, one in enumerate(node.filters):
            without = replace(node, filters=(*node.filters[:k], *node.filters[k + 1 :]))
            yield ("negation" if isinstance(one, (t.Not, t.Except)) else "filter lost"), without
    elif isinstance(node, t.Not):
        yield "negation", node.filter
    elif isinstance(node, (t.Related, c.At)):
        yield "relation", replace(node, relation=_OPPOSITE.get(node.relation, "on"))
    elif isinstance(node, t.Closest):
        yield "relation", replace(node, extreme=_OPPOSITE[node.extreme])
    elif isinstance(node, t.Most):
        if node.superlative in _OPPOSITE:
            yield "superlative", t.Most(_OPPOSITE[node.superlative])  # type: ignore[arg-type]
    elif isinstance(node, t.Nth):
        yield "number", replace(node, n=node.n + 1)
        yield "direction", replace(node, side=_OPPOSITE[node.side])
    elif isinstance(node, t.Things):
        if isinstance(node.quantifier, int):
            yield "number", replace(node, quantifier=node.quantifier + 1)
        if node.quantifier in ("all", "each"):
            yield "quantifier", replace(node, quantifier="any")
            yield "quantifier", replace(node, quantifier="the")
        if node.quantifier == "the" and len(node.nouns) == 1:
            yield "quantifier", replace(node, quantifier="all")
    else:
        yield from _of_call(node, rng)


def _of_lines(node: c.Program, rng: random.Random) -> Iterator[tuple[str, c.Program]]:
    if len(node.lines) > 1:
        yield "line lost", c.Program(node.lines[1:])
        yield "line lost", c.Program(node.lines[:-1])
    if any(isinstance(line, (c.Put, c.Move, c.Do)) for line in node.lines):
        kind, colour = rng.choice(("block", "cylinder")), rng.choice(t.COLOUR_WORDS)
        added = parse(f"put ( {colour} {kind} , {rng.choice(('on table', 'in bowl'))} )").lines[0]
        yield "line added", c.Program((*node.lines, added))


def _of_call(node: Any, rng: random.Random) -> Iterator[tuple[str, Any]]:
    if isinstance(node, c.Put):
        if isinstance(node.place, c.At) and node.place.of.quantifier == node.what.quantifier == "the":
            if all(noun.kind != "bowl" for noun in node.place.of.nouns):  # which no arm can lift
                yield "roles", replace(node, what=node.place.of, place=replace(node.place, of=node.what))
        if isinstance(node.place, c.At):
            yield "place", replace(node, place=c.OnTheTable())
        yield "question", c.Exists(node.what)
    elif isinstance(node, c.AtSide):
        yield "direction", c.AtSide(_OPPOSITE[node.side])  # type: ignore[arg-type]
    elif isinstance(node, c.Move):
        yield "direction", replace(node, direction=_OPPOSITE[node.direction])
        yield "number", replace(node, cm=node.cm + 3)
    elif isinstance(node, (c.Stack, c.Arrange)):
        if len(node.parts) > 1:
            yield "order", replace(node, parts=node.parts[::-1])
        if len(node.parts) > 2:
            yield "order", replace(node, parts=(node.parts[1], node.parts[0], *node.parts[2:]))
            yield "part lost", replace(node, parts=node.parts[:-1])
        if node.by:
            yield "order", replace(node, by=_OPPOSITE.get(node.by))
        if isinstance(node, c.Stack):
            yield "call", c.Arrange("row", node.parts, node.by)
    elif isinstance(node, c.Swap):
        yield "call", c.Put(node.first, c.At("on", node.second))
    elif isinstance(node, c.Do):
        if node.verb == "keep":
            yield "negation", c.Put(node.what, c.OnTheTable())
        yield "call", c.Put(node.what, c.Middle())
    elif isinstance(node, c.Ask):
        yield "question", c.Ask("colour" if node.question != "colour" else "where", node.about)
        yield "order for question", c.Put(node.about, c.OnTheTable())
    elif isinstance(node, c.Compare):
        yield "comparison", replace(node, comparison=_OPPOSITE[node.comparison])
    elif isinstance(node, c.If):
        yield "condition", replace(node, negated=not node.negated)
        yield "condition", node.then[0]
        if node.otherwise:
            yield "condition", replace(node, otherwise=())
    elif isinstance(node, c.Nothing):
        yield "negation", parse("put ( any block , in any bowl )").lines[0]
    elif isinstance(node, c.Program):
        yield from _of_lines(node, rng)
