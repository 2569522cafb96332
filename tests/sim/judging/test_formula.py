"""Each formula is true of the tables it describes and false of those that are just off."""

from __future__ import annotations

import numpy as np
import pytest

from sim.judging.formula import Moments
from sim.judging.judge import verdict
from sim.judging.parser import indices_of, parse
from sim.judging.snapshot import Snapshot
from tests.sim.judging.tables import IDS, mirrored, moments, shifted, table

IN_BLUE = (0.50, 0.22, "B")
LINE = {"r": (0.66, -0.1, None), "p": (0.66, 0.0, None), "R": (0.66, 0.1, None)}


def holds(data, changes=None, held=None):
    return parse(data, indices_of(IDS)).holds(moments(changes, held))


@pytest.mark.parametrize(
    ("data", "changes", "expected"),
    [
        # in
        ({"in": ["r", "B"]}, None, False),
        ({"in": ["r", "B"]}, {"r": IN_BLUE}, True),
        ({"in": ["r", "G"]}, {"r": IN_BLUE}, False),
        ({"in": ["p", "B"]}, {"g": IN_BLUE, "p": (0.50, 0.22, "g")}, True),  # on what is in it
        ({"in": ["r", "B"]}, {"r": (0.50, 0.30, None)}, False),  # beside it
        # rests_on
        ({"rests_on": ["p", "g"]}, None, True),
        ({"rests_on": ["g", "p"]}, None, False),
        ({"rests_on": ["r", "g"]}, {"r": (0.45, 0.02, "p")}, False),  # on the block on it
        ({"rests_on": ["r", "p"]}, {"r": (0.45, 0.02, "p")}, True),
        ({"rests_on": ["r", "B"]}, {"r": IN_BLUE}, True),
        # on_table
        ({"on_table": "r"}, None, True),
        ({"on_table": "p"}, None, False),
        ({"on_table": "r"}, {"r": IN_BLUE}, False),
        ({"on_table": "B"}, None, True),
        # sides: left is smaller y, behind is smaller x
        ({"left_of": ["r", "R"]}, None, True),
        ({"right_of": ["r", "R"]}, None, False),
        ({"right_of": ["R", "r"]}, None, True),
        ({"left_of": ["r", "R"]}, {"r": (0.40, 0.0399, None)}, True),
        ({"left_of": ["r", "R"]}, {"r": (0.40, 0.04, None)}, True),
        ({"left_of": ["r", "R"]}, {"r": (0.40, 0.041, None)}, False),
        ({"behind": ["r", "R"]}, None, True),
        ({"in_front_of": ["R", "r"]}, None, True),
        ({"in_front_of": ["r", "R"]}, None, False),
        ({"behind": ["r", "R"]}, {"r": (0.611, 0.05, None)}, False),
        ({"behind": ["r", "R"]}, {"r": (0.61, 0.05, None)}, True),
        ({"in_front_of": ["r", "R"]}, {"r": (0.63, 0.05, None)}, True),
        ({"in_front_of": ["r", "R"]}, {"r": (0.629, 0.05, None)}, False),
        ({"right_of": ["r", "R"]}, {"r": (0.40, 0.06, None)}, True),
        ({"right_of": ["r", "R"]}, {"r": (0.40, 0.059, None)}, False),
        # near
        ({"near": ["r", "c"]}, None, False),
        ({"near": ["r", "c"]}, {"r": (0.52, -0.15, None)}, True),
        ({"near": ["r", "c"]}, {"r": (0.52, -0.149, None)}, False),
        ({"near": ["c", "r"]}, {"r": (0.52, -0.15, None)}, True),
        ({"near": ["p", "g"]}, None, True),
        # moved
        ({"moved": {"of": "R", "right": 0.10, "within": 0.02}}, {"R": (0.62, 0.15, None)}, True),
        ({"moved": {"of": "R", "right": 0.10, "within": 0.02}}, {"R": (0.62, 0.171, None)}, False),
        ({"moved": {"of": "R", "left": 0.10, "within": 0.02}}, {"R": (0.62, 0.15, None)}, False),
        ({"moved": {"of": "R", "left": 0.10, "within": 0.02}}, {"R": (0.62, -0.05, None)}, True),
        ({"moved": {"of": "R", "right": 0.10, "within": 0.02}}, {"R": (0.40, 0.15, None)}, True),
        ({"moved": {"of": "R", "right": 0.1, "away": 0.0, "within": 0.02}}, {"R": (0.40, 0.15, None)}, False),
        ({"moved": {"of": "R", "away": 0.12, "within": 0.02}}, {"R": (0.50, 0.05, None)}, True),
        ({"moved": {"of": "R", "toward": 0.12, "within": 0.02}}, {"R": (0.50, 0.05, None)}, False),
        ({"moved": {"of": "R", "toward": -0.12, "within": 0.02}}, {"R": (0.50, 0.05, None)}, True),
        ({"moved": {"of": "R", "right": 0.1, "toward": 0.1}}, {"R": (0.72, 0.15, None)}, True),
        ({"moved": {"of": "R", "right": 0.10, "away": 0.0, "within": 0.02}}, {"R": (0.62, 0.17, None)}, True),
        ({"moved": {"of": "R", "right": 0.10, "away": 0.0, "within": 0.02}}, {"R": (0.64, 0.15, None)}, True),
        ({"moved": {"of": "R", "right": 0.1, "away": 0, "within": 0.02}}, {"R": (0.635, 0.165, None)}, False),
        # at
        ({"at": {"of": "r", "xy": [0.5, 0.0], "within": 0.04}}, {"r": (0.5, 0.041, None)}, False),
        ({"at": {"of": "r", "xy": [0.40, -0.20]}}, None, True),
        ({"at": {"of": "r", "xy": [0.40, -0.20], "within": 0.01}}, {"r": (0.40, -0.211, None)}, False),
        ({"at": {"of": "r", "xy": [0.5, 0.0], "within": 0.04}}, {"r": (0.5, 0.04, None)}, True),
        # unmoved
        ({"unmoved": "r"}, None, True),
        ({"unmoved": "r"}, {"r": (0.40, -0.18, None)}, True),
        ({"unmoved": "r"}, {"r": (0.40, -0.179, None)}, False),
        ({"unmoved": "p"}, {"p": (0.45, 0.06, None)}, False),
        ({"unmoved": "p"}, {"g": (0.46, 0.03, None), "p": (0.46, 0.03, "g")}, True),  # with what it rests on
        ({"unmoved": "c"}, {"G": (0.52, -0.24, None), "c": (0.52, -0.24, "G")}, False),  # now in a bowl
        # row
        ({"row": ["r", "p", "R"]}, LINE, True),
        ({"row": ["r", "R", "p"]}, LINE, False),
        ({"row": ["r", "p", "R"]}, {**LINE, "p": (0.73, 0.0, None)}, False),  # off the line
        ({"row": ["r", "p", "R"]}, {**LINE, "r": (0.62, -0.1, None), "R": (0.70, 0.1, None)}, True),
        ({"row": ["r", "p", "R"]}, {**LINE, "p": (0.7, 0.0, None)}, True),  # 2 cm from a line between
        ({"row": ["r", "p", "R"]}, {**LINE, "p": (0.701, 0.0, None)}, False),
        ({"row": ["r", "p", "R"]}, {**LINE, "r": (0.66, -0.03, None)}, True),  # 3 cm from the next
        ({"row": ["r", "p", "R"]}, {**LINE, "r": (0.66, -0.029, None)}, False),
        ({"row": ["r", "p", "R"]}, {**LINE, "r": (0.63, -0.001, None)}, True),  # 3 cm, hardly to the left
        ({"row": ["r", "p", "R"]}, {**LINE, "r": (0.60, 0.0, None)}, False),  # not to the left
        ({"row": ["r", "p", "R"]}, {**LINE, "p": (0.66, -0.075, None)}, False),  # nearer than 3 cm
        ({"row": ["r", "p", "R"]}, {"r": (0.40, -0.2, None), "R": (0.49, 0.21, None)}, False),  # p on g
        # joined
        ({"exactly": [1, [{"in": ["r", "B"]}, {"in": ["R", "B"]}]]}, {"r": IN_BLUE}, True),
        ({"exactly": [1, [{"in": ["r", "B"]}, {"in": ["c", "G"]}]]}, None, False),
        ({"exactly": [0, [{"in": ["r", "B"]}, {"in": ["c", "G"]}]]}, None, True),
        ({"exactly": [2, [{"on_table": "r"}, {"on_table": "R"}, {"on_table": "c"}]]}, None, False),
        ({"all": [{"on_table": "r"}, {"rests_on": ["p", "g"]}]}, None, True),
        ({"all": [{"on_table": "r"}, {"rests_on": ["p", "r"]}]}, None, False),
        ({"any": [{"on_table": "p"}, {"rests_on": ["p", "g"]}]}, None, True),
        ({"any": [{"on_table": "p"}, {"rests_on": ["p", "r"]}]}, None, False),
        ({"not": {"in": ["r", "B"]}}, None, True),
    ],
)  # fmt: skip
def test_a_formula_is_true_of_what_it_says_and_of_nothing_else(data, changes, expected):
    assert holds(data, changes) is expected
    assert holds({"not": data}, changes) is not expected
    assert holds({"not": {"not": data}}, changes) is expected
    assert holds({"all": [data]}, changes) is expected and holds({"any": [data]}, changes) is expected
    assert holds({"exactly": [1, [data]]}, changes) is expected


