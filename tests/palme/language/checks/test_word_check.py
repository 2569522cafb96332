"""The word check passes what is right, and stops programs with one thing wrong."""

import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from palme.language.checks.check import violations
from palme.language.checks.languages import foreign_violations, language_of
from palme.language.programs.calls import Program
from palme.language.programs.parser import parse
from tests.palme.language.checks.corrupt import corrupted

HERE = Path(__file__).parent
NO_ENGLISH = ("languages", "refuse")


@cache
def _pairs(name: str) -> tuple[tuple[str, str, Program], ...]:
    raw = yaml.safe_load((HERE / f"{name}.yaml").read_text(encoding="utf-8"))
    return tuple((part, sentence, parse(text)) for part, some in raw.items() for sentence, text in some)


def _english(name: str) -> Iterator[tuple[str, Program]]:
    return ((sentence, program) for part, sentence, program in _pairs(name) if part not in NO_ENGLISH)


def _stopped(sentence: str, program: Program) -> bool:
    return any(one.sure for one in violations(sentence, program))


@pytest.mark.parametrize("name", ["pairs", "fresh"])
def test_few_right_programs_are_refused(name: str) -> None:
    refused = [sentence for sentence, program in _english(name) if _stopped(sentence, program)]
    assert len(refused) <= 0.03 * len(list(_english(name))), refused


@pytest.mark.parametrize("name", ["pairs", "fresh"])
def test_most_programs_with_one_thing_wrong_are_stopped(name: str) -> None:
    rng = random.Random(7)
    wrong = [(sentence, *one) for sentence, program in _english(name) for one in corrupted(program, rng)]
    drawn = rng.sample(wrong, 600)
    caught = [(kind, _stopped(sentence, program)) for sentence, kind, program in drawn]
    assert sum(stopped for _, stopped in caught) >= 0.9 * len(caught)
    drawn_of, caught_of = Counter(kind for kind, _ in caught), Counter(kind for kind, yes in caught if yes)
    for kind in ("colour", "direction", "number", "superlative", "place", "size"):
        assert caught_of[kind] >= 0.85 * drawn_of[kind], kind


def test_no_word_that_the_arm_knows_nothing_of_is_acted_on() -> None:
    raw = yaml.safe_load((HERE / "strange.yaml").read_text(encoding="utf-8"))
    passed = [sentence for sentence, text in raw if not _stopped(sentence, parse(text))]
    assert not passed


@pytest.mark.parametrize(
    ("sentence", "program", "kind"),
    [
        ("do not put the red block in the blue bowl", "put(red block, in blue bowl)", "negation"),
        ("put the red block in the blue bowl", "put(green block, in blue bowl)", "looks"),
        ("put the red block on the blue block", "put(blue block, on red block)", "relation"),
        ("move the red block 10 cm to the left", "move(red block, left 12)", "distance"),
        ("is the red block in the blue bowl?", "put(red block, in blue bowl)", "question"),
        ("put the red blocks in the blue bowl", "put(red block, in blue bowl)", "quantifier"),
        ("if the blue bowl is empty put the red block in it", "put(red block, in blue bowl)", "condition"),
        (
            "if the bowl is empty put the red block there, else on the table",
            "if exists(bowl [empty]): put(red block, on table) else: put(red block, on table)",
            "condition",
        ),
        ("don't let the red block stay in the blue bowl", "keep(red block [in blue bowl])", "call"),
        ("put the item that isn't red in the blue bowl", "put(thing, in blue bowl)", "negation"),
        ("take the red block out of the blue bowl", "put(red block, in blue bowl)", "role"),
        ("is the red block on the table or in the bowl?", "exists(red block [on table])", "question"),
        ("how many blocks does the tower have?", "count(tower)", "question"),
        ("put two blocks in the blue bowl", "put(3 block, in blue bowl)", "number"),
        ("put the leftmost block in the bowl", "put(block, in bowl)", "superlative"),
        ("swap the red and the blue block", "put(red block, on blue block)", "call"),
        ("put the smallest block on the leftmost one", "put(block [smallest], side left)", "relation"),
        ("the rightmost red block goes to the bowl", "put(red block, right of bowl)", "relation"),
        ("I want a single red block in the bowl, no more", "put(2 red block, in bowl)", "quantifier"),
        ("either of the two red blocks may go in the bowl", "put(2 red block, in bowl)", "quantifier"),
        (
            "when a red block is on the table you put it in there, else you put in the green one",
            "if not exists(red block [on table]): put(red block, in bowl) else: put(green thing, in bowl)",
            "negation",
        ),
    ],
)  # fmt: skip
def test_each_check_finds_its_own(sentence: str, program: str, kind: str) -> None:
    assert kind in {one.kind for one in violations(sentence, parse(program)) if one.sure}


