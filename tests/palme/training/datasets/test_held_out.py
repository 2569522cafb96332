"""The suites' sentences are never trained on."""

import random
from itertools import islice
from pathlib import Path

import pytest
import yaml

from palme.training.datasets.instructions import drawing
from palme.training.datasets.instructions.drawing import Instructions
from palme.training.datasets.instructions.held_out import held_out, key

SUITES = sorted((Path(__file__).parents[4] / "configs" / "suites").glob("*.yaml"))


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_sentence_of_a_suite_is_held_out(path: Path) -> None:
    cases = yaml.safe_load(path.read_text("utf-8"))["cases"]
    missing = [case["id"] for case in cases if key(case["say"]) not in held_out()]
    assert not missing, f"add the keys of {missing} to held_out.txt"


def test_case_spaces_and_marks_do_not_hide_a_sentence() -> None:
    assert key("Put the red block, please!") == key("put the  red block please")
    assert key("put the red block") != key("put the blue block")
    assert key("把红色方块") != key("把蓝色方块")


def test_what_is_held_out_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    instructions = Instructions()
    drawn = list(islice(instructions.examples(random.Random(3)), 300))
    kept_out = frozenset(key(one.sentence) for one in drawn[::3])
    monkeypatch.setattr(drawing, "held_out", lambda: kept_out)
    again = list(islice(instructions.examples(random.Random(3)), 300))
    assert not {key(one.sentence) for one in again} & kept_out
    assert {one.sentence for one in drawn} & {one.sentence for one in again}
