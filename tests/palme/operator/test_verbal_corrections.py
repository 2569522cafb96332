"""Correcting by words: what is done about a sentence, and what is asked back."""

from __future__ import annotations

import pytest

from palme.operator.verbal_corrections import AmbiguousCorrectionError, understand
from robots.skills import Step

GOAL = "put the red block in the blue bowl"
NOW = Step.parse(GOAL)
SEEN = ["red block", "green block", "blue bowl", "green bowl", "red cylinder"]


def test_a_step_of_the_grammar_is_done_now() -> None:
    meaning = understand("put the green block on the red block", GOAL, NOW, SEEN)
    assert meaning.step == Step.parse("put the green block on the red block")
    assert meaning.instruction == GOAL


def test_a_step_may_refer_to_objects_by_number() -> None:
    assert understand("put obj_2 in obj_4", GOAL, NOW, SEEN).step == Step.put("green block", "green bowl")


@pytest.mark.parametrize(
    "text",
    [
        "no, the other bowl",
        "the other bowl",
        "No! The other bowl.",
        "wrong, not the blue bowl, the other one",
        "no, the green one",
        "not the blue bowl, the green bowl",
        "the emerald bowl",
        "in the other bowl",
        "no, put the red block in the green bowl",
    ],
)
def test_the_other_bowl_is_the_one_that_is_left_and_the_goal_changes_with_it(text: str) -> None:
    meaning = understand(text, GOAL, NOW, SEEN)
    assert meaning.step == Step.put("red block", "green bowl")
    assert meaning.instruction == "put the red block in the green bowl"
    assert "green bowl" in meaning.message


def test_the_other_block_is_another_thing_to_take() -> None:
    meaning = understand("no, the other block", GOAL, NOW, SEEN)
    assert meaning.step == Step.put("green block", "blue bowl")
    assert meaning.instruction == "put the green block in the blue bowl"


def test_a_kind_that_the_step_has_not_takes_the_place_it_can_have() -> None:
    assert understand("the red cylinder", GOAL, NOW, SEEN).step == Step.put("red cylinder", "blue bowl")


def test_where_several_are_left_it_asks_which() -> None:
    with pytest.raises(AmbiguousCorrectionError, match="green bowl, pink bowl"):
        understand("the other bowl", GOAL, NOW, [*SEEN, "pink bowl"])
    with pytest.raises(AmbiguousCorrectionError, match="none .* seen are: red block, blue bowl"):
        understand("the other bowl", GOAL, NOW, ["red block", "blue bowl"])
    stack = Step.parse("put the red block on the green block")
    with pytest.raises(AmbiguousCorrectionError, match="whole step"):
        understand("the other block", stack.text, stack, [*SEEN, "pink block"])
    with pytest.raises(AmbiguousCorrectionError, match="type a step"):
        understand("  ", GOAL, NOW, SEEN)


def test_a_sentence_that_says_what_to_do_is_the_whole_instruction() -> None:
    for text in (
        "stack the blocks with the red one on top",
        "sort the blocks into the bowls of their colours",
    ):
        meaning = understand(text, GOAL, NOW, SEEN)
        assert meaning.step is None and meaning.instruction == text


def test_anything_else_is_added_and_the_planner_reads_both() -> None:
    meaning = understand("and be careful", GOAL, NOW, SEEN)
    assert meaning.step is None and meaning.instruction == f"{GOAL}, and be careful"


def test_an_instruction_that_does_not_name_the_place_stays_as_it_is() -> None:
    meaning = understand("no, the other bowl", "tidy up", NOW, SEEN)
    assert meaning.step is not None and meaning.instruction == "tidy up"


def test_done_may_be_said() -> None:
    meaning = understand("done", GOAL, NOW, SEEN)
    assert meaning.step is not None and meaning.step.is_done


def test_before_the_first_step_only_whole_sentences_are_understood() -> None:
    assert understand("the other bowl", GOAL, None, SEEN).step is None


@pytest.mark.parametrize("text", ["no", "No!", "wrong.", "no, no", "sorry", "actually", "not the blue bowl,"])
def test_a_no_alone_is_asked_back_and_changes_nothing(text: str) -> None:
    with pytest.raises(AmbiguousCorrectionError, match="what to do instead"):
        understand(text, GOAL, NOW, SEEN)


@pytest.mark.parametrize(
    "text",
    [
        "put the purple block in the blue bowl",
        "put the red block in the purple bowl",
        "put red block on cyan block",
    ],
)
def test_a_step_with_a_thing_that_nobody_sees_is_asked_about(text):
    with pytest.raises(AmbiguousCorrectionError, match="I do not see the (purple|cyan)"):
        understand(text, GOAL, NOW, SEEN)
