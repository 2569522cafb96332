"""How one object is named: determiners, synonyms, colour before or after, colour alone."""

from __future__ import annotations

import random

from robots import skills

NOUNS = {
    "block": (
        "block", "cube", "box", "brick", "piece", "square", "toy block", "building block", "die",
        "dice", "wooden block", "toy", "cuboid", "lego", "little block", "wooden cube", "toy brick",
        "chunk", "item",
    ),
    "bowl": (
        "bowl", "dish", "basin", "container", "cup", "plate", "tray", "saucer", "pot", "vessel", "bin",
        "receptacle", "bucket", "tub", "basket", "holder", "pan", "mixing bowl", "soup bowl",
        "round container", "open container", "small dish", "ring",
    ),
    "cylinder": (
        "cylinder", "can", "tube", "tin", "drum", "barrel", "pillar", "column", "roll", "peg",
        "canister", "pipe", "disc", "round block",
    ),
}  # fmt: skip
"""The canonical noun first: it is drawn half of the time."""

SHADES = {c: tuple(s for s, of in skills.SHADES.items() if of == c and " " not in s) for c in skills.COLOURS}
"""For each colour its shades of one word."""

DETERMINERS = ("the",) * 14 + ("that", "this", "your", "our", "my", "a", "", "")
COLOUR_AFTER = ("that is", "which is", "coloured", "colored", "of colour", "that looks")
SIZE_WORDS = ("little", "small", "big", "large", "tiny", "nice", "shiny", "plastic", "wooden")


def noun(kind: str, rng: random.Random) -> str:
    """A word for `kind`."""
    nouns = NOUNS[kind]
    return nouns[0] if rng.random() < 0.5 else rng.choice(nouns)


def colour_word(colour: str, rng: random.Random) -> str:
    """The colour's name, now and then a shade's."""
    return rng.choice(SHADES[colour]) if rng.random() < 0.03 else colour


def name(thing: str, rng: random.Random, word: str | None = None, alone: float = 0.08) -> str:
    """A phrase for `thing` ("red block").

    Args:
        word: the noun to use; None draws one.
        alone: how often a block or bowl goes by its colour alone ("the red one", "red").
    """
    colour, kind = thing.split()
    shade = colour_word(colour, rng)
    u = rng.random()
    if kind != "cylinder" and u < alone:
        return shade if u < 0.3 * alone else f"the {shade} one"
    if word is None:
        word = noun(kind, rng)
    determiner = rng.choice(DETERMINERS)
    v = rng.random()
    if v < 0.86:
        phrase = f"{shade} {word}"
    elif v < 0.89:
        phrase = f"{rng.choice(SIZE_WORDS)} {shade} {word}"
    elif v < 0.92:
        phrase = f"{shade} coloured {word}"
    elif v < 0.94:
        phrase = f"{shade} colored {word}"
    elif v < 0.97:
        phrase = f"{word} {rng.choice(COLOUR_AFTER)} {shade}"
    else:
        phrase = f"{word} painted {shade}"
    return f"{determiner} {phrase}" if determiner else phrase
