"""Whatever is wrong with a suite is said in one sentence that names the place; what is right is read."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.judging.parser import FORMULAS
from sim.suites.errors import BadSuite
from sim.suites.loading import read_suite, suite_of

GOOD: dict[str, Any] = {
    "schema": 1,
    "tables": {
        "t": {
            "a": {"kind": "block", "colour": "red", "size": "small", "at": [0.45, 0.10]},
            "b": {"kind": "block", "colour": "red", "rests_on": "a"},
            "g": {"kind": "bowl", "colour": "green", "at": [0.50, 0.22]},
            "c": {"kind": "cylinder", "colour": "blue", "size": "small", "in": "g"},
        },
        "u": {"a": {"kind": "block", "colour": "pink", "at": [0.5, 0.0]}},
    },
    "cases": [
        {"id": "one", "category": "x", "table": "t", "say": "into it", "want": {"in": ["a", "g"]},
         "leave": ["c"]},
        {"id": "two", "category": "y", "table": "u", "say": "how many?", "answer": ["1", "one"]},
        {"id": "three", "category": "y", "table": "t", "say": "coffee", "refuse": True},
    ],
}  # fmt: skip


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    data = copy.deepcopy(GOOD)
    change(data)
    return data


def thing(id: str, **keys: Any) -> Callable[[dict[str, Any]], Any]:
    """Change a thing of table t; None takes a key away."""

    def change(data: dict[str, Any]) -> None:
        told = data["tables"]["t"].setdefault(id, {})
        told.update(keys)
        for key in [key for key, value in told.items() if value is None]:
            del told[key]

    return change


def case(k: int, **keys: Any) -> Callable[[dict[str, Any]], Any]:
    def change(data: dict[str, Any]) -> None:
        data["cases"][k].update(keys)
        for key in [key for key, value in data["cases"][k].items() if value is None]:
            del data["cases"][k][key]

    return change


def top(**keys: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda data: data.update(keys)


FAULTS: list[tuple[Callable[[dict[str, Any]], Any], tuple[str, ...]]] = [
    # the file
    (top(schema=2), ("schema 2", "schema 1")),
    (top(schema=True), ("schema True",)),
    (lambda d: d.pop("schema"), ("'schema' is missing",)),
    (lambda d: d.pop("tables"), ("'tables' is missing",)),
    (lambda d: d.pop("cases"), ("'cases' is missing",)),
    (top(cases=[]), ("cases: expected a list",)),
    (top(cases={"id": 1}), ("cases: expected a list",)),
    (top(tables={}), ("tables: expected a mapping",)),
    (top(tables=[1]), ("tables: expected a mapping",)),
    (top(tabels={}), ("unknown key 'tabels'", "'tables'")),
    # looks
    (thing("a", kind="blok"), ("t: a: kind 'blok'", "'block'")),
    (thing("a", kind=None), ("t: a: kind is missing",)),
    (thing("g", colour="gren"), ("t: g: colour 'gren'", "'green'")),
    (thing("g", colour=None), ("t: g: colour is missing",)),
    (thing("c", size="medium"), ("t: c: size 'medium'", "large, small")),
    (thing("c", size=3), ("t: c: size 3",)),
    (thing("c", weight=3), ("t: c: unknown key 'weight'",)),
    (lambda d: d["tables"]["t"].update(a="red block"), ("t: a: 'red block'",)),
    (lambda d: d["tables"].update(t={}), ("tables: t: {}",)),
    (lambda d: d["tables"].update(t=[1, 2]), ("tables: t: [1, 2]",)),
    # places
    (thing("a", at=[0.9, 0.0]), ("t: a: at [0.9, 0]", "outside the table")),
    (thing("a", at=[0.5, -0.5]), ("outside the table",)),
    (thing("a", at=[float("nan"), 0.0]), ("outside the table",)),
    (thing("a", at=[0.5]), ("t: a: at: [0.5]", "[x, y]")),
    (thing("a", at="left"), ("t: a: at: 'left'",)),
    (thing("a", at=[True, 0.1]), ("t: a: at: [True, 0.1]",)),
    (thing("a", at=None), ("t: a: says nothing of where it is",)),
    (thing("a", **{"in": "g"}), ("t: a: says at and in",)),
    (thing("b", rests_on="z"), ("t: b: rests_on: no thing 'z'",)),
    (thing("c", **{"in": "bowl"}), ("t: c: in: no thing 'bowl'",)),
    (thing("c", **{"in": "a"}), ("t: c: in: a is a block", "rests_on: a")),
    (thing("b", rests_on="g"), ("t: b: rests_on: g is a bowl", "in: g")),
    (thing("b", rests_on="b"), ("t: b: rests_on: it cannot be", "itself")),
    (thing("g", at=None, **{"rests_on": "a"}), ("t: g: rests_on: bowls stand on the table",)),
    (thing("a", at=None, rests_on="b"), ("ring", "a", "b")),
    (lambda d: [thing("a", at=None, rests_on="x")(d),
                thing("x", kind="block", colour="blue", rests_on="b")(d)], ("ring",)),
    (thing("x", kind="block", colour="blue", rests_on="a"), ("t: a: it cannot hold b, x",)),
    (lambda d: [thing(f"x{k}", kind="block", colour="blue", **{"in": "g"})(d) for k in range(6)],
     ("t: g: it cannot hold",)),
    (thing("x", kind="block", colour="blue", at=[0.46, 0.11]), ("a and x are at one place",)),
    (thing("x", kind="bowl", colour="blue", at=[0.50, 0.14]), ("at one place",)),
    (lambda d: [thing(f"x{k}", kind="block", colour="blue", at=[0.3 + 0.01 * k, 0.0])(d) for k in range(40)],
     ("44 things",)),
    # cases
    (case(0, id=None), ("cases: number 1: id: None",)),
    (case(0, id=""), ("cases: number 1: id: ''",)),
    (case(1, id="one"), ("cases: one: two cases have this id",)),
    (case(0, category=None), ("cases: one: category: None",)),
    (case(0, table=None), ("cases: one: table: None",)),
    (case(0, table="T"), ("cases: one: no table 'T'",)),
    (case(0, say=None), ("cases: one: say: None",)),
    (case(0, say="  "), ("cases: one: say: '  '",)),
    (case(0, say=3), ("cases: one: say: 3",)),
    (case(0, say="a\x00b"), ("cases: one: say: character 2",)),
    (case(0, say="a" * 2000), ("cases: one: say: 2000 characters",)),
    (case(0, want=None), ("cases: one: says nothing of what is right",)),
    (case(0, refuse=True), ("cases: one: says want and refuse",)),
    (case(1, want={"on_table": "a"}), ("cases: two: says want and answer",)),
    (case(2, refuse=False), ("cases: three: refuse: False",)),
    (case(2, refuse="yes"), ("cases: three: refuse: 'yes'",)),
    (case(1, answer=[]), ("cases: two: answer: []",)),
    (case(1, answer="two"), ("cases: two: answer: 'two'", "list")),
    (case(1, answer=[""]), ("cases: two: answer: ''",)),
    (case(1, answer=[True]), ("cases: two: answer: True", "quotes")),
    (case(1, answer=[["2"]]), ("cases: two: answer: ['2']",)),
    (case(0, wants={}), ("cases: one: unknown key 'wants'", "'want'")),
    (lambda d: d["cases"].append("put it there"), ("cases: number 4: 'put it there'",)),
    # formulas
    (case(0, want={"inn": ["a", "g"]}), ("cases: one: no formula 'inn'", "'in'")),
    (case(0, want={"in": ["a", "z"]}), ("cases: one: in: no object 'z'",)),
    (case(0, want={"in": ["a"]}), ("cases: one: in: ['a']",)),
    (case(0, want={}), ("cases: one: {} is no formula",)),
    (case(0, want={"in": ["a", "g"], "on_table": "c"}), ("is no formula",)),
    (case(0, want={"all": []}), ("cases: one: all: []",)),
    (case(0, want={"exactly": [3, [{"on_table": "a"}]]}), ("cases: one: exactly: 3 of 1",)),
    (case(0, want={"row": ["a"]}), ("cases: one: row: ['a']",)),
    (case(0, want={"at": {"of": "a", "xy": [0.5]}}), ("cases: one: at: xy",)),
    (case(0, want={"at": {"of": "a", "xy": [0.5, 0.0], "within": 0}}), ("within",)),
    (case(0, want={"moved": {"of": "a", "sideways": 1}}), ("cases: one: moved: unknown 'sideways'",)),
    (case(0, want={"moved": {"of": "a"}}), ("cases: one: moved: how far",)),
    (case(0, leave=["z"]), ("cases: one: leave: no object 'z'",)),
    (case(0, leave="c"), ("cases: one: leave: 'c'",)),
    (case(2, leave=["z"]), ("cases: three: leave: no object 'z'",)),
]  # fmt: skip


def test_a_suite_without_fault_is_read() -> None:
    suite = suite_of(GOOD, "s.yaml")
    assert [case.id for case in suite.cases] == ["one", "two", "three"]
    assert suite.categories == ("x", "y")
    table = suite.tables["t"]
    assert table.holder == (None, 0, None, 2)
    assert [spec.size for spec in table.specs] == ["small", "large", "large", "small"]  # large unless given
    assert str(suite.cases[0].want) == "all: [{in: [a, g]}, {unmoved: c}]"
    assert suite.cases[1].answers == ("1", "one") and suite.cases[2].refuse


@pytest.mark.parametrize(("change", "said"), FAULTS)
def test_a_fault_is_one_sentence_that_names_its_place(
    change: Callable[[dict[str, Any]], Any], said: tuple[str, ...]
) -> None:
    with pytest.raises(BadSuite) as told:
        suite_of(changed(change), "s.yaml")
    message = str(told.value)
    assert message.startswith("s.yaml: ") and "\n" not in message and len(message) < 400
    for part in said:
        assert part in message, message


@pytest.mark.parametrize("seed", range(300))
def test_random_damage_is_read_or_refused_and_never_crashes(seed: int) -> None:
    rng = random.Random(seed)
    data = copy.deepcopy(GOOD)
    for _ in range(rng.randint(1, 3)):
        at: Any = data
        while isinstance(at, dict | list) and at:
            key = rng.choice(list(at) if isinstance(at, dict) else range(len(at)))
            if rng.random() < 0.35 or not isinstance(at[key], dict | list):
                at[key] = rng.choice([None, 3, -1.5, True, "", "x", [], {}, [1], {"in": "a"}, float("inf")])
                break
            at = at[key]
    try:
        suite_of(data, "s.yaml")
    except BadSuite as error:
        assert "\n" not in str(error)


TEXT = """
schema: 1
tables:
  no: {on: {kind: block, colour: red, at: [0.5, 0.0]}}
