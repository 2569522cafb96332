"""Spoken lists: "a, b and c" and the many other ways to say things in order."""

from __future__ import annotations

import random
from collections.abc import Sequence

from sim.tasks.phrasings import nouns

ORDINALS = ("first", "second", "third", "fourth")
NUMBERS = ("one", "two", "three", "four")


def _comma_and(items: Sequence[str]) -> str:
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _oxford(items: Sequence[str]) -> str:
    return f"{', '.join(items[:-1])}, and {items[-1]}"


def _finally(items: Sequence[str], start: str, middle: str, end: str) -> str:
    parts = [f"{start} {items[0]}".strip(), *(f"{middle} {i}" for i in items[1:-1]), f"{end} {items[-1]}"]
    return ", ".join(parts)


PLAIN = (
    _comma_and,
    _comma_and,
    _oxford,
    ", ".join,
    ", then ".join,
    " then ".join,
)
"""What anybody may put into a slot of a phrasings file."""

SPOKEN = (
    *PLAIN,
    *PLAIN,
    " and ".join,
    ", and then ".join,
    " and then ".join,
    ", next ".join,
    ", after that ".join,
    ", followed by ".join,
    " followed by ".join,
    " before ".join,
    "; ".join,
    " - ".join,
    " ".join,
    lambda x: _finally(x, "first", "then", "finally"),
    lambda x: _finally(x, "first", "then", "and then"),
    lambda x: _finally(x, "first", "next", "last"),
    lambda x: _finally(x, "first", "after that", "and at last"),
    lambda x: _finally(x, "first", "next", "then"),
    lambda x: _finally(x, "", "then", "and finally"),
    lambda x: _finally(x, "", "next", "and lastly"),
    lambda x: _finally(x, "", "after it", "in the end"),
    lambda x: _finally(x, "first", "then", "then"),
    lambda x: ", then ".join((f"{x[0]} first", *x[1:])),
    lambda x: ", ".join(f"{o} {i}" for o, i in zip(ORDINALS, x, strict=False)),
    lambda x: ", ".join(f"{n} {i}" for n, i in zip(NUMBERS, x, strict=False)),
    lambda x: " ".join(f"{n}) {i}" for n, i in enumerate(x, 1)),
    lambda x: ", ".join(f"number {n} {i}" for n, i in zip(NUMBERS, x, strict=False)),
)


def plain(blocks: Sequence[str], rng: random.Random) -> str:
    """`blocks` ("red block", ...) in their order, as a template file's slot is filled."""
    style = rng.random()
    if style < 0.5:
        items = [f"the {b}" for b in blocks]
    else:
        items = [b.split()[0] for b in blocks] if style < 0.85 else list(blocks)
    return rng.choice(PLAIN)(items)


def items_of(blocks: Sequence[str], rng: random.Random) -> list[str]:
    """A phrase for each block, mostly all in one manner."""
    u = rng.random()
    if u < 0.3:
        return [nouns.colour_word(b.split()[0], rng) for b in blocks]
    if u < 0.38:
        return [f"the {nouns.colour_word(b.split()[0], rng)} one" for b in blocks]
    if u < 0.42:
        return [f"the {b.split()[0]}" for b in blocks]
    if u < 0.5:
        return [nouns.name(b, rng, alone=0.3) for b in blocks]
    word = nouns.noun("block", rng)
    if u < 0.75:
        return [f"the {b.split()[0]} {word}" for b in blocks]
    if u < 0.9:
        return [f"{b.split()[0]} {word}" for b in blocks]
    return [nouns.name(b, rng, word, alone=0.0) for b in blocks]


def spoken(items: Sequence[str], rng: random.Random) -> str:
    """`items` in their order, in any manner of speaking."""
    return rng.choice(SPOKEN)(items)
