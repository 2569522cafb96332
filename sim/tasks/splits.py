"""Which colour pairs are never asked for in training, so that a test can ask for what is new.

About a tenth of the ordered pairs of different colours is held out for each relation. Every colour
still appears in training on either side, and every colour appears in some held-out pair.
"""

from __future__ import annotations

import random

from robots.skills import COLOURS

HELD_OUT_IN_BOWL: frozenset[tuple[str, str]] = frozenset(
    (c, COLOURS[(i + (3 if i % 2 else 5)) % 8]) for i, c in enumerate(COLOURS) if i != 6
)
"""(block colour, bowl colour): 7 of 64."""

HELD_OUT_ON_BLOCK: frozenset[tuple[str, str]] = frozenset(
    (c, COLOURS[(i + (1 if i % 2 else 3)) % 8]) for i, c in enumerate(COLOURS) if i not in (0, 5)
)
"""(upper colour, lower colour): 6 of 56."""


def colours_for_bowl(rng: random.Random, split: str) -> tuple[str, str]:
    """(block colour, bowl colour) that `split` may ask for."""
    if split == "held_out":
        return rng.choice(sorted(HELD_OUT_IN_BOWL))
    while True:
        pair = (rng.choice(COLOURS), rng.choice(COLOURS))
        if split != "train" or pair not in HELD_OUT_IN_BOWL:
            return pair


def colours_for_tower(rng: random.Random, n: int, split: str) -> tuple[str, ...]:
    """`n` different colours, bottom to top, whose neighbours `split` may ask for.

    "train" holds no held-out pair, "held_out" at least one.
    """
    while True:
        colours = tuple(rng.sample(COLOURS, n))
        new = any(pair in HELD_OUT_ON_BLOCK for pair in zip(colours[1:], colours[:-1], strict=True))
        if split in ("validation", "test") or new == (split == "held_out"):
            return colours