cases:
  - {id: off, category: yes, table: no, say: "is it there?", answer: [yes, 2]}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_yes_no_on_and_off_are_words(tmp_path: Path) -> None:
    (only,) = read_suite(written(tmp_path, TEXT)).cases
    assert (only.id, only.category, only.table, only.answers) == ("off", "yes", "no", ("yes", "2"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT.replace("on: {kind: block", "on: {kind: bowl, kind: block"), "'kind' stands twice"),
        (TEXT.replace("tables:\n", "tables:\n  no: {}\n"), "'no' stands twice"),
        ("schema: [1", "not YAML"),
        ("- 1\n", "expected a mapping"),
        ("", "expected a mapping"),
        ("!!python/object/apply:os.system [ls]", "not YAML"),
        ("schema: 2024-13-45\n", "not YAML"),
    ],
)
def test_a_file_that_is_no_suite_says_so(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadSuite, match="s.yaml") as told:
        read_suite(written(tmp_path, text))
    assert said in str(told.value)


def test_two_ids_of_one_spelling_are_refused() -> None:
    with pytest.raises(BadSuite, match="1: two things have this id"):
        suite_of(
            changed(
                lambda d: d["tables"]["u"].update({1: d["tables"]["u"]["a"], "1": d["tables"]["u"]["a"]})
            ),
            "s.yaml",
        )


def test_every_formula_of_the_format_is_read() -> None:
    told: dict[str, Any] = {
        "in": ["a", "g"], "rests_on": ["b", "a"], "on_table": "a", "left_of": ["a", "g"],
        "right_of": ["a", "g"], "in_front_of": ["a", "g"], "behind": ["a", "g"], "near": ["a", "g"],
        "moved": {"of": "a", "right": 0.05, "away": 0.0, "within": 0.02},
        "at": {"of": "a", "xy": [0.5, 0.0], "within": 0.04}, "unmoved": "a", "row": ["a", "b", "c"],
        "exactly": [1, [{"on_table": "a"}, {"on_table": "b"}]], "all": [{"on_table": "a"}],
        "any": [{"on_table": "a"}], "not": {"on_table": "a"},
    }  # fmt: skip
    assert set(told) == set(FORMULAS)
    for name, value in told.items():
        suite_of(changed(case(0, want={name: value})), "s.yaml")
