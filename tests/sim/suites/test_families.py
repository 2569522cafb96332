"""Published families: tables that fit, goals that are not reached yet, sentences nobody was taught."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from sim.judging.formula import Moments
from sim.judging.ideal import Placement, carried_out
from sim.judging.parser import indices_of, parse
from sim.judging.snapshot import Snapshot, snapshot_of
from sim.suites.families import FAMILIES
from sim.suites.families.base import Drawn, ids_of, tower
from sim.suites.families.drawing import drawn_suite
from sim.suites.laying import lay
from sim.suites.loading import suite_of
from sim.suites.suite import Suite

EVERY = sorted(FAMILIES)


def drawn(name: str, n: int, seed: int = 7) -> Suite:
    return suite_of(drawn_suite([FAMILIES[name]], n, seed), name)


@pytest.mark.parametrize("name", EVERY)
def test_every_table_is_laid_as_it_was_drawn_and_its_goal_is_not_reached(name: str) -> None:
    suite = drawn(name, 12)
    assert [case.id for case in suite.cases] == [f"{name}-{k}" for k in range(12)]
    for case in suite.cases:
        table = suite.tables[case.table]
        scene = lay(table, 7, case.id)
        assert tuple(placed.yaw for placed in scene.objects) == table.yaw
        start = snapshot_of(scene)
        assert start.state.holder == (None,) * len(table.specs)
        assert case.want is not None and not case.want.holds(Moments(start, start))
        assert case.other and case.other != case.say


def test_a_case_is_the_same_whatever_stands_beside_it() -> None:
    alone = drawn_suite([FAMILIES["lohoravens_g"]], 3, 5)
    among = drawn_suite([FAMILIES["lohoravens_h"], FAMILIES["lohoravens_g"]], 2, 5)
    assert among["tables"]["lohoravens_g-1"] == alone["tables"]["lohoravens_g-1"]
    assert among["cases"][2:] == alone["cases"][:2]
    assert drawn_suite([FAMILIES["lohoravens_g"]], 1, 6)["cases"] != alone["cases"][:1]


@pytest.mark.parametrize("name", EVERY)
def test_every_wording_is_said(name: str) -> None:
    family = FAMILIES[name]
    said = {family.draw(random.Random(seed)).say for seed in range(400)}
    beginnings = [wording.split("{")[0] for wording in family.wordings]
    assert all(any(one.startswith(begin) for one in said) for begin in beginnings)
    assert len({one.casefold() for one in family.wordings}) == len(family.wordings) >= 5
    assert not any("{" in one for one in said)


def judged(case: Drawn, held: Mapping[int, int], start: Snapshot) -> bool:
    """Whether the goal holds once each thing k was put in or on `held[k]`, in this order."""
    end = start
    for what, onto in held.items():
        end = carried_out(end, Placement(what, onto))
    formula = parse(case.want, indices_of({id: k for k, id in enumerate(ids_of(case.things))}))
    return formula.holds(Moments(start, end))


def table_of(name: str, seed: int) -> tuple[Drawn, Snapshot]:
    case = FAMILIES[name].draw(random.Random(seed))
    data = drawn_suite([_Only(case)], 1, seed)
    suite = suite_of(data, name)
    return case, snapshot_of(lay(suite.tables["only-0"], seed, "only-0"))


class _Only:
    """A family of one case."""

    name, summary, wordings = "only", "", ()

    def __init__(self, case: Drawn) -> None:
        self._case = case

    def draw(self, rng: random.Random) -> Drawn:
        return self._case


@pytest.mark.parametrize("seed", range(12))
def test_towers_of_one_size_are_judged_as_such(seed: int) -> None:
    case, start = table_of("lohoravens_g", seed)
    sizes = {size: [k for k, o in enumerate(case.things) if (o.kind, o.size) == ("block", size)]
             for size in ("small", "large")}  # fmt: skip
    rng = random.Random(seed)
    chains = [rng.sample(rows, len(rows)) for rows in sizes.values()]
    held = {upper: lower for chain in chains for lower, upper in zip(chain, chain[1:], strict=False)}
    assert judged(case, held, start)
    last = chains[0][-1]
    assert not judged(case, {k: v for k, v in held.items() if k != last}, start)  # one is left over
    mixed = [*chains[1], *chains[0]]
    assert not judged(case, dict(zip(mixed[1:], mixed, strict=False)), start)  # one tower of all


@pytest.mark.parametrize("seed", range(12))
def test_neighbours_of_one_colour_are_no_alternating_tower(seed: int) -> None:
    case, start = table_of("lohoravens_h", seed)
    rows = [k for k, o in enumerate(case.things) if o.kind == "block"]
    assert judged(case, dict(zip(rows[1:], rows, strict=False)), start)
    by_colour = sorted(rows, key=lambda k: case.things[k].colour)
    assert not judged(case, dict(zip(by_colour[1:], by_colour, strict=False)), start)


@pytest.mark.parametrize("seed", range(12))
def test_all_blocks_into_their_bowls_is_not_the_rule_of_even_ones(seed: int) -> None:
    case, start = table_of("lohoravens_e", seed)
    things = case.things
    bowl = {o.colour: k for k, o in enumerate(things) if o.kind == "bowl"}
    of = {c: [k for k, o in enumerate(things) if (o.kind, o.colour) == ("block", c)] for c in bowl}
    even = {k: bowl[c] for c, rows in of.items() if len(rows) % 2 == 0 for k in rows}
    assert judged(case, even, start)
    assert not judged(case, {k: bowl[c] for c, rows in of.items() for k in rows}, start)


def test_two_on_one_are_no_tower() -> None:
    fits = tower(["a", "b", "c"])
    assert {"exactly": [2, [{"rests_on": [x, y]} for x in "abc" for y in "abc" if x != y]]} in fits["all"]
    single = [one for one in fits["all"] if "any" in one]
    assert len(single) == 3 and all(one["any"][1]["exactly"][0] == 1 for one in single)
