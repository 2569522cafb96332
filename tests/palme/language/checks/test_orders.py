"""What people hang on an order: it needs no counterpart in a program, and hides nothing that does."""

import pytest

from palme.language.checks.check import violations
from palme.language.programs.parser import parse


@pytest.mark.parametrize(
    "sentence",
    [
        "put the red block in the blue bowl, will you?",
        "put the red block in the blue bowl, ok?",
        "red block in the blue bowl please??",
        "red block -> blue bowl",
        "red block → into the blue bowl",
        "don't worry about that, just put the red block in the blue bowl",
        "I would appreciate it if the red block were put in the blue bowl",
        "my grandson tells me you are clever, so put the red block in the blue bowl",
        "I was talking to a friend last tuesday, well, put the red block in the blue bowl",
    ],
)
def test_what_hangs_on_an_order_needs_no_counterpart(sentence: str) -> None:
    assert not [one for one in violations(sentence, parse("put(red block, in blue bowl)")) if one.sure]


@pytest.mark.parametrize(
    ("sentence", "program"),
    [
        ("is the red block in the blue bowl, right?", "put(red block, in blue bowl)"),
        ("dance, and put the red block in the blue bowl", "put(red block, in blue bowl)"),
        ("don't put the red block in the blue bowl, ok?", "put(red block, in blue bowl)"),
        ("red block -> on the blue bowl", "put(red block, in green bowl)"),
        ("bowl it over", "put(red block, in blue bowl)"),
    ],
)
def test_what_hangs_on_an_order_hides_nothing(sentence: str, program: str) -> None:
    assert [one for one in violations(sentence, parse(program)) if one.sure]
