"""Captions of crops without end: claims about what a crop shows, said with synonyms and in many orders.

A claim names some attributes of a thing, or of a pile's bottom and of what is in or on it. Which crops of a
batch it is true of is known, so that no crop counts as a wrong one of a text that is true of it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ANY = -1  # an attribute that is not said
IN, ON = 0, 1
PLAIN = "plain"
Item = tuple[int, int, int]
"""Colour, shape and texture by number, `ANY` = not said."""

SHAPE_WORDS: dict[str, tuple[str, ...]] = {
    "block": ("block", "block", "cube"), "cylinder": ("cylinder", "cylinder", "can"),
    "bowl": ("bowl", "bowl", "dish"), "pyramid": ("pyramid",),
    "cross": ("cross", "plus sign"), "duck": ("duck", "toy duck", "rubber duck"),
    "bunny": ("bunny", "rabbit"), "teddy": ("teddy", "teddy bear", "bear"), "cone": ("cone",),
    "ball": ("ball", "sphere"), "dome": ("dome",), "star": ("star",),
    "hexagon": ("hexagon", "hexagonal prism"), "ring": ("ring", "tube"), "mug": ("mug", "cup"),
}  # fmt: skip
BEFORE: dict[str, tuple[str, ...]] = {
    "plain": ("plain", "plain", "unpatterned"), "striped": ("striped", "striped", "stripy"),
    "dotted": ("dotted", "dotted", "spotted", "polka-dot"), "checked": ("checked", "checkered", "chequered"),
    "shiny": ("shiny", "shiny", "metallic", "polished", "glossy"), "wooden": ("wooden", "wooden", "wood"),
    "speckled": ("speckled", "speckled", "flecked"), "plaid": ("plaid", "plaid", "tartan"),
}  # fmt: skip
AFTER: dict[str, tuple[str, ...]] = {
    "plain": ("without a pattern",), "striped": ("with stripes",), "dotted": ("with dots", "with spots"),
    "checked": ("with a checked pattern",), "shiny": ("made of metal", "that shines"),
    "wooden": ("made of wood",), "speckled": ("with speckles",), "plaid": ("with a plaid pattern",),
}  # fmt: skip
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("crimson", "scarlet"), "orange": ("tangerine",), "yellow": ("lemon",), "green": ("emerald",),
    "cyan": ("turquoise", "aqua"), "blue": ("azure",), "purple": ("violet", "lilac"), "pink": ("rose",),
}  # fmt: skip
THINGS = ("thing", "object", "one", "toy", "item")
OPENINGS = ("", "", "", "", "a photo of ", "a picture of ", "this is ", "there is ", "I see ")
SHADE = 0.1  # share of colours that a shade stands for
NO_COLOUR, NO_TEXTURE, NO_SHAPE = 0.2, 0.2, 0.12  # shares of things of which it is not said


@dataclass(frozen=True)
class Names:
    """Names of what the numbers of crops stand for."""

    colours: tuple[str, ...]
    shapes: tuple[str, ...]
    textures: tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """What a caption says of a crop.

    Attributes:
        item: of the thing, or of what is at the bottom of the pile.
        carried: what is in or on it, at least; None = nothing is said, () = nothing is there.
        relation: `IN` or `ON`, where something is carried.
    """

    item: Item
    carried: tuple[Item, ...] | None = None
    relation: int = IN

    def true_of(self, items: NDArray[np.int8], relations: NDArray[np.int8]) -> NDArray[np.bool_]:
        """(B,) whether it holds of crops with `items` (B, 4, 3) and `relations` (B, 3)."""
        right = _match(self.item, items[:, 0])
        if self.carried is None:
            return right
        if not self.carried:
            return right & (items[:, 1, 0] < 0)
        free = np.ones(items.shape[:1] + (items.shape[1] - 1,), bool)
        for item in self.carried:
            fits = free & _match(item, items[:, 1:]) & (relations == self.relation) & (items[:, 1:, 0] >= 0)
            right &= fits.any(1)
            free[np.arange(len(free)), fits.argmax(1)] &= ~fits.any(1)
        return right


def _match(item: Item, items: NDArray[np.int8]) -> NDArray[np.bool_]:
    wanted = np.array(item)
    return ((wanted == ANY) | (items == wanted)).all(-1)


def claim_about(
    items: NDArray[np.int8], relations: NDArray[np.int8], pile: bool, rng: random.Random
) -> Claim:
    """A claim that is true of a crop with `items` (4, 3) and `relations` (3,)."""
    first, *rest = (tuple(map(int, item)) for item in items if item[0] >= 0)
    if not pile:
        return Claim(_some_of(first, rng))
    if not rest:
        return Claim(_some_of(first, rng), () if rng.random() < 0.8 else None)
    if rng.random() < 0.1:
        return Claim(_some_of(first, rng))
    relation = int(relations[0])
    direct = [item for item, r in zip(rest, relations, strict=False) if r == relation]
    direct = direct if relation == IN else direct[:1]
    rng.shuffle(direct)
    several = len(direct) > 1 and rng.random() < 0.35
    return Claim(
        _some_of(first, rng), tuple(_some_of(i, rng) for i in direct[: 2 if several else 1]), relation
    )


def _some_of(item: Sequence[int], rng: random.Random) -> Item:
    """Some attributes of a thing, at least one."""
    colour, shape, texture = item
    said = [rng.random() >= share for share in (NO_COLOUR, NO_SHAPE, NO_TEXTURE)]
    if not any(said):
        said[rng.randrange(3)] = True
    return (colour if said[0] else ANY, shape if said[1] else ANY, texture if said[2] else ANY)


def caption(claim: Claim, names: Names, rng: random.Random) -> str:
    """The claim in words."""
    thing = phrase(claim.item, names, rng)
    if claim.carried is None:
        return rng.choice(OPENINGS) + thing
    is_bowl = claim.item[1] >= 0 and names.shapes[claim.item[1]] == "bowl"
    if not claim.carried:
        empty = ["{t} with nothing in it", "an empty {n}", "{t}, empty"] if is_bowl else [
            "{t} with nothing on it", "{t} with a free top", "{t} that carries nothing"]  # fmt: skip
        return rng.choice(OPENINGS) + rng.choice(empty).format(t=thing, n=_bare(thing))
    inside = " and ".join(phrase(item, names, rng) for item in claim.carried)
    word = "in" if claim.relation == IN else rng.choice(("on", "on", "on top of"))
    pronoun = "in" if claim.relation == IN else "on"
    return rng.choice(OPENINGS) + rng.choice(
        (f"{inside} {word} {thing}", f"{inside} {word} {thing}", f"{thing} with {inside} {pronoun} it")
    )


def phrase(item: Item, names: Names, rng: random.Random) -> str:
    """A thing with its article: "a red striped duck"."""
    colour, shape, texture = item
    words = []
    noun = rng.choice(SHAPE_WORDS[names.shapes[shape]] if shape >= 0 else THINGS)
    after = ""
    if texture >= 0:
        name = names.textures[texture]
        if rng.random() < 0.2:
            after = " " + rng.choice(AFTER[name])
        else:
            words.append(rng.choice(BEFORE[name]))
    if colour >= 0:
        name = names.colours[colour]
        words.append(rng.choice(COLOUR_WORDS[name]) if rng.random() < SHADE else name)
    rng.shuffle(words)
    if len(words) == 2 and rng.random() < 0.1:
        return f"{_with_article(noun)} that is {words[0]} and {words[1]}"
    return _with_article(" ".join([*words, noun]), rng.random() < 0.25) + after


def _with_article(text: str, definite: bool = False) -> str:
    return f"the {text}" if definite else f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def _bare(thing: str) -> str:
    return thing.partition(" ")[2]
