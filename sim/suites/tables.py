"""Reads one table of a suite: looks, places, and what rests in or on what."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

from robots.skills import COLOURS, KINDS
from robots.text import text_problem
from sim.geometry.shapes import width
from sim.judging.errors import nearest
from sim.suites.errors import BadSuite
from sim.suites.suite import XY, SuiteTable
from sim.world.state import SIZES, ObjectSpec

THING_KEYS = ("kind", "colour", "size", "at", "in", "rests_on", "yaw")
PLACES = ("at", "in", "rests_on")
LEGAL = {"kind": KINDS, "colour": COLOURS, "size": SIZES}
DEFAULT_SIZE = "large"
X_RANGE, Y_RANGE = (0.28, 0.72), (-0.36, 0.36)
"""[m] of the table that the front camera sees and on which middles may lie."""
ROOM = {"small": 4, "large": 6}
"""Things that a bowl holds, some of them on others."""
MAX_THINGS = 40


def read_table(name: str, told: Any) -> SuiteTable:
    """The table called `name`. Raises BadSuite."""
    if not isinstance(told, Mapping) or not told:
        raise BadSuite(f"{told!r}; write things by their ids, such as a: {{kind: block, colour: red, ...}}")
    if not len(told) <= MAX_THINGS:
        raise BadSuite(f"{len(told)} things; at most {MAX_THINGS} fit on a table")
    ids = tuple(str(id) for id in told)
    for id in ids:
        if problem := text_problem(id):
            raise BadSuite(f"an id: {problem}")
    if len(set(ids)) < len(ids):
        twice = next(id for id in ids if ids.count(id) > 1)
        raise BadSuite(f"{twice}: two things have this id; give each its own")
    things = dict(zip(ids, told.values(), strict=True))
    specs = tuple(_within(id, _looks, id, thing) for id, thing in things.items())
    xy = tuple(_within(id, _place, thing) for id, thing in things.items())
    kinds = {id: spec.kind for id, spec in zip(ids, specs, strict=True)}
    holder = tuple(_within(id, _holder, id, thing, kinds) for id, thing in things.items())
    yaw = tuple(_within(id, _yaw, thing) for id, thing in things.items())
    table = SuiteTable(name, ids, specs, xy, holder, yaw)
    _check_piles(table)
    _check_apart(table)
    return table


def _within(id: str, read: Any, *arguments: Any) -> Any:
    try:
        return read(*arguments)
    except BadSuite as error:
        raise BadSuite(f"{id}: {error}") from None


def _looks(id: str, told: Any) -> ObjectSpec:
    if not isinstance(told, Mapping):
        raise BadSuite(f"{told!r}; write {{kind: block, colour: red, at: [0.45, 0.10]}}")
    for key in told:
        if key not in THING_KEYS:
            raise BadSuite(f"unknown key {key!r}{nearest(str(key), THING_KEYS)}")
    for key, legal in LEGAL.items():
        if key not in told and key != "size":
            raise BadSuite(f"{key} is missing; there are {', '.join(legal)}")
        if key in told and told[key] not in legal:
            raise BadSuite(f"{key} {told[key]!r}{nearest(str(told[key]), legal)}")
    given = [key for key in PLACES if key in told]
    if len(given) != 1:
        said = " and ".join(given) or "nothing"
        raise BadSuite(f"says {said} of where it is; write exactly one of {', '.join(PLACES)}")
    return ObjectSpec(told["colour"], told["kind"], told.get("size", DEFAULT_SIZE))


def _place(told: Mapping[str, Any]) -> XY | None:
    if "at" not in told:
        return None
    at = told["at"]
    good = isinstance(at, list) and len(at) == 2
    if not good or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in at):
        raise BadSuite(f"at: {at!r}; write [x, y] in [m]")
    x, y = float(at[0]), float(at[1])
    if not (X_RANGE[0] <= x <= X_RANGE[1] and Y_RANGE[0] <= y <= Y_RANGE[1]):
        raise BadSuite(
            f"at [{x:g}, {y:g}] is outside the table; x is {X_RANGE[0]} to {X_RANGE[1]} m, "
            f"y is {Y_RANGE[0]} to {Y_RANGE[1]} m"
        )
    return x, y


def _yaw(told: Mapping[str, Any]) -> float | None:
    if "yaw" not in told:
        return None
    yaw = told["yaw"]
    if isinstance(yaw, bool) or not isinstance(yaw, int | float) or not math.isfinite(yaw):
        raise BadSuite(f"yaw: {yaw!r}; write an angle in [rad], or leave it out to have it drawn")
    return float(yaw)


def _holder(id: str, told: Mapping[str, Any], kinds: Mapping[str, str]) -> int | None:
    key = next(key for key in PLACES if key in told)
    if key == "at":
        return None
    other = told[key]
    if isinstance(other, bool) or not isinstance(other, str | int) or str(other) not in kinds:
        raise BadSuite(f"{key}: no thing {other!r}{nearest(str(other), kinds)}")
    other = str(other)
    if other == id:
        raise BadSuite(f"{key}: it cannot be {key.replace('_', ' ')} itself; name another thing")
    if kinds[id] == "bowl":
        raise BadSuite(f"{key}: bowls stand on the table; write at: [x, y]")
    if key == "in" and kinds[other] != "bowl":
        raise BadSuite(
            f"in: {other} is a {kinds[other]}, and only bowls hold things; write rests_on: {other}"
        )
    if key == "rests_on" and kinds[other] == "bowl":
        raise BadSuite(f"rests_on: {other} is a bowl; write in: {other}")
    return list(kinds).index(other)


def _check_piles(table: SuiteTable) -> None:
    for i, id in enumerate(table.ids):
        chain, below = [i], table.holder[i]
        while below is not None:
            if below in chain:
                ring = ", ".join(table.ids[one] for one in chain)
                raise BadSuite(f"{id}: {ring} rest on each other in a ring; put one of them at [x, y]")
            chain.append(below)
            below = table.holder[below]
    for i, spec in enumerate(table.specs):
        on = [table.ids[k] for k, below in enumerate(table.holder) if below == i]
        room = ROOM[spec.size] if spec.kind == "bowl" else 1
        if not len(on) <= room:
            raise BadSuite(f"{table.ids[i]}: it cannot hold {', '.join(on)}; at most {room}")


def _check_apart(table: SuiteTable) -> None:
    """No two things at one place, however they are turned."""
    standing = [
        (id, at, spec)
        for id, at, spec in zip(table.ids, table.xy, table.specs, strict=True)
        if at is not None
    ]
    for (a, at_a, spec_a), (b, at_b, spec_b) in itertools.combinations(standing, 2):
        least = (width(spec_a) + width(spec_b)) / 2
        if not math.dist(at_a, at_b) >= least:
            raise BadSuite(
                f"{a} and {b} are at one place, {100 * math.dist(at_a, at_b):.1f} cm apart; "
                f"put them at least {100 * least:.1f} cm apart"
            )
