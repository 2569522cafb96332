"""Zero-shot naming by CLIP: things in combinations of colour, shape and texture that no training showed.

A question is a crop of a thing that is held out; the answers are the texts of all combinations, those of
training too (generalised zero-shot), as CLIP classifies pictures by the names of classes (Radford et al.
2021, section 3.1). `among_held_out` has the held-out ones alone as answers, which is easier: of one shape and
texture only one or two colours are held out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palme.cli.bench.base import Bar
from palme.cli.evaluation.appearance_crops import cut, numbers
from palme.models.clip.base import Clip
from palme.report.stats import wilson
from robots.skills import COLOURS
from sim.appearances.registry import COMBINATIONS, PLAIN, SHAPES, TEXTURES, is_held_out
from sim.data.appearance_scenes import Combination
from sim.data.appearance_views import held_out_combinations, views

SEED_SPACE = 8_100_000  # apart from every seed that data are made with
PROMPTS = ("{}", "a photo of {}", "this is {}")  # their vectors are averaged, as CLIP's are


def named(combination: Combination) -> str:
    """ "a red striped duck"; of one without a texture "a plain red duck"."""
    colour, look = combination
    words = (
        f"plain {colour} {look.shape}" if look.texture == PLAIN else f"{colour} {look.texture} {look.shape}"
    )
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def class_vectors(clip: Clip, combinations: list[Combination]) -> NDArray[np.float32]:
    """(C, D) unit vectors, each the mean over `PROMPTS`."""
    vectors = sum(clip.texts([prompt.format(named(c)) for c in combinations]) for prompt in PROMPTS)
    assert isinstance(vectors, np.ndarray)  # noqa: S101 - there are prompts
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def asked(seed: int) -> Iterator[tuple[NDArray[np.uint8], tuple[int, int, int]]]:
    """Crops of single things and empty bowls without end, and colour, shape and texture by number."""
    for frame, things in views(np.random.default_rng([SEED_SPACE, seed]), held_out_combinations(), arm=0.0):
        alone = [
            thing for thing in things
            if not thing.pile or (thing.items[0].kind == "bowl" and len(thing.items) == 1)
        ]  # fmt: skip
        for rgb, thing in zip(cut(frame, alone, None), alone, strict=True):
            yield rgb, numbers(thing.items[0])


def bench_zero_shot(clip: Clip, n: int, seed: int, bar: Bar) -> dict[str, Any]:
    """Counts over `n` questions, with blanked pictures and shuffled texts beside them."""
    crops, truth = [], []
    with bar("zero-shot", n) as progress:
        for rgb, what in asked(seed):
            crops.append(rgb)
            truth.append(what)
            progress.update(1)
            if len(crops) == n:
                break
    return figures(clip, np.stack(crops), np.array(truth), seed)


def figures(clip: Clip, crops: NDArray[np.uint8], truth: NDArray[np.int64], seed: int) -> dict[str, Any]:
    """See module.

    Args:
        clip: pictures and texts in one space.
        crops: (n, 64, 64, 3).
        truth: (n, 3) colour, shape and texture of each by number.
        seed: of the shuffle.
    """
    every = list(COMBINATIONS)
    rng = np.random.default_rng(seed)
    attributes = np.array([_numbers(c) for c in every])  # (C, 3)
    held = np.array([is_held_out(*c) for c in every])
    texts = class_vectors(clip, every)
    own = np.array([int(np.flatnonzero((attributes == t).all(1))[0]) for t in truth])

    n = len(crops)
    cosines = clip.images(crops) @ texts.T  # (n, C)
    best, among = cosines.argmax(1), np.where(held[None], cosines, -np.inf).argmax(1)
    blank = clip.images(np.full_like(crops, 127)) @ texts.T
    shuffled = cosines[:, rng.permutation(len(every))]
    hits = int((best == own).sum())
    return {
        "n": n,
        "right": hits,
        "wilson95": _interval(hits, n),
        "answers": len(every),
        "among_held_out": {"answers": int(held.sum()), **_counted(among == own)},
        "blanked": _counted(blank.argmax(1) == own),
        "shuffled": _counted(shuffled.argmax(1) == own),
        **{
            name: _counted(attributes[best][:, k] == truth[:, k])
            for k, name in enumerate(("colour", "shape", "texture"))
        },
    }


def _numbers(combination: Combination) -> tuple[int, int, int]:
    colour, look = combination
    return COLOURS.index(colour), list(SHAPES).index(look.shape), TEXTURES.index(look.texture)


def _counted(hits: NDArray[np.bool_]) -> dict[str, Any]:
    k, n = int(hits.sum()), len(hits)
    return {"n": n, "right": k, "wilson95": _interval(k, n)}


def _interval(k: int, n: int) -> list[float]:
    return [round(x, 4) for x in wilson(k, n)]
