"""A table for a program: what it names, so that there is something to act on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from palme.language.programs.calls import Program
from palme.language.programs.things import Noun, Things
from sim.tasks.table import Table
from sim.world.state import SIZES, SceneState

MANY = 2
"""Things of a kind where a program is about several."""


def state_for(
    program: Program, n_distractors: int, kinds: tuple[str, ...], draw: random.Random
) -> SceneState:
    """What stands on a table for `program`, and what rests on what.

    Args:
        program: what it names is there: once, or `MANY` times where it is about several.
        n_distractors: other things of `kinds`, fewer if the table is full.
        kinds: of other things.
        draw: every draw comes from it.
    """
    table = Table(draw)
    named: set[tuple[str, str, str | None]] = set()
    for noun, several in _nouns(program):
        kind = noun.kind if noun.kind in ("block", "cylinder", "bowl") else "block"
        if (noun.colour or "", kind, noun.size) in named:
            continue
        named.add((noun.colour or "", kind, noun.size))
        for _ in range(MANY if several else 1):
            if noun.colour is None:
                added = table.add_new(kind)
            else:
                added = table.add(noun.colour, kind)
            if added is not None and noun.size is not None:
                table.sizes[added] = noun.size
            elif added is not None and several:
                table.sizes[added] = draw.choice(SIZES)
    for bowl in table.indices("bowl"):
        if solids := table.indices("block", "cylinder"):
            table.reserved[bowl] = solids[0]
    table.add_distractors(n_distractors, kinds)
    solids = table.indices("block", "cylinder")
    draw.shuffle(solids)
    table.scatter(solids, p_bowl=0.2, p_on=0.2)
    return table.state()


def _nouns(part: object, several: bool = False) -> Iterator[tuple[Noun, bool]]:
    """Every noun of a program, and whether several such things are meant."""
    if isinstance(part, Things):
        several = part.quantifier in ("all", "each", "half") or (
            isinstance(part.quantifier, int) and part.quantifier > 1
        )
    if isinstance(part, Noun):
        yield part, several
    if isinstance(part, tuple):
        for one in part:
            yield from _nouns(one, several)
    elif is_dataclass(part) and not isinstance(part, type):
        for one in fields(part):
            yield from _nouns(getattr(part, one.name), several and isinstance(part, Things))
