"""Captions: true of what they are drawn from, in many words, and known to be untrue of the rest."""

import random

import numpy as np

from palme.training.datasets.captions import (
    AFTER,
    ANY,
    BEFORE,
    IN,
    ON,
    SHAPE_WORDS,
    Claim,
    Names,
    caption,
    claim_about,
    phrase,
)
from robots.skills import COLOURS
from sim.appearances.registry import SHAPES, TEXTURES

NAMES = Names(COLOURS, tuple(SHAPES), TEXTURES)
RED, BLUE = COLOURS.index("red"), COLOURS.index("blue")
BOWL, DUCK, BLOCK = (NAMES.shapes.index(s) for s in ("bowl", "duck", "block"))
PLAIN, STRIPED = NAMES.textures.index("plain"), NAMES.textures.index("striped")


def crop(*items: tuple[int, int, int], relation: int = IN) -> tuple[np.ndarray, np.ndarray]:
    rows, relations = np.full((4, 3), -1, np.int8), np.full(3, -1, np.int8)
    rows[: len(items)] = items
    relations[: len(items) - 1] = relation
    return rows, relations


def holds(claim: Claim, shown: tuple[np.ndarray, np.ndarray]) -> bool:
    return bool(claim.true_of(shown[0][None], shown[1][None])[0])


def test_every_shape_and_texture_of_the_simulator_has_words() -> None:
    assert set(SHAPE_WORDS) == set(SHAPES)
    assert set(BEFORE) == set(AFTER) == set(TEXTURES)


def test_a_drawn_claim_is_true_of_its_own_crop() -> None:
    rng = random.Random(0)
    for _ in range(500):
        items = [(rng.randrange(8), rng.randrange(15), rng.randrange(8)) for _ in range(rng.randint(1, 4))]
        shown = crop(*items, relation=rng.choice((IN, ON)))
        claim = claim_about(*shown, pile=len(items) > 1 or rng.random() < 0.5, rng=rng)
        assert holds(claim, shown), (items, claim)


def test_a_claim_fails_where_one_thing_it_says_is_otherwise() -> None:
    duck_in_bowl = crop((BLUE, BOWL, PLAIN), (RED, DUCK, STRIPED))
    said = Claim((BLUE, BOWL, ANY), ((RED, DUCK, STRIPED),))
    assert holds(said, duck_in_bowl)
    for other in (
        crop((RED, BOWL, PLAIN), (RED, DUCK, STRIPED)),
        crop((BLUE, BOWL, PLAIN), (BLUE, DUCK, STRIPED)),
        crop((BLUE, BOWL, PLAIN), (RED, DUCK, PLAIN)),
        crop((BLUE, BOWL, PLAIN), (RED, DUCK, STRIPED), relation=ON),
        crop((BLUE, BOWL, PLAIN)),
        crop((RED, DUCK, STRIPED), (BLUE, BOWL, PLAIN)),
    ):
        assert not holds(said, other)
    assert holds(Claim((BLUE, BOWL, PLAIN), ()), crop((BLUE, BOWL, PLAIN)))
    assert not holds(Claim((BLUE, BOWL, PLAIN), ()), duck_in_bowl)


def test_two_things_that_are_said_must_be_two() -> None:
    said = Claim((ANY, BOWL, ANY), ((RED, ANY, ANY), (RED, ANY, ANY)))
    assert not holds(said, crop((BLUE, BOWL, PLAIN), (RED, DUCK, PLAIN)))
    assert holds(said, crop((BLUE, BOWL, PLAIN), (RED, DUCK, PLAIN), (RED, BLOCK, PLAIN)))


def test_one_thing_is_said_in_many_ways_and_words_that_are_not_said_stay_out() -> None:
    rng = random.Random(0)
    said = {phrase((RED, DUCK, STRIPED), NAMES, rng) for _ in range(300)}
    assert len(said) > 30
    assert "a red striped duck" in said
    assert "a striped red duck" in said
    for text in {phrase((ANY, DUCK, ANY), NAMES, rng) for _ in range(100)}:
        assert not any(colour in text.split() for colour in COLOURS)
        assert "duck" in text


def test_captions_of_piles_say_what_is_in_what() -> None:
    rng = random.Random(0)
    claim = Claim((BLUE, BOWL, ANY), ((RED, BLOCK, ANY),))
    said = {caption(claim, NAMES, rng) for _ in range(300)}
    assert any(text.endswith("red block in a blue bowl") for text in said)
    assert all(" in " in text for text in said)
    empty = {caption(Claim((BLUE, BOWL, ANY), ()), NAMES, rng) for _ in range(100)}
    assert any("empty" in text for text in empty)
    assert any("nothing in it" in text for text in empty)
