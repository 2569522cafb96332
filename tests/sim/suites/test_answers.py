"""An answer is right where one of the wanted ones stands in it, word for word."""

from __future__ import annotations

import pytest

from sim.suites.answers import contains_one


@pytest.mark.parametrize(
    ("said", "answers", "right"),
    [
        ("There are 2 (two) red blocks.", ["2", "two"], True),
        ("There are two.", ["2"], True),
        ("There are 2.", ["two"], True),
        ("There are 12 red blocks.", ["2"], False),
        ("There are twelve.", ["12"], True),
        ("No.", ["no"], True),
        ("I do not know.", ["no"], False),
        ("Nothing.", ["no"], False),
        ("YES: the Yellow Block.", ["yes", "yellow"], True),
        ("It is yellowish.", ["yellow"], False),
        ("The block is light blue.", ["light blue"], True),
        ("The block is blue and light.", ["light blue"], False),
        ("the red block, the green bowl", ["red block"], True),
        ("one", ["1"], True),
        ("There are 0 (no) pink blocks.", ["zero", "none"], True),
        ("", ["2"], False),
        ("2", [], False),
        ("2", ["!"], False),
        ("Ja, drei Blöcke", ["DREI"], True),
        ("有两个红色方块", ["两个"], True),
        ("有两个红色方块", ["三个"], False),
        ("赤いブロックは２個です", ["2個"], True),  # full-width digit
    ],
)
def test_word_for_word(said: str, answers: list[str], right: bool) -> None:
    assert contains_one(said, answers) is right
