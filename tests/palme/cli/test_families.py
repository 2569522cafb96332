"""`palme eval families=`: programs reach the goals, twins and layers are told, sentences held out."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from palme.cli.config import load
from palme.cli.errors import UsageError
from palme.cli.evaluation.suite.case_layers import reaches
from palme.cli.evaluation.suite.specs import BLANKED, DISTURBED, SHUFFLED, specs_of
from palme.cli.main import main
from palme.cli.settings.run import EvalConfig
from palme.report.chain import read_chain
from palme.training.datasets.instructions.held_out import held_out, key
from sim.judging.snapshot import snapshot_of
from sim.suites.families import FAMILIES
from sim.suites.families.drawing import drawn_suite
from sim.suites.laying import lay
from sim.suites.loading import read_suite, suite_of
from sim.tasks import TASKS

EVERY = sorted(FAMILIES)


@pytest.mark.parametrize("name", EVERY)
def test_the_program_of_a_case_brings_its_goal_about_and_another_ones_does_not(name: str) -> None:
    suite = suite_of(drawn_suite([FAMILIES[name]], 10, 3), name)
    for case in suite.cases:
        start = snapshot_of(lay(suite.tables[case.table], 3, case.id))
        assert case.want is not None
        assert not reaches(case.want, "put(all block, on table)", start)
        if case.program:
            assert reaches(case.want, case.program, start), case.say
    assert bool(suite.cases[0].program) is (name != "lohoravens_e")  # no program counts what is even


@pytest.mark.parametrize("name", EVERY)
def test_nobody_is_trained_on_a_family(name: str) -> None:
    assert name not in TASKS
    drawn = {FAMILIES[name].draw(random.Random(seed)).say for seed in range(600)}
    missing = [say for say in drawn if key(say) not in held_out()]
    assert not missing, "python -m tests.sim.suites.family_keys prints the keys that held_out.txt lacks"


def test_each_case_has_its_disturbed_twin_and_controls_on_the_same_table() -> None:
    suite = suite_of(drawn_suite([FAMILIES["lohoravens_g"]], 4, 3), "g")
    specs = specs_of(suite, 3, (BLANKED, SHUFFLED), disturb=0.5)
    assert [spec.control for spec in specs] == [
        *[""] * 4, *[DISTURBED] * 4, *[BLANKED] * 4, *[SHUFFLED] * 4
    ]  # fmt: skip
    for k, case in enumerate(suite.cases):
        real, twin, blank, other = specs[k::4]
        assert real.said == twin.said == blank.said == case.say and other.said == case.other
        assert real.table == twin.table == other.table and (real.disturb, twin.disturb) == (0, 0.5)
    told = specs_of(suite, 3, programs=True)
    assert [spec.said for spec in told] == [case.program for case in suite.cases]


def test_the_command_plays_a_family_disturbed_and_not_and_keeps_its_suite(tmp_path: Path) -> None:
    words = ["families=lohoravens_f", "episodes=2", "seed=3", "planner=written", "disturb=1", "logs=true"]
    assert main(["eval", *words, "controls=true", f"out={tmp_path}"]) == 0
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["categories"]["lohoravens_f"]["n"] == content["suite"]["n"] == 2
    assert content["suite"]["right"] >= 1
    assert content["disturbed"]["suite"]["n"] == 2 and content["disturbed"]["moved_by_hand"] >= 2
    assert content["controls_by_category"]["blanked"]["lohoravens_f"]["right"] == 0
    wrong = [
        case for case in (*content["cases"], *content["disturbed"]["cases"]) if case["verdict"] != "right"
    ]
    assert all(case["layer"] and case["layer_evidence"] for case in wrong)
    assert sum(content["failed_by_layer"].values()) == sum(c["verdict"] != "right" for c in content["cases"])
    assert "Disturbed" in (tmp_path / "report.html").read_text()
    assert read_chain(tmp_path / "episodes" / "lohoravens_f-0", 1).judged is not None
    kept = read_suite(tmp_path / "suite.yaml")
    again = suite_of(drawn_suite([FAMILIES["lohoravens_f"]], 2, 3), kept.source)
    assert kept == again


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["families=lohoraven_g"], "lohoravens_g"),
        (["families=lohoravens_g", "suite=a.yaml"], "name one of the two"),
        (["disturb=0.5"], "add suite= or families="),
        (["disturb=1.5", "families=lohoravens_g"], "0 to 1"),
    ],
)
def test_what_does_not_go_together_is_said(words: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        load(EvalConfig, words)
