"""What a published family of long tabletop tasks is: a table, a sentence, and a formula that judges.

A family draws all three from a seed, in the form of a suite's file (docs/suites.md): nothing that planner or
policy see comes from here but the sentence, and the formula is judged by `sim.judging` alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from robots.skills import COLOURS
from sim.world.state import SIZES, ObjectSpec

Want = dict[str, Any]
"""A formula as a suite's file has it: {"in": ["x", "y"]}."""


@dataclass(frozen=True)
class Drawn:
    """One case.

    Attributes:
        things: what stands on the table, apart; `ids_of` names them.
        say: the sentence.
        other: a sentence that asks for something else on this table: the control "shuffled".
        want: what shall hold at the end.
        program: what the sentence means in the language of programs, for `planner=written`;
            "" = the language cannot say it.
    """

    things: tuple[ObjectSpec, ...]
    say: str
    other: str
    want: Want
    program: str = ""


class Family(Protocol):
    """One kind of task: one file in this folder, and its line in `FAMILIES`."""

    @property
    def name(self) -> str:
        """ "lohoravens_g"."""
        ...

    @property
    def summary(self) -> str:
        """The rule, and where it differs from the published one."""
        ...

    @property
    def wordings(self) -> tuple[str, ...]:
        """Every sentence, with {slots}."""
        ...

    def draw(self, rng: random.Random) -> Drawn:
        """A case; `rng` is the only source of chance."""
        ...


def ids_of(things: Sequence[ObjectSpec]) -> tuple[str, ...]:
    """Ids of the judge: "red_block_0", by the place in `things`."""
    return tuple(f"{o.colour}_{o.kind}_{k}" for k, o in enumerate(things))


def blocks(rng: random.Random, colours: Sequence[str], size: str = "") -> list[ObjectSpec]:
    """A block of each of `colours`, of a drawn size unless it is given."""
    return [ObjectSpec(colour, "block", size or rng.choice(SIZES)) for colour in colours]


def bowls(colours: Sequence[str], size: str = "large") -> list[ObjectSpec]:
    """A bowl of each of `colours`."""
    return [ObjectSpec(colour, "bowl", size) for colour in colours]


def other_colours(rng: random.Random, used: Sequence[str], n: int) -> list[str]:
    """`n` colours that are none of `used`."""
    return rng.sample([colour for colour in COLOURS if colour not in used], n)


def a(colour: str) -> str:
    """ "an orange", "a red"."""
    return f"an {colour}" if colour.startswith("o") else f"a {colour}"


def both(*wants: Want) -> Want:
    """All of `wants`."""
    return {"all": list(wants)}


def in_one_of(x: str, holders: Sequence[str]) -> Want:
    """`x` is in one of the bowls `holders`."""
    return {"any": [{"in": [x, y]} for y in holders]}


def in_none(x: str, holders: Sequence[str]) -> Want:
    """`x` is in none of the bowls `holders`."""
    return {"not": in_one_of(x, holders)}


def tower(ids: Sequence[str], *, fits: Sequence[tuple[str, str]] | None = None) -> Want:
    """`ids` are one tower on the table, in any order; one on another only as `fits` (upper, lower) lets."""
    pairs = [(x, y) for x in ids for y in ids if x != y] if fits is None else fits
    on = [{"rests_on": [x, y]} for x, y in pairs]
    single: list[Want] = []  # no two on one
    for y in ids:
        carried = [{"rests_on": [x, y]} for x, below in pairs if below == y]
        if len(carried) > 1:
            single.append({"any": [{"exactly": [0, carried]}, {"exactly": [1, carried]}]})
    standing = {"exactly": [1, [{"on_table": x} for x in ids]]}
    return both(standing, {"exactly": [len(ids) - 1, on]}, *single)
