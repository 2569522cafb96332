"""Whatever is wrong with a formula or a goal file is named, with the closest legal form."""

from __future__ import annotations

import pytest
import yaml

from sim.judging.errors import BadArgument, BadFormula, BadGoalFile, UnknownFormula, UnknownObject
from sim.judging.goal_file import GoalFile
from sim.judging.parser import FORMULAS, indices_of, parse
from tests.sim.judging.tables import IDS, moments, table

FIND = indices_of(IDS)

BAD = [
    ({"inn": ["r", "B"]}, UnknownFormula, "did you mean 'in'"),
    ({"rest_on": ["r", "g"]}, UnknownFormula, "did you mean 'rests_on'"),
    ({"leftof": ["r", "g"]}, UnknownFormula, "did you mean 'left_of'"),
    ({"and": [{"on_table": "r"}]}, UnknownFormula, "There are all, any"),
    ({True: "r"}, UnknownFormula, "in quotes"),
    ({}, BadArgument, "one key"),
    ({"in": ["r", "B"], "on_table": "r"}, BadArgument, "one key"),
    (None, BadArgument, "no formula"),
    ("in", BadArgument, "no formula"),
    ([], BadArgument, "no formula"),
    (3.5, BadArgument, "no formula"),
    ({"in": ["r"]}, BadArgument, r"write in: \[x, y\]"),
    ({"in": ["r", "B", "G"]}, BadArgument, r"write in: \[x, y\]"),
    ({"in": "r"}, BadArgument, r"write in: \[x, y\]"),
    ({"in": {"x": "r", "y": "B"}}, BadArgument, r"write in: \[x, y\]"),
    ({"in": ["r", "r"]}, BadArgument, "one thing twice"),
    ({"in": ["r", "Q"]}, UnknownObject, "no object 'Q'"),
    ({"in": ["r", None]}, BadArgument, "no id"),
    ({"in": ["r", 1.5]}, BadArgument, "no id"),
    ({"in": ["r", True]}, BadArgument, "in quotes"),
    ({"on_table": ["r"]}, BadArgument, "no id"),
    ({"unmoved": None}, BadArgument, "no id"),
    ({"moved": "r"}, BadArgument, "write a mapping"),
    ({"moved": {"right": 0.1}}, BadArgument, "'of' is missing"),
    ({"moved": {"of": "r"}}, BadArgument, "how far"),
    ({"moved": {"of": "r", "right": 0.1, "left": 0.1}}, BadArgument, "exclude each other"),
    ({"moved": {"of": "r", "away": 0.1, "toward": 0.1}}, BadArgument, "exclude each other"),
    ({"moved": {"of": "r", "rigth": 0.1}}, BadArgument, "did you mean 'right'"),
    ({"moved": {"of": "r", "right": "0.1"}}, BadArgument, "finite number"),
    ({"moved": {"of": "r", "right": float("nan")}}, BadArgument, "finite number"),
    ({"moved": {"of": "r", "right": True}}, BadArgument, "finite number"),
    ({"moved": {"of": "r", "right": 0.1, "within": 0}}, BadArgument, "more than 0"),
    ({"moved": {"of": "r", "right": 0.1, "within": float("nan")}}, BadArgument, "finite number"),
    ({"at": {"of": "r"}}, BadArgument, "'xy' is missing"),
    ({"at": {"of": "r", "xy": [0.5]}}, BadArgument, r"xy: \[x, y\]"),
    ({"at": {"of": "r", "xy": [0.5, float("inf")]}}, BadArgument, "finite number"),
    ({"at": {"of": "r", "xy": [0.5, 0.0], "within": -1}}, BadArgument, "more than 0"),
    ({"row": ["r"]}, BadArgument, "two or more"),
    ({"row": ["r", "r"]}, BadArgument, "twice"),
    ({"row": "r"}, BadArgument, "two or more"),
    ({"exactly": [1]}, BadArgument, "write exactly"),
    ({"exactly": [[{"on_table": "r"}], 1]}, BadArgument, "at least one formula"),
    ({"exactly": [3, [{"on_table": "r"}]]}, BadArgument, "whole number"),
    ({"exactly": [-1, [{"on_table": "r"}]]}, BadArgument, "whole number"),
    ({"exactly": [True, [{"on_table": "r"}]]}, BadArgument, "whole number"),
    ({"exactly": [1.0, [{"on_table": "r"}]]}, BadArgument, "whole number"),
    ({"all": []}, BadArgument, "at least one formula"),
    ({"any": {"on_table": "r"}}, BadArgument, "at least one formula"),
    ({"all": [{"on_tabel": "r"}]}, UnknownFormula, "did you mean 'on_table'"),
    ({"not": [{"on_table": "r"}]}, BadArgument, "no formula"),
    ({"not": None}, BadArgument, "no formula"),
]


@pytest.mark.parametrize(("data", "error", "message"), BAD)
def test_what_is_wrong_with_a_formula_is_named(data, error, message):
    with pytest.raises(error, match=message) as caught:
        parse(data, FIND)
    assert isinstance(caught.value, BadFormula)


def test_a_formula_nested_without_end_is_refused():
    data = {"on_table": "r"}
    for _ in range(2000):
        data = {"not": data}
    with pytest.raises(BadArgument, match="nested"):
        parse(data, FIND)


