"""Crops of single things and of piles with what they show, as `palme train clip` reads them.

One folder a part: an array a name, `done.json` with the names of colours, shapes and textures when it is
complete. rgb (n, 64, 64, 3) uint8; pile (n,) bool, whether the crop is of a bowl or a pile; items (n, 4, 3)
int8, colour, shape and texture by number of the thing, or of what is at the bottom of the pile and then of
what is in or on it, -1 = none; relations (n, 3) int8 of all items but the first, 0 = in, 1 = on, -1 = none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from palme.perception.square_crops import PILE_SIDE, PIXELS, SOLID_SIDE, square_crops
from palme.training.datasets.finished_parts import DONE
from robots.files import write_text
from robots.skills import COLOURS
from robots.types import CameraFrame
from sim.appearances.registry import SHAPES, TEXTURES, appearance_named
from sim.data.appearance_views import ITEMS, Shown, training_combinations, views
from sim.world.state import ObjectSpec

AIM, SCALE = 0.006, 0.12  # [m], and share of a side: a detector's places are not exact
CUTS = 2  # crops of each thing in each picture
Labelled = tuple[NDArray[np.uint8], Shown]


def write_part(folder: Path, n: int, seed: int) -> None:
    """`n` crops of combinations that are not held out into `folder`. A finished part is left as it is."""
    if (folder / DONE).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    shapes: dict[str, tuple[tuple[int, ...], type]] = {
        "rgb": ((PIXELS, PIXELS, 3), np.uint8), "pile": ((), np.bool_),
        "items": ((ITEMS, 3), np.int8), "relations": ((ITEMS - 1,), np.int8),
    }  # fmt: skip
    out = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=(n, *shape))
        for name, (shape, dtype) in shapes.items()
    }
    for k, (rgb, thing) in zip(range(n), _crops(np.random.default_rng(seed)), strict=False):
        out["rgb"][k], out["pile"][k] = rgb, thing.pile
        out["items"][k], out["relations"][k] = encoded(thing)
    for array in out.values():
        array.flush()
    names = {"colours": COLOURS, "shapes": list(SHAPES), "textures": TEXTURES}
    write_text(folder / DONE, json.dumps({"n": n, "seed": seed, **names}))


def _crops(rng: np.random.Generator) -> Iterator[Labelled]:
    for frame, things in views(rng, training_combinations()):
        for _ in range(CUTS):
            yield from zip(cut(frame, things, rng), things, strict=True)


def cut(frame: CameraFrame, things: list[Shown], rng: np.random.Generator | None) -> NDArray[np.uint8]:
    """Crops (N, 64, 64, 3) around things, as inexact as a detector's places; exact without `rng`."""
    points = np.array([thing.point for thing in things]).reshape(-1, 3)
    sides = np.array([PILE_SIDE if thing.pile else SOLID_SIDE for thing in things])
    if rng is not None:
        points = points + rng.normal(0, AIM, points.shape)
        sides = sides * np.exp(rng.normal(0, SCALE, sides.shape))
    return square_crops(frame, points, sides.tolist())


def numbers(spec: ObjectSpec) -> tuple[int, int, int]:
    """Colour, shape and texture of an object by number."""
    look = appearance_named(spec.look or spec.kind)
    return COLOURS.index(spec.colour), list(SHAPES).index(look.shape), TEXTURES.index(look.texture)


def encoded(thing: Shown) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """(4, 3) `numbers` of the items, and (3,) relations; -1 = none."""
    items, relations = np.full((ITEMS, 3), -1, np.int8), np.full(ITEMS - 1, -1, np.int8)
    for k, spec in enumerate(thing.items):
        items[k] = numbers(spec)
    relations[: len(thing.relations)] = thing.relations
    return items, relations
