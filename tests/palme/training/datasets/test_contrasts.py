"""Sentences that differ in a word, and programs that differ with them."""

import random
import re
from difflib import SequenceMatcher

import pytest

from palme.language.programs.parser import parse
from palme.training.datasets.instructions import flips
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


FLIPPED = [
    (
        "all_but",
        "put all the blocks in the red bowl",
        "put ( all block , in red bowl )",
        r"put all the blocks (except|but|apart from|other than|but not) the \w+ ones? in the red bowl",
        r"put \( all block \[ except (all )?\w+ block \] , in red bowl \)",
    ),
    (
        "not_all",
        "put all the red blocks in the bowl",
        "put ( all red block , in bowl )",
        "put (one|two|three) of the red blocks in the bowl",
        r"put \( [123] red block , in bowl \)",
    ),
    (
        "first_that",
        "put the can on the table, then empty the red bowl",
        "put ( cylinder , on table ) ; empty ( red bowl )",
        "(before you )?put the can on the table.* empty the red bowl",
        r"empty \( red bowl \) ; put \( cylinder , on table \)",
    ),
    (
        "is_not",
        "if the bowl is empty, stack the blocks",
        "if exists ( bowl [ empty ] ) : stack ( all block )",
        "if the bowl (is not|isn't) empty, stack the blocks",
        r"if not exists \( bowl \[ empty \] \) : stack \( all block \)",
    ),
    (
        "is_not",
        "if there is a red can, empty the bowl, otherwise stack the blocks",
        "if exists ( red cylinder ) : empty ( bowl ) else : stack ( all block )",
        "if there is no red can, empty the bowl, otherwise stack the blocks",
        r"if not exists \( red cylinder \) : empty \( bowl \) else : stack \( all block \)",
    ),
    (
        "more_or_fewer",
        "if there are more blocks than cans, empty the bowl",
        "if count ( block ) > count ( cylinder ) : empty ( bowl )",
        "if there are fewer blocks than cans, empty the bowl",
        r"if count \( block \) < count \( cylinder \) : empty \( bowl \)",
    ),
    (
        "other_size",
        "put the small block on the biggest can",
        "put ( small block , on cylinder [ largest ] )",
        "put the large block on the (smallest|littlest|tiniest) can",
        r"put \( large block , on cylinder \[ smallest \] \)",
    ),
    (
        "front_or_behind",
        "put the block behind the can",
        "put ( block , behind cylinder )",
        "put the block in front of the can",
        r"put \( block , front of cylinder \)",
    ),
    (
        "and_or",
        "if there is a can and the bowl is empty, stack the blocks",
        "if exists ( cylinder ) and exists ( bowl [ empty ] ) : stack ( all block )",
        "if there is a can or the bowl is empty, stack the blocks",
        r"if exists \( cylinder \) or exists \( bowl \[ empty \] \) : stack \( all block \)",
    ),
]


@pytest.mark.parametrize(("name", "sentence", "program", "said", "written"), FLIPPED)
def test_a_small_word_turns_a_program_round(
    name: str, sentence: str, program: str, said: str, written: str
) -> None:
    for seed in range(20):
        other = getattr(flips, name)(random.Random(seed), Example(sentence, program, "if_of"))
        assert other is not None
        assert re.fullmatch(said, other.sentence) and re.fullmatch(written, other.program), other


@pytest.mark.parametrize(
    ("name", "sentence", "program"),
    [
        (
            "all_but",
            "put all blocks but not the red one in the bowl",
            "put ( all block [ not red ] , in bowl )",
        ),
        ("not_all", "put all the blocks in different bowls", "put ( all block , in each bowl )"),
        (
            "first_that",
            "empty the red bowl, then put the can on the table",
            "empty ( red bowl ) ; put ( cylinder , on table )",
        ),
        (
            "first_that",
            "clear the red block, then put the can on the table",
            "clear ( red block ) ; put ( cylinder , on table )",
        ),
        *(
            ("first_that", said, "put ( red block , on cylinder ) ; put ( cylinder , on table )")
            for said in (
                "put the red block on the can as well, then put the can on the table",
                "put only the red block on the can, then put the can on the table",
                "put the red block on the can, then just put the can on the table",
            )
        ),
        ("first_that", "empty red, then put it on the can", "empty ( red bowl ) ; put ( it , on cylinder )"),
        (
            "is_not",
            "if there is a can, put it in red",
            "if exists ( cylinder ) : put ( cylinder , in red bowl )",
        ),
        ("is_not", "unless the bowl is empty, go", "if not exists ( bowl [ empty ] ) : stack ( all block )"),
        ("more_or_fewer", "are there no more than two cans ?", "count ( cylinder ) <= 2"),
        ("other_size", "move the block a little to the left", "move ( block , left 3 )"),
    ],
)
def test_what_would_not_be_turned_round_stays(name: str, sentence: str, program: str) -> None:
    for seed in range(20):
        assert getattr(flips, name)(random.Random(seed), Example(sentence, program, "if_of")) is None


def test_what_is_turned_round_is_a_program_and_another_one(instructions: Instructions) -> None:
    rng, found = random.Random(6), dict.fromkeys((flip.__name__ for flip in flips.FLIPS), 0)
    for _ in range(1500):
        example = instructions.one(rng, rng.choices(list(CATEGORIES), list(CATEGORIES.values()))[0])
        for flip in set(flips.FLIPS):
            other = flip(rng, example)
            if other is not None:
                found[flip.__name__] += 1
                assert parse(other.program).text == other.program != example.program, (example, other)
                assert other.sentence != example.sentence
    assert min(found[name] for name in found if name != "and_or") > 0, found
