"""The slots of training sentences about towers: lists, ends, and pairs such as "green on red".

`part` fills them from the blocks' phrases, bottom to top.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from sim.tasks.phrasings import lists

_ON = (
    "on top of", "on top of", "on top of", "on top of", "on top of", "on", "on", "on", "onto", "atop",
    "over", "above", "upon", "resting on", "sitting on", "standing on", "which is on", "which sits on",
    "that is on top of", "lying on", "placed on", "stacked on", "on the top of", "supported by",
    "right on top of", "which rests on", "directly on",
)  # fmt: skip
_UNDER = (
    "under", "below", "beneath", "underneath", "supporting", "carrying", "topped by", "topped with",
    "under", "bearing", "which carries", "which supports", "which is under", "directly below",
    "holding up", "crowned by", "which is below", "covered by",
)  # fmt: skip
_GOES_ON = (
    "goes on", "goes on top of", "sits on", "on", "is on", "should be on", "on top of", "rests on",
    "should go on", "stands on", "belongs on", "must be on", "is placed on", "is above", "lies on",
)  # fmt: skip
_CARRIES = (
    "carries", "supports", "is under", "is below", "is beneath", "should carry", "under", "holds",
    "is underneath", "has on top of it", "should be under", "must be below", "goes under", "bears",
)  # fmt: skip
_THEN = (", then ", " and then ", ", and ", " and ", ", ", "; ", ", after that ", ", next ", ". then ")
_ON_IT = ("on it", "on top of it", "on that", "on top of that", "above it", "over it", "over that")
_PUT = ("put", "put", "place", "stack", "set", "lay", "move", "drop", "pile")


def _pairs(below: Sequence[str], above: Sequence[str], words: Sequence[str], rng: random.Random) -> list[str]:
    word = rng.choice(words)
    return [f"{a} {word} {b}" for a, b in zip(above, below, strict=True)]


def _on_pairs_up(x: Sequence[str], rng: random.Random) -> str:
    return rng.choice(_THEN).join(_pairs(x[:-1], x[1:], _ON, rng))


def _on_pairs_down(x: Sequence[str], rng: random.Random) -> str:
    return rng.choice((" and ", ", and ", ", ", "; ")).join(_pairs(x[:-1], x[1:], _ON, rng)[::-1])


def _goes_pairs(x: Sequence[str], rng: random.Random) -> str:
    pairs = _pairs(x[:-1], x[1:], _GOES_ON, rng)
    return rng.choice((" and ", ", ", ", and ", ", then ")).join(pairs if rng.random() < 0.5 else pairs[::-1])


def _carry_pairs(x: Sequence[str], rng: random.Random) -> str:
    pairs = _pairs(x[1:], x[:-1], _CARRIES, rng)
    return rng.choice((" and ", ", ", ", and ")).join(pairs if rng.random() < 0.7 else pairs[::-1])


def _put_pairs(x: Sequence[str], rng: random.Random) -> str:
    verb = rng.choice(_PUT)
    pairs = _pairs(x[:-1], x[1:], ("on", "on top of", "onto"), rng)
    return rng.choice(_THEN).join(f"{verb} {p}" for p in pairs)


def _put_it_chain(x: Sequence[str], rng: random.Random) -> str:
    verb = rng.choice(_PUT)
    on = rng.choice((*_ON_IT, "on top", "onto it"))
    return rng.choice(_THEN).join(f"{verb} {a} {on}" for a in x[1:])


def _on_which_chain(x: Sequence[str], rng: random.Random) -> str:
    on = rng.choice((*_ON_IT, "on which"))
    goes = rng.choice(("", "comes ", "goes ", "sits ", "is ", "rests ", "put "))
    return ", ".join((x[0], *(f"{on} {goes}{a}" for a in x[1:])))


_MAKERS: dict[str, Callable[[Sequence[str], random.Random], str]] = {
    "bottom_to_top": lists.spoken,
    "top_to_bottom": lambda x, rng: lists.spoken(x[::-1], rng),
    "bottom": lambda x, rng: x[0],
    "top": lambda x, rng: x[-1],
    "rest_up": lambda x, rng: lists.spoken(x[1:], rng) if len(x) > 2 else x[1],
    "rest_down": lambda x, rng: lists.spoken(x[-2::-1], rng) if len(x) > 2 else x[0],
    "middle_up": lambda x, rng: ", ".join(x[1:-1]) if rng.random() < 0.5 else " and ".join(x[1:-1]),
    "middle_down": lambda x, rng: " and ".join(x[-2:0:-1]) if rng.random() < 0.5 else ", ".join(x[-2:0:-1]),
    "on_chain": lambda x, rng: f" {rng.choice(_ON)} ".join(x[::-1]),
    "under_chain": lambda x, rng: f" {rng.choice(_UNDER)} ".join(x),
    "on_pairs_up": _on_pairs_up,
    "on_pairs_down": _on_pairs_down,
    "goes_pairs": _goes_pairs,
    "carry_pairs": _carry_pairs,
    "put_pairs": _put_pairs,
    "put_it_chain": _put_it_chain,
    "on_which_chain": _on_which_chain,
}


def part(slot: str, items: Sequence[str], rng: random.Random) -> str:
    """What stands for `slot` when `items` name the blocks from the bottom to the top."""
    text = _MAKERS[slot](items, rng)
    return text.replace("  ", " ")