def random_moments(seed):
    rng = np.random.default_rng(seed)
    names = [n for n in IDS if n not in ("B", "G")]
    spread = lambda: (float(rng.uniform(0.35, 0.7)), float(rng.uniform(-0.3, 0.3)), None)  # noqa: E731
    first = table({n: spread() for n in names})
    second = table({n: (*first.positions[IDS[n], :2] + rng.normal(0, 0.03, 2), None) for n in names})
    return Moments(first, second)


FORMULAS = [
    {"in": ["r", "B"]}, {"rests_on": ["p", "g"]}, {"on_table": "r"}, {"left_of": ["r", "R"]},
    {"right_of": ["r", "R"]}, {"in_front_of": ["r", "R"]}, {"behind": ["r", "R"]}, {"near": ["r", "c"]},
    {"moved": {"of": "r", "right": 0.02, "toward": 0.0}}, {"unmoved": "g"}, {"row": ["r", "g", "R"]},
    {"row": ["c", "p"]}, {"exactly": [1, [{"left_of": ["r", "g"]}, {"left_of": ["R", "g"]}]]},
]  # fmt: skip
SWAPPED = {"left_of": "right_of", "right_of": "left_of"}


@pytest.mark.parametrize("seed", range(20))
def test_a_moved_table_changes_nothing_and_a_mirrored_one_exchanges_left_and_right(seed):
    find, at = indices_of(IDS), random_moments(seed)
    aside = Moments(*(shifted(s, (0.03, -0.05, 0)) for s in (at.start, at.end)))
    turned = Moments(mirrored(at.start), mirrored(at.end))
    for data in FORMULAS:
        formula = parse(data, find)
        assert formula.holds(at) == formula.holds(aside), data
        (name, value), *_ = data.items()
        if name in SWAPPED:
            assert formula.holds(at) == parse({SWAPPED[name]: value}, find).holds(turned)
            opposite = parse({SWAPPED[name]: value[::-1]}, find)
            assert formula.holds(at) == opposite.holds(at)
        if name == "row":
            assert formula.holds(at) == parse({"row": value[::-1]}, find).holds(turned)
        if name in ("near", "on_table", "unmoved", "in"):
            assert formula.holds(at) == formula.holds(turned)


