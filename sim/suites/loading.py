"""Reads a suite file; the first fault is one sentence that names its place and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from robots.text import text_problem
from sim.judging.errors import BadFormula, nearest
from sim.judging.formula import Formula
from sim.judging.parser import indices_of, parse
from sim.suites.errors import BadSuite
from sim.suites.strict_yaml import load
from sim.suites.suite import Case, Suite, SuiteTable
from sim.suites.tables import read_table

SCHEMA = 1
KEYS = ("schema", "tables", "cases")
CASE_KEYS = ("id", "category", "table", "say", "want", "leave", "answer", "refuse", "other", "program")
EXPECTED = ("want", "answer", "refuse")
MAX_BYTES = 4 * 1024 * 1024
MAX_SAY = 1000  # characters
_TEXTS = {
    "say": "what the person says", "other": "a sentence that asks for something else",
    "program": "the sentence's program",
}  # fmt: skip


def read_suite(path: Path) -> Suite:
    """The suite in the file `path`.

    Raises:
        BadSuite: anything in it is not of the documented form.
        OSError: it cannot be read.
    """
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        raise BadSuite(f"{path}: larger than {MAX_BYTES // 1024**2} MiB; split the suite into several files")
    try:
        return suite_of(load(path.read_text(encoding="utf-8")), str(path))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        if isinstance(error, BadSuite):
            raise
        raise BadSuite(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def suite_of(data: Any, source: str) -> Suite:
    """The suite that YAML gave as `data`. Raises BadSuite."""
    try:
        _check_top(data)
        tables = {str(name): _table(str(name), told) for name, told in data["tables"].items()}
        cases: list[Case] = []
        for k, told in enumerate(data["cases"]):
            case = _case(k, told, tables)
            if case.id in {other.id for other in cases}:
                raise BadSuite(f"cases: {case.id}: two cases have this id; give each its own")
            cases.append(case)
        return Suite(source, tables, tuple(cases))
    except BadSuite as error:
        raise BadSuite(f"{source}: {error}") from None


def _check_top(data: Any) -> None:
    if not isinstance(data, Mapping):
        raise BadSuite("expected a mapping with schema, tables and cases")
    for key in data:
        if key not in KEYS:
            raise BadSuite(f"unknown key {key!r}{nearest(str(key), KEYS)}")
    for key in KEYS:
        if key not in data:
            raise BadSuite(f"key {key!r} is missing; add it")
    if data["schema"] != SCHEMA or isinstance(data["schema"], bool):
        raise BadSuite(f"schema {data['schema']!r}; this version reads schema {SCHEMA}")
    if not isinstance(data["tables"], Mapping) or not data["tables"]:
        raise BadSuite("tables: expected a mapping of a name to things; add a table")
    if not isinstance(data["cases"], list) or not data["cases"]:
        raise BadSuite("cases: expected a list of cases; add one")


def _table(name: str, told: Any) -> SuiteTable:
    try:
        return read_table(name, told)
    except BadSuite as error:
        raise BadSuite(f"tables: {name}: {error}") from None


def _case(k: int, told: Any, tables: Mapping[str, SuiteTable]) -> Case:
    if not isinstance(told, Mapping):
        raise BadSuite(
            f"cases: number {k + 1}: {_short(told)}; write a mapping with id, category, table, say"
        )
    id = told.get("id")
    where = f"cases: {id}" if isinstance(id, str | int) and id != "" else f"cases: number {k + 1}"
    try:
        return _checked_case(told, tables)
    except (BadSuite, BadFormula) as error:
        raise BadSuite(f"{where}: {error}") from None


def _checked_case(told: Mapping[Any, Any], tables: Mapping[str, SuiteTable]) -> Case:
    for key in told:
        if key not in CASE_KEYS:
            raise BadSuite(f"unknown key {key!r}{nearest(str(key), CASE_KEYS)}")
    id, category, name = (_word(told, key) for key in ("id", "category", "table"))
    if name not in tables:
        raise BadSuite(f"no table {name!r}{nearest(name, tables)}")
    say = _say(told)
    given = [key for key in EXPECTED if key in told]
    if len(given) != 1:
        said = " and ".join(given) or "nothing"
        raise BadSuite(f"says {said} of what is right; write exactly one of {', '.join(EXPECTED)}")
    if given == ["refuse"] and told["refuse"] is not True:
        raise BadSuite(f"refuse: {_short(told['refuse'])}; write refuse: true, or what is wanted instead")
    return Case(
        id, category, name, say,
        _want(told, tables[name]), _answers(told), given == ["refuse"],
        *(_say(told, key) if key in told else "" for key in ("other", "program")),
    )  # fmt: skip


def _want(told: Mapping[Any, Any], table: SuiteTable) -> Formula | None:
    """The formula with what is left alone; None for a case in which nothing is to be moved at all."""
    find, leave = indices_of(table.index), told.get("leave", [])
    if "want" in told:
        return parse(told["want"], find, leave)
    parse({"all": [{"unmoved": table.ids[0]}]}, find, leave)  # checks the ids
    return None


def _answers(told: Mapping[Any, Any]) -> tuple[str, ...]:
    if "answer" not in told:
        return ()
    given = told["answer"]
    if not isinstance(given, list) or not given:
        raise BadSuite(f"answer: {_short(given)}; write a list of right answers, such as answer: ['2', two]")
    for one in given:
        if isinstance(one, bool) or not isinstance(one, str | int | float) or not str(one).strip():
            raise BadSuite(f"answer: {_short(one)} is no text; put it in quotes")
        if problem := text_problem(str(one)):
            raise BadSuite(f"answer: {problem}")
    return tuple(str(one) for one in given)


def _say(told: Mapping[Any, Any], key: str = "say") -> str:
    say = told.get(key)
    if not isinstance(say, str) or not say.strip():
        raise BadSuite(f"{key}: {_short(say)}; write {_TEXTS[key]}, in quotes")
    if problem := text_problem(say):
        raise BadSuite(f"{key}: {problem}")
    if not len(say) <= MAX_SAY:
        raise BadSuite(f"{key}: {len(say)} characters; at most {MAX_SAY} are said")
    return say


def _word(told: Mapping[Any, Any], key: str) -> str:
    value = told.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise BadSuite(f"{key}: {_short(value)}; write {key}: and a name")
    if problem := text_problem(str(value)):
        raise BadSuite(f"{key}: {problem}")
    return str(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
