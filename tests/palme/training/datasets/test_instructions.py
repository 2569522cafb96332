"""Drawn instructions: programs that can be read, sentences as people write them, repeatable by seed."""

import random
import re
from collections import Counter
from itertools import islice

import pytest
import yaml

from palme.language.programs.parser import MAX_WORDS, parse
from palme.training.datasets.instructions.chatter import Chatter
from palme.training.datasets.instructions.drawing import (
    ALIKE,
    CATEGORIES,
    FOLDER,
    OTHER_LANGUAGES,
    Instructions,
)
from palme.training.datasets.instructions.grammar import Grammar, Rule
from palme.training.datasets.instructions.haste import Haste
from palme.training.datasets.instructions.language import skeleton
from palme.training.datasets.instructions.slips import PATH as SLIPS
from palme.training.datasets.instructions.slips import Slips

EITHER = frozenset(("of",))
"""Also a word of its own, which the words around tell apart."""


@pytest.fixture(scope="module")
def instructions() -> Instructions:
    return Instructions()


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_category_has_many_sentences_and_every_program_can_be_read(
    instructions: Instructions, category: str
) -> None:
    rng = random.Random(category)
    drawn = [instructions.one(rng, category) for _ in range(40)]
    assert all(parse(example.program).text == example.program for example in drawn)
    assert all(len(example.program.split()) < MAX_WORDS for example in drawn)
    assert len({example.sentence for example in drawn}) > (10 if category in ("cancelled", "matched") else 25)


def test_the_same_seed_draws_the_same_sentences(instructions: Instructions) -> None:
    first, second = (list(islice(instructions.examples(random.Random(7)), 50)) for _ in range(2))
    assert first == second
    assert first != list(islice(instructions.examples(random.Random(8)), 50))


def test_categories_come_as_often_as_they_weigh(instructions: Instructions) -> None:
    n = 2000
    found = Counter(
        e.category for e in islice(instructions.examples(random.Random(1), hasty=0.0, contrasted=0.0), n)
    )
    total = sum(CATEGORIES.values())
    expected = dict.fromkeys(CATEGORIES, 0.0)
    everywhere = tuple(category for category in CATEGORIES if category in skeleton())
    for category, weight in CATEGORIES.items():
        others = (category,) if category in skeleton() else ALIKE.get(category, everywhere)
        expected[category] += n * (1 - OTHER_LANGUAGES) * weight / total
        for other in others:
            expected[other] += n * OTHER_LANGUAGES * weight / total / len(others)
    for category, often in expected.items():
        assert abs(found[category] - often) < 5 * often**0.5 + 3, category


def test_colours_and_numbers_of_the_program_stand_in_the_sentence(instructions: Instructions) -> None:
    """A red thing is never called by the word of another colour."""
    words = {
        "red": "red scarlet crimson ruby vermilion", "blue": "blue navy azure cobalt",
        "yellow": "yellow lemon golden gold mustard canary",
    }  # fmt: skip
    rng = random.Random(4)
    for _ in range(400):
        example = instructions.one(rng, "plain_put")
        for colour, said in words.items():
            in_program = colour in example.program.split()
            bare = re.sub("(?:light|sky) blue|[^a-z]", " ", example.sentence)
            in_sentence = any(word in bare.split() for word in said.split())
            assert in_program == in_sentence, example


def test_a_slip_changes_letters_and_makes_no_other_word(instructions: Instructions) -> None:
    """However it slips: a tube becomes no tub, and on becomes no "no"."""
    meant = "put the yellow tube on the left of the red one , not on two pink cubes in the bowl".split()
    words = Grammar.load(*sorted((FOLDER / "english").glob("*.yaml"))).words
    slips, rng, changed = Slips.load(words), random.Random(0), 0
    small = {"th", "un", "om", "n"}  # pieces of other words
    for _ in range(2000):
        typed = slips.misspelt(rng, " ".join(meant), 0.5).split()
        for word, said in zip(meant, typed, strict=False) if len(typed) == len(meant) else ():
            changed += said != word
            assert said == word or said not in words - small, (word, said)
    assert changed > 3000


@pytest.mark.parametrize("word", yaml.load(SLIPS.read_text("utf-8"), yaml.BaseLoader))
def test_a_listed_slip_is_nobody_elses(word: str) -> None:
    listed = yaml.load(SLIPS.read_text("utf-8"), yaml.BaseLoader)
    others = {slip for other, slips in listed.items() if other != word for slip in (*slips, other)}
    assert not set(listed[word]) & (others - EITHER), word


def test_talk_around_a_request_leaves_its_words_in_their_order(instructions: Instructions) -> None:
    chatter, rng = Chatter(instructions.english), random.Random(3)
    for named in (True, False):
        for _ in range(300):
            text = chatter.around(rng, "put the red block into the blue bowl", None, True, named)
            assert re.search("put the red block.* into the blue bowl", text), text
            assert len(text) > 40


def test_a_question_stays_a_question() -> None:
    said = {
        "before": "please",
        "after": "please",
        "between": "um",
        "story": "hello .",
        "ask": "please",
        "asked": "please",
        "asking": "robot ,",
    }
    rules = {name: [Rule("", {"": (word,)})] for name, word in said.items()}
    haste = Haste(Grammar(rules), Slips({}))
    rng = random.Random(0)
    for _ in range(100):
        assert "please" not in haste.written(rng, "is it red ?").lower()
