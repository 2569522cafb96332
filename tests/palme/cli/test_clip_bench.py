"""`palme bench clip`: what it counts is right, and its sentences tell one thing from all others."""

import numpy as np
import pytest

from palme.cli.bench.clip_outcomes import _another, _scores
from palme.cli.bench.clip_steps import draw_task, phrase
from palme.cli.bench.clip_zero_shot import figures, named
from palme.planners.clip.planner import read_order
from robots.skills import COLOURS
from sim.appearances.registry import COMBINATIONS, SHAPES, TEXTURES, appearance_named, is_held_out
from sim.data.appearance_scenes import spec_of
from sim.tasks.symbolic import feasible_steps
from tests.planner_fakes import scene

ATTRIBUTES = (COLOURS, tuple(SHAPES), TEXTURES)


class Knowing:
    """A CLIP that reads a crop's first pixel, which says what it shows, and the words of a text."""

    scale, least = 10.0, -1.0

    def __init__(self, wrong: int = 0) -> None:
        self.wrong = wrong  # of the first crops it takes the colour for another

    def images(self, rgb: np.ndarray) -> np.ndarray:
        rows = []
        for k, picture in enumerate(rgb):
            told = picture[0, 0].astype(int).tolist()
            if k < self.wrong:
                told[0] = (told[0] + 1) % len(COLOURS)
            parts = zip(ATTRIBUTES, told, strict=True)
            rows.append(np.concatenate([np.eye(len(a))[t % len(a)] for a, t in parts]))
        return (np.array(rows) / np.sqrt(3)).astype(np.float32)

    def texts(self, texts: list[str]) -> np.ndarray:
        rows = [[float(word in text.split()) for a in ATTRIBUTES for word in a] for text in texts]
        return (np.array(rows) / np.sqrt(3)).astype(np.float32)


def questions(n: int) -> tuple[np.ndarray, np.ndarray]:
    held = [c for c in COMBINATIONS if is_held_out(*c)]
    drawn = [held[k] for k in np.random.default_rng(0).integers(len(held), size=n)]
    truth = [
        (COLOURS.index(c), list(SHAPES).index(look.shape), TEXTURES.index(look.texture)) for c, look in drawn
    ]
    crops = np.zeros((n, 64, 64, 3), np.uint8)
    crops[:, 0, 0] = truth
    return crops, np.array(truth)


def test_one_that_knows_is_right_and_its_controls_are_not() -> None:
    crops, truth = questions(60)
    found = figures(Knowing(), crops, truth, seed=0)
    assert (found["n"], found["right"], found["among_held_out"]["right"]) == (60, 60, 60)
    assert found["answers"] == len(COMBINATIONS)
    assert found["among_held_out"]["answers"] == sum(is_held_out(*c) for c in COMBINATIONS)
    assert found["blanked"]["right"] < 6
    assert found["shuffled"]["right"] < 6
    assert found["wilson95"][0] > 0.9


def test_what_is_wrong_is_counted_as_wrong() -> None:
    crops, truth = questions(60)
    found = figures(Knowing(wrong=15), crops, truth, seed=0)
    assert found["right"] == found["colour"]["right"] == 45
    assert found["shape"]["right"] == found["texture"]["right"] == 60


def test_every_combination_has_a_text_of_its_own() -> None:
    texts = [named(c) for c in COMBINATIONS]
    assert len(set(texts)) == len(texts)
    assert "a red striped duck" in texts
    assert "an orange dotted mug" in texts
    assert "a plain red block" in texts


@pytest.mark.parametrize("seed", range(4))
def test_a_sentence_tells_its_things_from_all_others(seed: int) -> None:
    shown, sentence, what, target = draw_task(seed)
    specs = [o.spec for o in shown.objects]
    order = read_order(sentence)
    assert order.is_in
    for said, own, bowls in ((order.what, what, False), (order.target, target, True)):
        words = set(said.split())
        fits = []
        for k, spec in enumerate(specs):
            look = appearance_named(spec.look or spec.kind)
            given = {"colour": spec.colour, "texture": look.texture, "shape": look.shape}
            named_here = words & {*COLOURS, *TEXTURES, *SHAPES}
            if (spec.kind == "bowl") == bowls and named_here <= set(given.values()):
                fits.append(k)
        assert fits == [own], sentence


def test_things_that_look_alike_have_no_phrase() -> None:
    import random

    twins = [spec_of(COMBINATIONS[3]), spec_of(COMBINATIONS[3])]
    assert phrase(0, twins, [0, 1], random.Random(0)) is None


def test_another_step_is_never_the_one_that_was_asked_for() -> None:
    state = scene("red block", "green block > blue bowl", "yellow cylinder", "blue bowl", "pink bowl")
    rng = np.random.default_rng(0)
    for asked in (s for s in feasible_steps(state) if s.target != "table"):
        done = {_another(asked, state, rng) for _ in range(20)}
        assert asked not in done
        assert len(done) > 1


def test_f1_is_of_the_positive_class() -> None:
    found = _scores([True, True, False, False], [True, False, False, True])
    assert (found["precision"], found["recall"], found["f1"], found["right"]) == (0.5, 0.5, 0.5, 2)
    assert _scores([False], [False])["f1"] == 0.0