@pytest.mark.parametrize("leave", ["r", 3, {"r": 1}, None])
def test_leave_is_a_list_of_ids(leave):
    with pytest.raises(BadArgument, match="leave"):
        parse({"on_table": "r"}, FIND, leave)


def test_every_formula_of_the_suite_is_known():
    assert set(FORMULAS) == {
        "in", "rests_on", "on_table", "left_of", "right_of", "in_front_of", "behind", "near", "moved", "at",
        "unmoved", "row", "exactly", "all", "any", "not",
    }  # fmt: skip


def goal(tmp_path, text):
    path = tmp_path / "goal.yaml"
    path.write_text(text, encoding="utf-8")
    return GoalFile.read(path)


@pytest.mark.parametrize(
    "text",
    [
        "want: {in: [green block, blue bowl]}",
        "want: {in: [green_block, Blue Bowl]}",
        "want: {in: [g, B]}\nobjects:\n  g: green block\n  B: {kind: bowl, colour: blue}",
        "want: {in: [g, B]}\nobjects:\n  g: {index: 2}\n  B: {kind: bowl, at: [0.5, 0.22]}",
        "schema: 1\nwant: {in: [g, B]}\nobjects:\n  g: {kind: block, at: [0.46, 0.03], colour: green}\n"
        "  p: {rests_on: g}\n  B: large blue bowl",
    ],
)
def test_an_id_or_a_name_singles_out_one_thing(tmp_path, text):
    formula = goal(tmp_path, text).on(table())
    assert formula.holds(moments({"g": (0.50, 0.22, "B")})) and not formula.holds(moments())


def test_two_things_of_one_name_are_told_apart_by_size_or_place(tmp_path):
    text = "want: {in: [mine, blue bowl]}\nobjects:\n  mine: {colour: red, kind: block, size: large}"
    formula = goal(tmp_path, text).on(table())
    assert formula.holds(moments({"R": (0.50, 0.22, "B")})) and not formula.holds(
        moments({"r": (0.50, 0.22, "B")})
    )
    assert (
        goal(tmp_path, "want: {in: [small red block, blue bowl]}")
        .on(table())
        .holds(moments({"r": (0.50, 0.22, "B")}))
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping"),
        ("[1, 2]", "expected a mapping"),
        ("want: {in: [a", "not YAML"),
        ("goal: {in: [red block, blue bowl]}", "unknown key 'goal'"),
        ("leave: [r]", "'want' is missing"),
        ("want: {in: [red block, blue bowl]}", "'red block' is 2 things"),
        ("want: {in: [pink block, blue bowl]}", "nothing on this table is called 'pink block'"),
        ("want: {in: [gren block, blue bowl]}", "did you mean 'green block'"),
        ("want: {inn: [green block, blue bowl]}", "did you mean 'in'"),
        ("want: {on_table: g}\nobjects: {g: {colour: gren}}", "did you mean 'green'"),
        ("want: {on_table: g}\nobjects: {g: {color: green}}", "did you mean 'colour'"),
        ("want: {on_table: g}\nobjects: {g: {kind: block, at: [0.9, 0.9]}}", "nothing on this table fits"),
        ("want: {on_table: g}\nobjects: {g: {kind: block, at: [0.9]}}", "write \\[x, y\\]"),
        ("want: {on_table: g}\nobjects: {g: {index: 7}}", "expected 0 to 6"),
        ("want: {on_table: g}\nobjects: {g: {index: true}}", "expected 0 to 6"),
        ("want: {on_table: g}\nobjects: {g: {rests_on: g}}", "described by itself"),
        ("want: {on_table: g}\nobjects: {g: 3}", "or a name"),
        ("want: {on_table: a}\nobjects: {a: green block, b: green block}", "the same thing"),
        ("want: {on_table: 'no'}\nobjects: {no: green block}", "in quotes"),
        ("schema: 2\nwant: {on_table: green block}", "schema 2"),
        ("want: {on_table: green block}\nleave: green block", "leave is a list"),
        ("want: {on_table: green block}\nleave: [gren block]", "did you mean 'green block'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_goal_file_is_named(tmp_path, text, message):
    with pytest.raises(BadGoalFile, match=message) as caught:
        goal(tmp_path, text).on(table())
    assert "goal.yaml" in str(caught.value)


def test_the_formulas_of_a_suite_are_read_as_yaml_gives_them():
    text = """
    - {in: [r, B]}
    - {all: [{in: [g, B]}, {in: [p, B]}, {in: [c, B]}]}
    - {all: [{at: {of: c, xy: [0.40, -0.20], within: 0.04}}, {at: {of: r, xy: [0.52, -0.24], within: 0.04}}]}
    - {moved: {of: R, right: 0.10, away: 0.0, within: 0.03}}
    - {row: [r, p, R]}
    - {exactly: [2, [{in: [r, G]}, {in: [R, G]}, {in: [c, G]}]]}
    - {not: {any: [{left_of: [r, R]}, {near: [p, g]}]}}
    """
    for data in yaml.safe_load(text):
        formula = parse(data, FIND)
        again = parse(yaml.safe_load(f"{{{formula}}}"), FIND)
        assert again == formula  # what is printed is read as the same
