"""Simulated detections of a symbolic state with a detector's errors: training data without rendering."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from palme.language.answers import State
from robots.skills import COLOURS, KINDS

_N = len(COLOURS) * len(KINDS)


@dataclass(frozen=True)
class DetectionNoise:
    """Rates and sizes of a simulated detector's errors.

    Attributes:
        unsure: share of classes and holders with a probability of 0.55 to 1 on the truth.
        wrong: share of classes and holders whose most probable value is wrong.
        extra: share of objects that are detected twice.
        place_m: standard deviation of a position in [m], per axis.
    """

    unsure: float = 0.12
    wrong: float = 0.003
    extra: float = 0.004
    place_m: float = 0.004


SHARP = DetectionNoise(unsure=0.0, wrong=0.0, extra=0.0, place_m=0.0)


def perceive(
    state: State, listed: Sequence[int], rng: random.Random, noise: DetectionNoise
) -> dict[str, Any]:
    """The fields of `PerceivedObjects` for objects `listed` of `state`, in that order, duplicates last.

    An object that is not `listed` is not detected; objects on it are reported on the table.
    """
    twice = [i for i in listed if rng.random() < noise.extra]
    rows = [*listed, *twice]
    n = len(rows)
    column = {i: k for k, i in enumerate(listed)}
    class_probs = np.zeros((n, _N), np.float32)
    holder_probs = np.zeros((n, n + 1), np.float32)
    size_probs = np.empty((n, 2), np.float32)
    score = np.empty(n, np.float32)
    places = _places(state, rng)
    xyz = np.empty((n, 3), np.float32)
    for k, i in enumerate(rows):
        spec = state.objects[i]
        c, m = COLOURS.index(spec.colour), KINDS.index(spec.kind)
        true = m * 8 + c
        u = rng.random()
        if u < 0.8:
            other = m * 8 + (c + rng.choice((-1, 1))) % 8
        else:
            other = rng.choice(((m + 1) % 3, (m + 2) % 3)) * 8 + c
        p = _confidence(rng, noise)
        class_probs[k, true] += p
        class_probs[k, other] += 1 - p
        h = state.holder[i]
        true = column.get(h, n) if h is not None else n
        other = n if true != n and rng.random() < 0.5 else rng.randrange(n + 1)
        p = 1 - rng.random() * 0.004 if m == 2 else _confidence(rng, noise)
        holder_probs[k, true] += p
        holder_probs[k, other if other != k else n] += 1 - p
        large = getattr(spec, "size", "small") == "large"
        p = 1 - rng.random() * 0.3
        size_probs[k] = (1 - p, p) if large else (p, 1 - p)
        score[k] = 1 - rng.random() * (0.6 if k >= len(listed) else 0.1)
        x, y, z = places[i]
        s = noise.place_m
        xyz[k] = (x + rng.gauss(0, s), y + rng.gauss(0, s), z + rng.gauss(0, s))
    return {
        "class_probs": class_probs,
        "size_probs": size_probs,
        "xyz": xyz,
        "holder_probs": holder_probs,
        "score": score,
    }


def _confidence(rng: random.Random, noise: DetectionNoise) -> float:
    u = rng.random()
    if u < noise.wrong:
        return rng.uniform(0.05, 0.45)
    if u < noise.wrong + noise.unsure:
        return rng.uniform(0.55, 1.0)
    return 1 - rng.random() * 0.02


def _places(state: State, rng: random.Random) -> list[tuple[float, float, float]]:
    """Centres in [m] that fit the state: upright stacks, objects in a bowl near its middle."""
    places: dict[int, tuple[float, float, float]] = {}

    def place(i: int) -> tuple[float, float, float]:
        if i not in places:
            h = state.holder[i]
            if h is None:
                z = 0.015 if state.objects[i].kind == "bowl" else 0.02
                places[i] = (rng.uniform(0.33, 0.67), rng.uniform(-0.3, 0.3), z)
            else:
                x, y, z = place(h)
                rise, spread = (0.01, 0.02) if state.objects[h].kind == "bowl" else (0.038, 0.004)
                places[i] = (x + rng.uniform(-spread, spread), y + rng.uniform(-spread, spread), z + rise)
        return places[i]

    return [place(i) for i in range(len(state.objects))]
