"""A tower has all the blocks that its sentence names, whatever the small model would leave out."""

from __future__ import annotations

import random

import pytest

from palme.language.constrained_decoding import Evidence, allowed
from palme.language.text import NOT_SAID, BlocksSaid, blocks_said
from robots.skills import COLOURS
from sim.tasks import sample

ALL = [f"{colour}_block" for colour in COLOURS]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("put red on blue", BlocksSaid(frozenset({"red_block", "blue_block"}), False)),
        ("the crimson cube, then the navy one", BlocksSaid(frozenset({"red_block", "blue_block"}), False)),
        ("the red block, the blu block, a green block", BlocksSaid(frozenset({"red_block", "green_block"}))),
        ("the red block into the blue bowl", BlocksSaid(frozenset({"red_block"}))),
        ("the green block and the red cylinder and the pink block",
         BlocksSaid(frozenset({"green_block", "pink_block"}), False)),
        ("stack red on green, not on blue", NOT_SAID),
        ("stack red on green and don't touch the blue block", NOT_SAID),
        ("sort them by colour", NOT_SAID),
    ],
)  # fmt: skip
def test_blocks_are_those_of_the_colours_that_are_named(text: str, said: BlocksSaid) -> None:
    assert blocks_said(text) == said


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_it_contradicts_no_tower_of_ours(split: str) -> None:
    for seed in range(150):
        task, _ = sample("stack_tower", random.Random(seed), split)
        said = blocks_said(task.instruction)
        goal = {name.replace(" ", "_") for name in task.goal.blocks}
        assert said.blocks <= goal and (said.others or said.blocks == goal), task.instruction


def test_a_tower_ends_with_all_that_is_named_and_holds_nothing_else() -> None:
    said = frozenset(ALL[:3])
    whole, open_ended = Evidence(said=said, others=False), Evidence(said=said)
    begun = ("goal", "stack", "up", ALL[0], ALL[1])
    assert set(allowed(begun, whole)) == {ALL[2]}
    assert "table" not in allowed(begun, open_ended) and ALL[5] in allowed(begun, open_ended)
    assert set(allowed((*begun, ALL[2]), whole)) == {"table"}
    assert "table" in allowed((*begun, ALL[2]), open_ended)
    assert "table" in allowed(begun) and "table" in allowed(begun, Evidence(said=frozenset(ALL[:2])))
    assert set(allowed(("goal", "in"), whole)) == set(allowed(("goal", "in")))  # towers alone


def test_a_tower_always_ends() -> None:
    """Also where a sentence names more blocks than a tower can have."""
    evidence = Evidence(said=frozenset(ALL), others=False)
    words: tuple[str, ...] = ("goal", "stack", "up")
    while (may := allowed(words, evidence)) and words[-1] != "table":
        words = (*words, may[0])
    assert words[-1] == "table" and len(words) == 10