@pytest.mark.parametrize(
    ("sentence", "program"),
    [
        ("unless the red block is in the bowl put it there, else put the green one there",
         "if not exists(red block [in bowl]): put(red block, in bowl) else: put(green block, in bowl)"),
        ("if there is no red block put the green block in the bowl, otherwise the blue block",
         "if not exists(red block): put(green block, in bowl) else: put(blue block, in bowl)"),
        ("if the bowl is empty put the red block in it, else the green block",
         "if not exists(thing [in bowl]): put(red block, in bowl) else: put(green block, in bowl)"),
    ],
)  # fmt: skip
def test_what_asks_whether_it_is_not_so_may(sentence: str, program: str) -> None:
    assert "not" not in {one.what for one in violations(sentence, parse(program)) if one.kind == "negation"}


@pytest.mark.parametrize("text", ["refuse(beyond)", "refuse(unclear)", "refuse(absent)"])
def test_a_refusal_needs_no_words(text: str) -> None:
    assert violations("wibble the zorgle, never the red one", parse(text)) == ()


def test_what_was_taken_back_may_have_no_counterpart() -> None:
    said = "put the red block in the green bowl, no, the yellow block"
    assert not _stopped(said, parse("put(yellow block, in green bowl)"))
    assert _stopped(said, parse("put(red block, in green bowl)"))


def test_every_violation_tells_a_person_what_is_wrong() -> None:
    rng = random.Random(2)
    for sentence, program in list(_english("fresh"))[::4]:
        for _, wrong in corrupted(program, rng):
            assert all(one.told and one.what is not None for one in violations(sentence, wrong))


# ---- other languages


def test_languages_are_told_apart() -> None:
    spoken = [sentence for part, sentence, _ in _pairs("pairs") if part == "languages"]
    assert all(language_of(sentence) not in ("en", "other") for sentence in spoken)
    assert {language_of(sentence) for sentence, _ in _english("pairs")} == {"en"}
    assert language_of("Weka kizuizi chekundu kwenye bakuli la buluu") == "other"


def test_right_programs_of_other_languages_pass() -> None:
    for part, sentence, program in _pairs("pairs"):
        if part == "languages":
            found = foreign_violations(sentence, program, language_of(sentence))
            assert not [one for one in found if one.sure], sentence


def test_another_colour_is_stopped_in_every_language() -> None:
    rng = random.Random(5)
    for part, sentence, program in _pairs("pairs"):
        wrong = [one for kind, one in corrupted(program, rng) if kind == "colour"]
        if part == "languages" and wrong and program.text.startswith(("put", "move", "count")):
            name = language_of(sentence)
            caught = [any(v.sure for v in foreign_violations(sentence, one, name)) for one in wrong]
            assert sum(caught) >= 0.5 * len(caught), sentence


@pytest.mark.parametrize(
    "sentence",
    ["不要碰黄色的方块", "لا تحرك المكعب الأصفر", "nicht den gelben Block bewegen", "не трогай жёлтый кубик",
     "ne touche pas le bloc jaune", "no muevas el bloque amarillo", "jangan sentuh balok kuning"],
)  # fmt: skip
def test_a_negation_of_another_language_is_not_lost(sentence: str) -> None:
    name = language_of(sentence)
    lost = foreign_violations(sentence, parse("put(yellow block, on table)"), name)
    assert "negation" in {one.kind for one in lost if one.sure}
    assert not [one for one in foreign_violations(sentence, parse("keep(yellow block)"), name) if one.sure]


@pytest.mark.parametrize(
    ("sentence", "right", "wrong"),
    [
        (
            "put what's in the red bowl on whatever is on the green cylinder",
            "put(thing [in red bowl], on thing [on green cylinder])",
            "put(thing [in red bowl], on green cylinder)",
        ),
        (
            "the pink block goes next to the one that sits under the blue cylinder",
            "put(pink block, next to thing [under blue cylinder])",
            "put(pink block, under blue cylinder)",
        ),
        (
            "all cylinders and all purple blocks in the pink bowl, except the cylinder behind the blue bowl",
            "put(all cylinder [except cylinder [behind blue bowl]] + purple block, in pink bowl)",
            "put(all cylinder [except purple block [behind blue bowl]], in pink bowl)",
        ),
        (
            "the red block goes into the blue bowl, the pink one joins the red block",
            "put(red block, in blue bowl); put(pink block, in bowl [holding red block])",
            "put(red block, in blue bowl); put(pink block, on table)",
        ),
        (
            "first the red block into the blue bowl, then let the pink block join the red block",
            "put(red block, in blue bowl); put(pink block, in blue bowl)",
            "put(red block, in blue bowl); put(pink block, in green bowl)",
        ),
    ],
)
def test_what_is_told_by_where_it_is_or_stands_beside_an_exception_is_not_lost(
    sentence: str, right: str, wrong: str
) -> None:
    assert not _stopped(sentence, parse(right))
    assert _stopped(sentence, parse(wrong))
