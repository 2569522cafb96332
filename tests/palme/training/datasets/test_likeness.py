"""No line of the instruction grammars is a sentence of a suite with other things in it.

What a suite says is never shown: a line that is too near one is named by its own text.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml

from palme.training.datasets.instructions.drawing import Instructions
from palme.training.datasets.instructions.grammar import Grammar, Rule
from palme.training.datasets.instructions.language import Language, languages
from tests.palme.training.datasets.likeness import Likeness

SUITES = sorted((Path(__file__).parents[4] / "configs" / "suites").glob("*.yaml"))
THINGS = {
    "colour": (Rule("red", {"": ("red", "scarlet")}), Rule("blue", {"": ("blue",)})),
    "block": (Rule("", {"": ("block", "cube", "brick")}),),
    "looks": (Rule("{colour} block", {"": ("{colour} {block}",)}),),
    "place": (Rule("in bowl", {"": ("into the bowl", "in a dish")}),),
    "kin": (Rule("", {"": ("my uncle", "the gardener")}),),
    "bowl_word": (Rule("", {"": ("bowl", "dish")}),),
}
EVERYDAY = tuple(f"put it {word} in a dish , into the bowl or under it" for word in ("over", "down", "back"))


def likeness(*lines: str) -> Likeness:
    """Of a grammar with these lines, among many everyday ones."""
    ways = Rule("put ( {looks} , {place} )", {"": (*lines, *EVERYDAY)})
    return Likeness(Grammar({**THINGS, "put_of": (ways,)}))


@cache
def sentences() -> tuple[str, ...]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    suites = (yaml.load(path.read_text("utf-8"), loader) for path in SUITES)
    return tuple(str(case["say"]) for suite in suites for case in suite["cases"])


def test_no_english_line_is_near_a_sentence_of_a_suite() -> None:
    like = Likeness(Instructions().english)
    assert len(like.lines) > 1000 and len(sentences()) > 500
    near = like.near(sentences())
    assert not near, f"say these {len(near)} lines of the grammar in other words, or leave them out"


@pytest.mark.parametrize("language", languages(), ids=lambda one: one.name)
def test_no_line_of_another_language_is_near_a_sentence_of_a_suite(language: Language) -> None:
    near = Likeness(language.grammar).near(sentences())
    assert not near, f"say these {len(near)} lines of the grammar in other words, or leave them out"


LINE = "promise {kin} that the {looks} sleeps {place} before (sunset|the moon rises)"


@pytest.mark.parametrize(
    "sentence",
    [
        "Promise my uncle that the red block sleeps in a dish before sunset!",
        "promise the gardener that the left blue cube sleeps into the bowl before the moon rises",
        "promise my uncle that the scarlet brick sleeps under it before sunset",  # one word of it is another
    ],
)
def test_other_things_do_not_hide_a_copy(sentence: str) -> None:
    assert likeness(LINE).near([sentence]) == [LINE]


@pytest.mark.parametrize(
    "sentence",
    [
        "put the red block back into the bowl",  # what everybody says
        "promise that the red block sleeps",  # too short to be anybody's own
        "my uncle keeps that red block in a dish whenever the moon rises",
        "promise my uncle whatever he likes, and the red block wakes in a dish before sunset",
        "put the red block in a dish before sunset",
        "",
    ],
)
def test_what_is_said_otherwise_is_no_copy(sentence: str) -> None:
    assert likeness(LINE).near([sentence]) == []


def test_letters_are_compared_where_no_spaces_are_written() -> None:
    line = "请 趁 着 月 亮 出 来 把 {looks} 藏 起"
    assert likeness(line).near(["请趁着月亮出来把red cube藏起。"]) == [line]
    assert likeness(line).near(["太阳落山以后把red cube放到一边。"]) == []
