"""The grammar of steps: one object, one parser, one printer."""

import math

import pytest

from robots.skills import COLOURS, DONE, ENTITIES, KINDS, N_SOLIDS, SHADES, TABLE, BadStep, Step


def test_step_text_reads_and_writes_the_same():
    for text in (
        "put the red block in the blue bowl",
        "put the red cylinder on the green block",
        "put the red block on the table",
        "put obj_3 in obj_5",
        "done",
    ):
        assert Step.parse(text).text == text
    assert Step.parse(" Put red_block  in the Blue bowl. ").text == "put the red block in the blue bowl"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("put the red blok in the blue bowl", "nearest: 'red block'"),
        ("put the red block in the green block", "put the red block on the green block"),
        ("put the red block on the red block", "name another target"),
        ("put the blue bowl on the table", "nothing that can be moved"),
        ("open the drawer", "is no step"),
    ],
)
def test_a_bad_step_names_the_nearest_legal_thing(text, says):
    with pytest.raises(BadStep, match=says):
        Step.parse(text)


def test_referrals_become_names():
    names = ["red block", "blue bowl"]
    assert Step.parse("put obj_1 in obj_2").resolve(names).text == "put the red block in the blue bowl"
    assert Step.parse("put obj_1 on the table").resolve(names).text == "put the red block on the table"
    with pytest.raises(BadStep, match="obj_3: only 2 objects"):
        Step.parse("put obj_1 on obj_3").resolve(names)


def test_there_are_blocks_then_cylinders_then_bowls_of_every_colour():
    assert len(set(ENTITIES)) == len(ENTITIES) == len(COLOURS) * len(KINDS)
    assert all(e.endswith("bowl") == (k >= N_SOLIDS) for k, e in enumerate(ENTITIES))


def test_every_colour_has_shades_and_no_shade_is_a_colour():
    assert set(SHADES.values()) == set(COLOURS) and not set(SHADES) & set(COLOURS)


def test_every_step_that_can_be_put_together_reads_back_as_itself():
    for what in ENTITIES[:N_SOLIDS]:
        for target in (*ENTITIES, TABLE):
            if what != target:
                step = Step.put(what, target)
                assert Step.parse(str(step)) == step and hash(Step.parse(step.text)) == hash(step)
    assert Step.parse("done") is DONE and DONE.is_done and str(DONE) == "done"


def test_a_location_says_which_of_two_alike_things_is_meant():
    step = Step("put_in", "red block", "blue bowl", what_at=(0.45, -0.1, 0.0421), target_at=(0.5, 0.2, -1e-5))
    what, target = "the red block at (0.450, -0.100, 0.042)", "the blue bowl at (0.500, 0.200, 0.000)"
    assert step.text == f"put {what} in {target}"
    assert Step.parse(step.text) == step != step.by_name == Step.put("red block", "blue bowl")
    onto = Step("put_on", "red block", "red block", target_at=(0.4, 0.0, 0.04))
    assert Step.parse(onto.text) == onto
    there = Step.parse("put obj_1 at (0.4, 0, 0) on the table at (0.5, 0.1, 0)")
    assert there.resolve(["pink cylinder"]).text == there.text.replace("obj_1", "the pink cylinder")


@pytest.mark.parametrize("at", [(0.4, math.nan, 0.0), (0.4, math.inf, 0.0), (0.4, 0.0)])
def test_a_location_that_is_no_point_is_refused(at):
    with pytest.raises(BadStep, match="three finite numbers"):
        Step("put_on", "red block", TABLE, what_at=at)


@pytest.mark.parametrize(
    "parts",
    [
        ("put_in", "red block", "green block"),
        ("put_on", "red block", "blue bowl"),
        ("put_on", "blue bowl", "table"),
        ("put_on", "red block", "moon"),
        ("put_on", "", ""),
        ("done", "red block", ""),
    ],
)
def test_no_step_outside_the_grammar_can_be_made(parts):
    with pytest.raises(BadStep):
        Step(*parts)


@pytest.mark.parametrize("at", ["here", "1, 2", "nan"])
def test_a_location_that_cannot_be_read_is_refused(at):
    with pytest.raises(BadStep, match="no location"):
        Step.parse(f"put the red block at ({at}) on the table")
