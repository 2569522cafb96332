"""Reads formulas of `sim.judging.formula` from what YAML or JSON gives: mappings of one key, lists, ids.

Strict: an unknown formula, id or argument, a number that is not finite, a missing or a spare argument is an
error that names the closest legal form. There is no default that a writer could be mistaken about but
`within`, which is 2 cm for `moved` and 4 cm for `at`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from sim.judging.errors import BadArgument, UnknownFormula, UnknownObject, nearest
from sim.judging.formula import (
    All,
    AnyOf,
    At,
    Beside,
    Exactly,
    Formula,
    In,
    Moved,
    Near,
    Not,
    OnTable,
    RestsOn,
    Row,
    Thing,
    Unmoved,
)

MAX_DEPTH = 32
MOVED_WITHIN, AT_WITHIN = 0.02, 0.04  # [m] where a formula does not say

Find = Callable[[str], int]
"""The index of the object that an id names. Raises UnknownObject."""


def indices_of(ids: Mapping[str, int]) -> Find:
    """`Find` of a table whose objects have these ids."""

    def find(name: str) -> int:
        if name not in ids:
            raise UnknownObject(f"no object {name!r}{nearest(name, ids)}")
        return ids[name]

    return find


def parse(data: Any, find: Find, leave: Any = ()) -> Formula:
    """The formula of `data`, with `unmoved` for each id of `leave`.

    Args:
        data: a mapping of one formula, such as {"in": ["x", "y"]}.
        find: id -> index of an object of the table.
        leave: ids of what shall be left alone.

    Raises:
        UnknownFormula, UnknownObject, BadArgument: `BadFormula`, with the place of the fault.
    """
    wanted = _formula(data, find, 0)
    if isinstance(leave, str) or not isinstance(leave, list | tuple):
        raise BadArgument(f"leave: {leave!r} is no list of ids; write leave: [x]")
    left = tuple(Unmoved(_thing("leave", x, find)) for x in leave)
    return All((wanted, *left)) if left else wanted


def _formula(data: Any, find: Find, depth: int) -> Formula:
    if not depth <= MAX_DEPTH:
        raise BadArgument(f"formulas are nested more than {MAX_DEPTH} deep; write them flat")
    if not isinstance(data, Mapping) or len(data) != 1:
        raise BadArgument(f"{_short(data)} is no formula; write one key, such as {{in: [x, y]}}")
    (name, value), *_ = data.items()
    if isinstance(name, bool):  # YAML 1.1 reads a bare on, off, yes or no as a truth value
        raise UnknownFormula(f"YAML reads the key as {name}; put it in quotes{nearest('', FORMULAS)}")
    if name not in FORMULAS:
        raise UnknownFormula(f"no formula {name!r}{nearest(str(name), FORMULAS)}")
    return FORMULAS[name](str(name), value, find, depth)


def _pair(make: Callable[[Thing, Thing], Formula]) -> _Reader:
    def read(name: str, value: Any, find: Find, depth: int) -> Formula:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise BadArgument(f"{name}: {_short(value)}; write {name}: [x, y]")
        x, y = (_thing(name, v, find) for v in value)
        if x.index == y.index:
            raise BadArgument(f"{name}: [{x}, {y}] is one thing twice; name two")
        return make(x, y)

    return read


def _single(make: Callable[[Thing], Formula]) -> _Reader:
    return lambda name, value, find, depth: make(_thing(name, value, find))


def _many(make: Callable[[tuple[Formula, ...]], Formula]) -> _Reader:
    return lambda name, value, find, depth: make(_formulas(name, value, find, depth))


def _formulas(name: str, value: Any, find: Find, depth: int) -> tuple[Formula, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise BadArgument(f"{name}: {_short(value)}; write a list of at least one formula")
    return tuple(_formula(v, find, depth + 1) for v in value)


def _exactly(name: str, value: Any, find: Find, depth: int) -> Formula:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise BadArgument(f"{name}: {_short(value)}; write {name}: [2, [f, g, h]]")
    n, formulas = value[0], _formulas(name, value[1], find, depth)
    if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= len(formulas):
        raise BadArgument(f"{name}: {n!r} of {len(formulas)} formulas; write a whole number up to that")
    return Exactly(n, formulas)


def _negation(name: str, value: Any, find: Find, depth: int) -> Formula:
    return Not(_formula(value, find, depth + 1))


def _moved(name: str, value: Any, find: Find, depth: int) -> Formula:
    given = _arguments(name, value, {"of", "right", "left", "away", "toward", "within"}, {"of"})
    wanted: dict[str, float] = {}
    for plus, minus in (("right", "left"), ("toward", "away")):
        if plus in given and minus in given:
            raise BadArgument(f"{name}: {plus} and {minus} exclude each other; say one of them")
        if plus in given:
            wanted[plus] = _number(f"{name}: {plus}", given[plus])
        if minus in given:
            wanted[plus] = -_number(f"{name}: {minus}", given[minus]) + 0.0
    if not wanted:
        raise BadArgument(f"{name}: how far is not said; add right, left, away or toward in [m]")
    within = _positive(f"{name}: within", given.get("within", MOVED_WITHIN))
    return Moved(_thing(name, given["of"], find), wanted.get("right"), wanted.get("toward"), within)


def _at(name: str, value: Any, find: Find, depth: int) -> Formula:
    given = _arguments(name, value, {"of", "xy", "within"}, {"of", "xy"})
    xy = given["xy"]
    if not isinstance(xy, list | tuple) or len(xy) != 2:
        raise BadArgument(f"{name}: xy: {_short(xy)}; write xy: [x, y] in [m]")
    x, y = (_number(f"{name}: xy", v) for v in xy)
    within = _positive(f"{name}: within", given.get("within", AT_WITHIN))
    return At(_thing(name, given["of"], find), (x, y), within)


def _row(name: str, value: Any, find: Find, depth: int) -> Formula:
    if not isinstance(value, list | tuple) or len(value) < 2:
        raise BadArgument(f"{name}: {_short(value)}; write {name}: [x, y, z], two or more from left to right")
    things = tuple(_thing(name, v, find) for v in value)
    if len({t.index for t in things}) != len(things):
        raise BadArgument(f"{name}: {_short(value)} names a thing twice")
    return Row(things)


def _arguments(name: str, value: Any, known: set[str], required: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadArgument(f"{name}: {_short(value)}; write a mapping of {', '.join(sorted(known))}")
    for key in value:
        if key not in known:
            raise BadArgument(f"{name}: unknown {key!r}{nearest(str(key), known)}")
    for key in sorted(required):
        if key not in value:
            raise BadArgument(f"{name}: {key!r} is missing; add it")
    return value


def _thing(name: str, value: Any, find: Find) -> Thing:
    if isinstance(value, bool):  # as above
        raise BadArgument(f"{name}: YAML reads the id as {value}; put it in quotes")
    if not isinstance(value, str | int):
        raise BadArgument(f"{name}: {_short(value)} is no id")
    try:
        return Thing(str(value), find(str(value)))
    except UnknownObject as error:
        raise UnknownObject(f"{name}: {error}") from None


def _number(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadArgument(f"{where}: {value!r} is no finite number; write metres, such as 0.05")
    return float(value)


def _positive(where: str, value: Any) -> float:
    number = _number(where, value)
    if not number > 0:
        raise BadArgument(f"{where}: {number:g}; expected more than 0 m")
    return number


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_Reader = Callable[[str, Any, Find, int], Formula]
FORMULAS: Mapping[str, _Reader] = {
    "in": _pair(In),
    "rests_on": _pair(RestsOn),
    "on_table": _single(OnTable),
    "left_of": _pair(lambda x, y: Beside("left_of", x, y)),
    "right_of": _pair(lambda x, y: Beside("right_of", x, y)),
    "in_front_of": _pair(lambda x, y: Beside("in_front_of", x, y)),
    "behind": _pair(lambda x, y: Beside("behind", x, y)),
    "near": _pair(Near),
    "moved": _moved,
    "at": _at,
    "unmoved": _single(Unmoved),
    "row": _row,
    "exactly": _exactly,
    "all": _many(All),
    "any": _many(AnyOf),
    "not": _negation,
}
"""Every formula by its name in a file."""
