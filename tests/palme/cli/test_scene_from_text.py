"""What a sentence names stands on the table, whatever else does."""

from __future__ import annotations

import random

import pytest

from palme.cli.errors import UsageError
from palme.cli.rig.account import account, task_for
from palme.cli.rig.scene_from_text import scene_for
from sim.tasks import TASKS, sample


@pytest.mark.parametrize("family", TASKS)
def test_every_sentence_of_an_evaluation_is_accounted_for_as_its_task_says(family):
    for seed in range(700):
        task, _ = sample(family, random.Random(seed), "test" if seed % 3 else "validation")
        read = task_for(account()(task.instruction), task.instruction)
        assert read is not None and read == task


@pytest.mark.parametrize(
    ("sentence", "named"),
    [
        ("put the red block in the blue bowl", {"red block", "blue bowl"}),
        ("Please drop the crimson cube into the turquoise dish.", {"red block", "cyan bowl"}),
        ("stack the red, green and blue blocks", {"red block", "green block", "blue block"}),
        ("build a tower: red, then green, then yellow", {"red block", "green block", "yellow block"}),
        ("the block that is red goes in the bowl which is pink", {"red block", "pink bowl"}),
        ("put the green one into the blue one", {"green block", "blue bowl"}),
    ],
)
def test_what_is_named_stands_on_the_table(sentence, named):
    for seed in range(3):
        assert named <= {o.spec.name for o in scene_for(sentence, seed, 4).objects}


@pytest.mark.parametrize("sentence", ["sing a song", "put the rad block in the blue bowl"])
def test_words_that_nobody_understands_lay_no_table(sentence):
    with pytest.raises(UsageError, match="I do not understand"):
        scene_for(sentence, 0, 5)


def test_the_scene_holds_what_is_named_and_distractors():
    scene = scene_for("put the red block in the blue bowl", seed=5, n_distractors=5)
    names = {o.spec.name for o in scene.objects}
    assert {"red block", "blue bowl"} <= names and len(names) == 7


@pytest.mark.parametrize(
    "sentence",
    ["put the red block in the blue bowl", "stack red on green", "put every block in the bowl of its colour"],
)
def test_no_table_is_laid_on_which_the_sentence_is_fulfilled_already(sentence):
    task = task_for(account()(sentence), sentence)
    for seed in range(25):
        assert not task.is_success(scene_for(sentence, seed, 6).state)


def test_the_same_seed_lays_the_same_table():
    a = scene_for("stack the red block on the green block", 9, 4)
    b = scene_for("stack the red block on the green block", 9, 4)
    c = scene_for("stack the red block on the green block", 10, 4)
    assert a == b and a != c


def test_no_sentence_gets_a_table_as_well():
    assert len(scene_for("", 0, 5).objects) >= 3


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
