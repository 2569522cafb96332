"""`palme eval suite=FILE reading_only=true`: right programs are right, wrong ones wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from palme.cli.evaluation.suite.reading_only import read_case, seen
from palme.cli.evaluation.suite.specs import SHUFFLED, specs_of
from palme.cli.main import main
from palme.cli.paths import CONFIGS
from palme.cli.rig import readers
from palme.language.programs.parser import parse
from palme.planners.program.reader import NotRead, NotSure, Reading
from sim.judging.snapshot import snapshot_of
from sim.suites.laying import lay
from sim.suites.loading import read_suite
from sim.suites.verdict import GRADES

SUITE = read_suite(CONFIGS / "suites" / "example.yaml")
RIGHT = {
    "plain": "put(pink cylinder, in yellow bowl)",
    "typo": "put(pink cylinder, in purple bowl)",
    "size": "put(small green block, in yellow bowl)",
    "relation": "put(thing [on blue block], in purple bowl)",
    "superlative": "put(block [rightmost], in yellow bowl)",
    "negation": "keep(all red block); out(cylinder)",
    "quantifier": "put(all green block, in yellow bowl)",
    "one-of": "put(1 red block, in pink bowl)",
    "sequence": "put(orange block, in purple bowl); put(blue block, in yellow bowl)",
    "condition": "if not exists(thing [in pink bowl]): put(any red block, in pink bowl)",
    "direction": "move(pink cylinder, toward 6)",
    "beside": "put(red block [leftmost], next to red block [rightmost])",
    "count": "count(all red block)",
    "colour": "colour(thing [in orange bowl])",
    "which": "put(red block, in pink bowl)",
    "beyond": "refuse(beyond)",
}
WRONG = {
    "plain": "put(blue block, in yellow bowl)",
    "size": "put(large green block, in yellow bowl)",
    "negation": "put(red block [leftmost], in pink bowl)",
    "one-of": "put(all red block, in pink bowl)",
    "direction": "move(pink cylinder, away 6)",
    "beside": "put(red block [rightmost], next to red block [leftmost])",
    "count": "count(all thing)",
    "colour": "put(thing [in orange bowl], on table)",
    "which": "put(any red block, in pink bowl)",
    "beyond": "put(blue block, in yellow bowl)",
}


class Told:
    """A reader that knows the program, or does not understand."""

    def __init__(self, program: str | None) -> None:
        self._program = program

    def read(self, sentence: str) -> Reading:
        if self._program is None:
            raise NotRead("I do not understand that.")
        return Reading(sentence, parse(self._program), 0.9, (0.9, "put"), 0.001)


def graded(id: str, program: str | None, seed: int = 0) -> str:
    case = next(case for case in SUITE.cases if case.id == id)
    return read_case(case, SUITE.tables[case.table], Told(program), seed).verdict.grade


@pytest.mark.parametrize("id", [case.id for case in SUITE.cases])
def test_what_was_meant_is_right_on_every_layout(id: str) -> None:
    assert {graded(id, RIGHT[id], seed) for seed in range(3)} == {"right"}


@pytest.mark.parametrize("id", WRONG)
def test_something_else_is_wrong(id: str) -> None:
    assert graded(id, WRONG[id]) == "wrong"


@pytest.mark.parametrize("case", SUITE.cases, ids=lambda case: case.id)
def test_not_understood_is_refused_and_right_only_where_that_was_wanted(case) -> None:
    assert graded(case.id, None) == ("right" if case.refuse else "refused")


class Unsure:
    def __init__(self, program: str) -> None:
        self._reading = Reading("", parse(program), 0.5, (0.5, "put"), 0.001, confidence=0.2)

    def read(self, sentence: str) -> Reading:
        raise NotSure("Do you mean that?", self._reading)


def test_an_unsure_reading_is_refused_and_told_what_it_would_have_been() -> None:
    case = SUITE.cases[0]
    for program, grade in ((RIGHT[case.id], "right"), (WRONG[case.id], "wrong")):
        result = read_case(case, SUITE.tables[case.table], Unsure(program), 0)
        assert result.verdict.grade == "refused" and result.confidence == 0.2
        assert result.if_acted_on is not None and result.if_acted_on.grade == grade


def test_the_scene_is_the_simulator_s() -> None:
    table = SUITE.tables["shelf"]
    scene = seen(snapshot_of(lay(table, 0, "x")))
    assert [thing.holder for thing in scene] == list(table.holder)
    assert [(t.colour, t.kind, t.size) for t in scene] == [(s.colour, s.kind, s.size) for s in table.specs]
    for thing, at in zip(scene, table.xy, strict=True):
        assert at is None or thing.xyz[:2] == pytest.approx(at)


def test_shuffled_sentences_are_of_the_same_table_each_used_once() -> None:
    specs = [spec for spec in specs_of(SUITE, 0, (SHUFFLED,)) if spec.control]
    assert len(specs) == len(SUITE.cases)
    for name in SUITE.tables:
        here = [spec for spec in specs if spec.table.name == name]
        assert sorted(spec.said for spec in here) == sorted(spec.case.say for spec in here)
        assert all(spec.said != spec.case.say for spec in here)


class Knowing:
    """A reader that knows the programs of the example."""

    def read(self, sentence: str) -> Reading:
        return Told(RIGHT[next(case.id for case in SUITE.cases if case.say == sentence)]).read(sentence)


def test_the_command_writes_counts_cases_and_a_page(tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(readers, "build_reader", lambda config: Knowing())
    words = ["eval", f"suite={CONFIGS}/suites/example.yaml", "reading_only=true", "planner=program"]
    assert main([*words, "only=plain,typo,count,which", "controls=true", "seed=1", f"out={out}"]) == 0
    results = json.loads((out / "results.json").read_text())
    counts = results["suite"]
    assert counts["n"] == 4 == sum(counts[grade] for grade in GRADES)
    assert sum(row["n"] for row in results["categories"].values()) == 4
    assert counts["right"] == 4 and results["cases"][0]["program"] == parse(RIGHT["plain"]).text
    assert results["controls"]["shuffled"]["n"] == 4 > results["controls"]["shuffled"]["right"]
    assert [case["id"] for case in results["cases"]] == ["plain", "typo", "count", "which"]
    for case in results["cases"]:
        assert {"id", "category", "say", "verdict", "program", "steps", "reason"} <= set(case)
    assert set(results["timing"]["read_ms"]) == {"median", "p95"}
    page = (out / "report.html").read_text()
    assert "no success figure" in page and all(case["say"] in page for case in results["cases"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reading_only=true"], "suite=FILE"),
        ([f"suite={CONFIGS}/suites/example.yaml", "reading_only=true"], "planner=program"),
        (["reader.nonsense=x"], "reader.nonsense"),
        (["reader.adapter=x"], "reader.adapter is called planner.weights now"),
        (["reader.threshold=0.5"], "reader.threshold is called planner.threshold now"),
        (["planner=program", "planner.threshold=2"], "planner.threshold=2: a confidence lies in [0, 1]"),
        (["planner=program", "planner.weights=x", "planner.endpoint=http://127.0.0.1:1/v1"], "name one"),
        ([f"suite={CONFIGS}/suites/example.yaml", "only=plane"], "plane"),
        (["suite=nowhere.yaml"], "suite=nowhere.yaml: no such file"),
        (["suite={bad}"], "schema 7"),
        (["suite={bad}", "record=x"], "record=x"),
    ],
)
def test_what_cannot_be_evaluated_is_said_at_once(words: list[str], said: str, tmp_path, capsys) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("schema: 7\ntables: {t: {}}\ncases: [1]\n")
    assert main(["eval", *(word.format(bad=bad) for word in words), f"out={tmp_path / 'out'}"]) == 2
    assert said.lower() in capsys.readouterr().err.lower()
    assert not (tmp_path / "out").exists()
