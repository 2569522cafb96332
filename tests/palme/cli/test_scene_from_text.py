"""What a sentence names stands on the table, whatever else does."""

from __future__ import annotations

import random

import pytest

from palme.cli.errors import UsageError
from palme.cli.rig.mentioned_objects import named_objects
from palme.cli.rig.scene_from_text import scene_for, task_of
from sim.tasks import sample


@pytest.mark.parametrize(
    ("sentence", "named"),
    [
        ("put the red block in the blue bowl", {"red block", "blue bowl"}),
        ("Please drop the crimson cube into the turquoise dish.", {"red block", "cyan bowl"}),
        ("stack the red, green and blue blocks", {"red block", "green block", "blue block"}),
        ("build a tower: red, then green, then yellow", {"red block", "green block", "yellow block"}),
        ("the block that is red goes in the bowl which is pink", {"red block", "pink bowl"}),
        ("into the cyan basin with the orange brick", {"cyan bowl", "orange block"}),
        ("take the purple can off the pink cube", {"purple cylinder", "pink block"}),
        ("put the green one into the blue one", {"green block", "blue bowl"}),
        ("sing a song", set()),
    ],
)
def test_colours_and_nouns_are_found(sentence, named):
    assert {f"{colour} {kind}" for colour, kind in named_objects(sentence)} == named


@pytest.mark.parametrize("family", ["put_in_bowl", "stack_tower"])
def test_the_objects_of_test_phrasings_are_found(family):
    missed = []
    for seed in range(200):
        task, _ = sample(family, random.Random(seed), "test")
        goal = task.goal
        wanted = {goal.block, goal.bowl} if family == "put_in_bowl" else set(goal.blocks)
        if not wanted <= {f"{colour} {kind}" for colour, kind in named_objects(task.instruction)}:
            missed.append(task.instruction)
    assert len(missed) <= 4, missed[:5]


def test_a_foreign_colour_is_an_error_with_the_nearest():
    with pytest.raises(UsageError, match="unknown colour 'rad'; did you mean 'red'"):
        named_objects("put the rad block in the blue bowl")


def test_the_scene_holds_what_is_named_and_distractors():
    scene = scene_for("put the red block in the blue bowl", seed=5, n_distractors=5)
    names = {o.spec.name for o in scene.objects}
    assert {"red block", "blue bowl"} <= names and len(names) == 7
    task = task_of("put the red block in the blue bowl", scene.state)
    assert task is not None and not task.is_success(scene.state)


def test_the_same_seed_lays_the_same_table():
    a = scene_for("stack the red block on the green block", 9, 4)
    b = scene_for("stack the red block on the green block", 9, 4)
    c = scene_for("stack the red block on the green block", 10, 4)
    assert a == b and a != c


def test_a_sentence_outside_the_skills_still_gets_a_table():
    assert len(scene_for("sing a song", 0, 5).objects) >= 3


def test_a_sorting_sentence_gets_blocks_with_their_bowls():
    scene = scene_for("put every block into the bowl of its colour", 3, 5)
    colours = {
        kind: {o.spec.colour for o in scene.objects if o.spec.kind == kind} for kind in ("block", "bowl")
    }
    assert len(colours["block"]) >= 2 and colours["block"] <= colours["bowl"]


def test_a_scene_file_is_used_as_it_is(tmp_path):
    scene = scene_for("put the red block in the blue bowl", 5, 5)
    path = tmp_path / "scene.yaml"
    path.write_text(scene.to_yaml())
    assert scene_for("sing a song", 0, 0, path) == scene


def test_the_order_of_a_tower_is_only_read_where_it_is_plain():
    scene = scene_for("stack the red block on the green block", 1, 3)
    task = task_of("stack the red block on the green block", scene.state)
    assert task is not None and task.goal.blocks == ("green block", "red block")
    assert task_of("make a tower of the red block and the green block", scene.state) is None