@pytest.mark.parametrize("seed", range(10))
def test_joined_formulas_keep_the_laws_of_logic(seed):
    find, at = indices_of(IDS), random_moments(seed)
    for a in FORMULAS:
        for b in FORMULAS:
            said = lambda data: parse(data, find).holds(at)  # noqa: E731
            assert said({"not": {"all": [a, b]}}) == said({"any": [{"not": a}, {"not": b}]})
            assert said({"exactly": [2, [a, b]]}) == said({"all": [a, b]})
            assert said({"exactly": [0, [a, b]]}) == said({"not": {"any": [a, b]}})
            counts = [said({"exactly": [n, [a, b]]}) for n in range(3)]
            assert sum(counts) == 1


def test_what_is_held_is_neither_on_the_table_nor_in_a_bowl_nor_left_alone():
    assert not holds({"on_table": "r"}, held="r")
    assert not holds({"in": ["r", "B"]}, {"r": IN_BLUE}, held="r")
    assert not holds({"unmoved": "r"}, held="r")


def test_a_goal_is_only_reached_once_the_gripper_has_let_go():
    formula = parse({"in": ["r", "B"]}, indices_of(IDS))
    assert verdict(formula, moments({"r": IN_BLUE})).holds
    holding = verdict(formula, moments({"r": IN_BLUE}, held="c"))
    assert not holding.holds and holding.failures == ("the gripper holds the orange cylinder",)


def test_a_thing_beyond_the_table_is_not_on_it():
    fallen = table()
    at = fallen.positions.copy()
    at[IDS["r"], 2] = -0.3
    end = Snapshot(fallen.specs, at, fallen.quats_xyzw)
    assert not parse({"on_table": "r"}, indices_of(IDS)).holds(Moments(table(), end))


def test_leave_adds_unmoved_and_the_failures_say_which_part_is_false():
    formula = parse({"in": ["r", "B"]}, indices_of(IDS), ["R", "c"])
    found = verdict(formula, moments({"R": (0.62, 0.10, None)}))
    assert found.failures == ("in: [r, B]", "unmoved: R")
    assert verdict(formula, moments({"r": IN_BLUE})).holds


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_position_that_is_not_finite_is_refused(bad):
    good = table()
    at = good.positions.copy()
    at[0, 0] = bad
    with pytest.raises(ValueError, match="all finite"):
        Snapshot(good.specs, at, good.quats_xyzw)
