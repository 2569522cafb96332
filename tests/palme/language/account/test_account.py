"""Only sentences whose every word is understood pass; altered ones are refused or mean the same."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import yaml

from palme.errors import NoMotion
from palme.language.account.account import Account, NotAccounted
from palme.language.answers import Goal
from robots.skills import COLOURS, Step

HERE = Path(__file__).parent
HOSTILE = yaml.safe_load((HERE / "hostile.yaml").read_text(encoding="utf-8"))
ORDINARY = yaml.safe_load((HERE / "ordinary.yaml").read_text(encoding="utf-8"))
TOLD = [(text, asked) for asked, texts in ORDINARY.items() for text in texts]
account = Account()


def asked(sentence):
    """What the sentence is read as, as `ordinary.yaml` writes it."""
    goal = account(sentence).goal
    return " ".join((goal.kind, *goal.order))


def asked_or_refused(sentence):
    try:
        return asked(sentence)
    except NotAccounted:
        return None


@pytest.mark.parametrize(("sentence", "goal"), TOLD)
def test_an_ordinary_sentence_is_read_as_it_is_meant(sentence, goal):
    assert asked(sentence) == goal
    assert asked(f"  {sentence.upper()} ! ") == goal


def test_there_are_many_hostile_sentences_of_many_kinds():
    sentences = [s for kind in HOSTILE.values() for s in kind]
    assert len(sentences) == len(set(sentences)) >= 400 and len(HOSTILE) >= 15
    assert all(len(kind) >= 10 for kind in HOSTILE.values())


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_sentence_that_asks_for_something_else_is_refused(kind):
    accepted = [s for s in HOSTILE[kind] if asked_or_refused(s) is not None]
    assert not accepted


@pytest.mark.parametrize("sentence", [s for kind in HOSTILE.values() for s in kind[:3]])
def test_a_refusal_names_what_is_not_understood_and_what_can_be_done(sentence):
    with pytest.raises(NoMotion) as caught:
        account(sentence)
    text = str(caught.value)
    assert "I can put a block" in text and "stack" in text and "sort" in text
    assert all(word in text for word in caught.value.words[:8])


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("put the rad block in the blue bowl", 'did you mean "red"?'),
        ("put the red blok in the blue bowl", 'did you mean "block"?'),
        ("put the black block in the blue bowl", "nothing here has; there are red, orange"),
        ("put the larger red block in the blue bowl", "a size"),
        ("if you see it put the red block in the blue bowl", '"if" (a condition)'),
        ("put the red blocks in the blue bowl", "How many"),
        ("put the red block, then the blue bowl", "what they ask for together"),
        ("stack red on green on blue on pink on cyan", "two to four"),
        ("stack red on green on red", "twice"),
        ("stack the red cylinder on the green block", "the red cylinder is none"),
        ("", "no words"),
    ],
)
def test_a_refusal_says_why(sentence, said):
    with pytest.raises(NotAccounted) as caught:
        account(sentence)
    assert said in str(caught.value)


CHANGING = (
    "not never don't no out off big small larger left behind next two three both all-but except unless if or "
    "when then-back slowly quickly except-for without half other second rot ball under above until instead "
    "ne-pas maybe-not twice away empty upside-down every-other colourless first-not left-of"
).split()


@pytest.mark.parametrize("word", CHANGING)
def test_a_word_that_changes_the_meaning_is_refused_wherever_it_stands(word):
    passed = []
    for sentence, _ in TOLD:
        words = sentence.split()
        for k in range(len(words) + 1):
            altered = " ".join((*words[:k], word.replace("-", " "), *words[k:]))
            if asked_or_refused(altered) is not None:
                passed.append(altered)
    assert not passed


def typos(word):
    for i in range(len(word)):
        yield word[:i] + word[i + 1 :]
        yield word[: i + 1] + word[i] + word[i + 1 :]
        yield word[:i] + "x" + word[i + 1 :]
        yield word[:i] + word[i + 1 : i + 2] + word[i : i + 1] + word[i + 2 :]


def test_a_mistyped_sentence_is_refused_or_read_as_it_was_meant():
    n, wrong = 0, []
    for sentence, goal in TOLD:
        words = sentence.split()
        for k, word in enumerate(words):
            for typo in set(typos(word)) - {word}:
                n += 1
                altered = " ".join((*words[:k], typo, *words[k + 1 :]))
                if asked_or_refused(altered) not in (None, goal):
                    wrong.append(altered)
    assert n > 10_000 and not wrong, (n, wrong[:20])


def test_a_sentence_with_a_word_lost_or_two_exchanged_is_refused_or_asks_for_no_other_things():
    n, wrong = 0, []
    for sentence, goal in TOLD:
        words = sentence.split()
        for k in range(len(words)):
            lost = (*words[:k], *words[k + 1 :])
            turned = (*words[:k], *words[k : k + 2][::-1], *words[k + 2 :])
            for altered in (lost, turned):
                n += 1
                found = asked_or_refused(" ".join(altered))
                if found is not None and not _colours(found) <= _colours(goal):  # "red on green [on blue]"
                    wrong.append((" ".join(altered), found))
    assert n > 1_500 and not wrong, (n, wrong[:20])


def _colours(text):
    return set(re.findall("|".join(COLOURS), text))


def test_two_sentences_said_in_one_are_refused():
    rng = random.Random(0)
    for _ in range(400):
        (a, _), (b, _) = rng.sample(TOLD, 2)
        joint = rng.choice((" ", ", ", ". ", " and ", " and then ", ", then ", " after that "))
        assert asked_or_refused(f"{a}{joint}{b}") is None, f"{a}{joint}{b}"


@pytest.mark.parametrize("colour", COLOURS)
def test_every_step_into_a_bowl_or_onto_a_block_is_a_sentence_too(colour):
    for other in COLOURS:
        for kind in ("block", "cylinder"):
            step = Step.put(f"{colour} {kind}", f"{other} bowl")
            assert asked(step.text) == f"in {other}_bowl {colour}_{kind}"
        if other != colour:
            step = Step.put(f"{colour} block", f"{other} block")
            assert asked(step.text) == f"stack {other}_block {colour}_block"


def test_a_long_sentence_is_refused_at_once():
    for text in ("please " * 5000, "put the red block " * 2000, "red " * 3000, "a" * 100_000, "( [ " * 9000):
        with pytest.raises(NotAccounted):
            account(text)


def test_whole_sentences_can_be_known_besides():
    known = Account(
        {("in", ""): ["Feed {s} to {b}!"], ("stack", "down"): ["hat first: {l}"], ("match", ""): ["tidy"]}
    )
    assert known("feed the red block to your blue bowl").goal == Goal("in", ("blue_bowl", "red_block"))
    assert known("Hat first: red, green").goal.order == ("green_block", "red_block")
    assert known("tidy").kind == "match"
    with pytest.raises(NotAccounted):
        account("feed the red block to your blue bowl")


@pytest.mark.parametrize(
    ("sentence", "goal", "names", "allowed"),
    [
        ("put the red block in the blue bowl", ("in", "blue_bowl", "red_block"), (), True),
        ("put the red block in the blue bowl", ("in", "blue_bowl", "red_cylinder"), (), False),
        ("put the red block in the blue bowl", ("in", "red_bowl", "blue_block"), (), False),
        ("put the red block in the blue bowl", ("stack", "blue_block", "red_block"), (), False),
        ("put the red block in the blue bowl", ("match",), (), False),
        ("put red in the blue bowl", ("in", "blue_bowl", "red_cylinder"), (), True),
        ("put obj_2 in the blue bowl", ("in", "blue_bowl", "red_block"), ("pink bowl", "red block"), True),
        ("put obj_1 in the blue bowl", ("in", "blue_bowl", "red_block"), ("pink bowl", "red block"), False),
        ("put obj_3 in the blue bowl", ("in", "blue_bowl", "red_block"), ("pink bowl", "red block"), False),
        ("stack red on green on blue", ("stack", "blue_block", "green_block", "red_block"), (), True),
        ("stack red on green on blue", ("stack", "red_block", "green_block", "blue_block"), (), False),
        ("stack red on green on blue", ("stack", "green_block", "red_block"), (), False),
        ("sort the blocks by colour", ("match",), (), True),
    ],
)
def test_a_reading_allows_its_own_goal_alone(sentence, goal, names, allowed):
    kind, *order = goal
    assert account(sentence).allows(Goal(kind, tuple(order)), names) is allowed
