"""The program planner from pixels: what a program asks for comes about, and nothing else moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.palme.planners.program.table_cases import TableRig


@pytest.fixture(scope="module")
def rig() -> Iterator[TableRig]:
    made = TableRig()
    yield made
    made.world.close()


@pytest.mark.parametrize("kind", ["in", "to_table", "beside", "side", "swap", "all_in", "alike", "sequence"])
def test_what_a_program_asks_for_comes_about(rig: TableRig, kind: str) -> None:
    case = rig.begin(0, kind)
    assert rig.verdict(case, rig.run(case)) == ""


@pytest.mark.parametrize("kind", ["count", "where", "exists", "refuse", "nothing"])
def test_words_move_nothing(rig: TableRig, kind: str) -> None:
    for seed in range(3):
        case = rig.begin(seed, kind)
        result = rig.run(case)
        assert rig.verdict(case, result) == "" and not result.begun
