"""Sentences that differ in a word, and programs that differ with them."""

import random
from difflib import SequenceMatcher

import pytest

from palme.language.programs.parser import parse
from palme.training.datasets.instructions.contrasts import contrast
from palme.training.datasets.instructions.drawing import CATEGORIES, Instructions
from palme.training.datasets.instructions.grammar import Example


@pytest.fixture(scope="module")
def instructions() -> Instructions:
    return Instructions()


def test_what_is_contrasted_differs_in_words_and_in_program(instructions: Instructions) -> None:
    rng, pairs = random.Random(2), 0
    for category in CATEGORIES:
        for _ in range(25):
            drawn = instructions.contrasted(rng, category)
            assert 1 <= len(drawn) <= 2
            assert all(parse(one.program).text == one.program for one in drawn)
            if len(drawn) == 2:
                first, second = drawn
                assert first.program != second.program and first.sentence != second.sentence
                pairs += 1
    assert pairs > 12 * len(CATEGORIES)


def test_a_changed_word_is_all_that_differs(instructions: Instructions) -> None:
    rng, found = random.Random(3), 0
    for _ in range(600):
        example = instructions.one(rng, "put_one")
        other = contrast(rng, example)
        if other is not None:
            found += 1
            words = [one.sentence.split() for one in (example, other)]
            assert SequenceMatcher(None, *words).ratio() > 0.6, (example, other)
    assert found > 100


def _contrasts(sentence: str, program: str) -> set[tuple[str, str]]:
    rng = random.Random(0)
    example = Example(sentence, program, "plain_put")
    return {(c.sentence, c.program) for c in (contrast(rng, example) for _ in range(2500)) if c}


def test_strange_words_are_refused_and_forbidding_moves_nothing() -> None:
    found = _contrasts("put the blue block in the red bowl", "put ( blue block , in red bowl )")
    assert ("put the brown block in the red bowl", "refuse ( absent )") in found
    assert ("put the blue block in the red drawer", "refuse ( absent )") in found
    assert ("hover the blue block in the red bowl", "refuse ( beyond )") in found
    assert ("throw the blue block in the red bowl", "refuse ( unsafe )") in found
    assert ("never put the blue block in the red bowl", "keep ( blue block )") in found
    assert ("put the blue block behind the red bowl", "put ( blue block , behind red bowl )") in found
    moved = {program for _, program in found if program.startswith("put")}
    assert moved and all(program.startswith("put ( blue block , ") for program in moved)
    assert not any(" , in " in program for program in moved)


def test_a_statement_asks_for_nothing() -> None:
    found = _contrasts("the blue block goes in the red bowl", "put ( blue block , in red bowl )")
    assert ("the blue block is in the red bowl", "refuse ( unclear )") in found


def test_left_and_right_change_places_in_both_or_in_neither() -> None:
    moved = _contrasts("move the leftmost block to the right", "move ( block [ leftmost ] , right 5 )")
    assert ("move the rightmost block to the left", "move ( block [ rightmost ] , left 5 )") in moved
    near = _contrasts("put the red block right by the bowl", "put ( red block , next to bowl )")
    assert not any("left" in sentence for sentence, _ in near)
    row = _contrasts("from left to right, red and blue", "row ( red block , blue block )")
    assert not any("right to left" in sentence for sentence, _ in row)


def test_unless_is_not_if() -> None:
    found = _contrasts("if there is a pink bowl, empty red", "if exists ( pink bowl ) : empty ( red bowl )")
    wanted = "if not exists ( pink bowl ) : empty ( red bowl )"
    assert ("unless there is a pink bowl, empty red", wanted) in found
    for said, program in (
        ("only if there is a pink bowl, go", "if exists ( pink bowl ) : empty ( red bowl )"),
        ("if there is a pink bowl, empty it", "if exists ( pink bowl ) : empty ( pink bowl )"),
        ("if one or the other, go", "if exists ( bowl ) or exists ( block ) : empty ( red bowl )"),
    ):
        assert not any("unless" in sentence for sentence, _ in _contrasts(said, program))
