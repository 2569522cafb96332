"""Noise on sentences for training: strangers use words that no grammar foresaw, and mistype."""

from __future__ import annotations

import random
import re

from sim.tasks.phrasings.nouns import SHADES

_SAFE = (
    "please kindly could can would will you me my our your the a an that this now just so well okay ok"
    " hey hi hello robot thanks thank for us i we want like need to d should must has have is be let s"
    " make sure it task goal job go ahead try right once ready when whenever start by begin quickly"
    " carefully gently slowly simply today put place move set lay get bring take build make create"
    " construct stack pile arrange"
).split()
SAFE = frozenset(_SAFE)
"""Words that may be lost, misspelt or replaced without changing what is asked for."""

ASIDES = (
    "by the way", "I think", "you know", "if that is fine", "as we said", "no hurry", "my dear",
    "for once", "honestly", "believe me", "er", "um", "uh", "you see", "obviously", "as usual", "again",
    "really", "actually", "basically", "sort of", "if I may ask", "in fact", "let me think",
    "like I told you", "as a favour", "this time", "somehow", "maybe", "indeed",
)  # fmt: skip

_COLOURS = frozenset((*SHADES, *(shade for shades in SHADES.values() for shade in shades)))
_ONSETS = "b br c ch cl d dr f fl g gr h j k l m n p pl qu r s sh sl st str t th tr v w z".split()
_VOWELS = "a e i o u ai ea oo ou ee".split()
_CODAS = " b ck d ff g l ll m n nd ng nt p r rd rk s sh st t th x".split(" ")
_WORD = re.compile(r"[A-Za-z]+|[^A-Za-z]+")


def pseudo_word(rng: random.Random) -> str:
    """A word of one or two syllables that (most likely) does not exist, and never a colour."""
    while True:  # short ones are often real, and "top" or "red" would change what is asked for
        syllables = range(rng.choice((1, 2, 2)))
        word = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in syllables)
        if len(word) >= 5 and word not in _COLOURS:
            return word


def typo(word: str, rng: random.Random) -> str:
    """`word` with two letters swapped, one lost or one doubled."""
    if len(word) < 3:
        return word
    i = rng.randrange(len(word) - 1)
    return rng.choice((
        word[:i] + word[i + 1] + word[i] + word[i + 2 :],
        word[:i] + word[i + 1 :],
        word[: i + 1] + word[i] + word[i + 1 :],
    ))  # fmt: skip


def augment(sentence: str, rng: random.Random, rate: float = 0.5) -> str:
    """`sentence` with asides, unknown words, lost words and typos, where they do not change the meaning.

    Args:
        rate: share of the sentences that are changed at all.
    """
    if rng.random() >= rate:
        return sentence
    parts = _WORD.findall(sentence)
    for _ in range(rng.choice((1, 1, 2, 3))):
        safe = [i for i, part in enumerate(parts) if part.lower() in SAFE]
        u = rng.random()
        if u < 0.3 or not safe:
            _insert(parts, rng)
            continue
        i = rng.choice(safe)
        if u < 0.5:
            parts[i] = ""
        elif u < 0.8:
            parts[i] = pseudo_word(rng)
        else:
            parts[i] = typo(parts[i], rng)
    return re.sub(r"\s+", " ", "".join(parts)).strip()


def _insert(parts: list[str], rng: random.Random) -> None:
    """An aside before, after or, set off by commas, between two words that do not belong together."""
    text = rng.choice(ASIDES) if rng.random() < 0.6 else pseudo_word(rng)
    gaps = [i for i, part in enumerate(parts) if part.lower() in SAFE]
    u = rng.random()
    if u < 0.35 or not gaps:
        parts.insert(0, f"{text}, " if rng.random() < 0.5 else f"{text} ")
    elif u < 0.6:
        parts.append(f", {text}" if rng.random() < 0.5 else f" {text}")
    else:
        parts.insert(rng.choice(gaps), f"{text} ")
