"""Noise on the words of a training prompt: unknown words, other words, and a masked instruction."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

from palme.language.small_vocabulary import ANSWER_WORDS, plain_words, small_vocabulary
from palme.language.vocabulary import ENTITY_WORDS, OBJECT_WORDS, UNK
from robots.skills import COLOURS, SHADES

MASKED = 0.35  # share of tower instructions that are masked where a text encoder encodes them as well

_NAMES = frozenset((
    *COLOURS, *(w for shade in SHADES for w in shade.split()), *ENTITY_WORDS, *OBJECT_WORDS, "<read>",
))  # fmt: skip
_CONTENT = frozenset(
    """
    red orange yellow green cyan blue purple pink in into inside on onto upon over above under
    underneath below beneath within atop between top tops bottom bottoms base first last then next up
    down upward upwards downward downwards lowest highest upper lower higher lowermost uppermost topmost
    bottommost undermost before after reverse order starting ending begin beginning end start finish
    foundation crown foot head peak summit roof cap apex ground floor ceiling sky table from to toward
    towards with without it its that which this each one two three four second third fourth number same
    match matching matches sort own stack stacks stacked stacking tower towers pile piles piled column
    pillar totem skyscraper heap layer layers level levels storey storeys story follows followed
    following preceding successor predecessor support supports carries carry bear bears rest rests sits
    sit stands bowl bowls dish dishes basin container containers cup plate tray saucer pot vessel bin
    receptacle bucket tub basket holder pan ring block blocks cube cubes box boxes brick bricks piece
    square toy die dice cuboid lego chunk item cylinder can tube tin drum barrel peg canister pipe disc
    fill hold holds contain contains color colour colors colours coloured colored hue shade respective
    corresponding every all light dark not except than earlier later counting reading ascending
    descending increasing decreasing rising falling growing sinking topped
    """.split()
)


@cache
def _droppable() -> tuple[frozenset[str], tuple[str, ...]]:
    """Words that may be replaced (none that gives a direction, as "attic" does), and their replacements."""
    words = frozenset(plain_words()) - _CONTENT - frozenset(ANSWER_WORDS)
    return words, tuple(w for w in small_vocabulary() if w in words and w.isalpha())


def drop_words(words: Sequence[str], prompt: int, rng: random.Random) -> list[str]:
    """`words`; in 30 % of cases some plain words of the question are unknown or another word.

    Args:
        words: a sequence.
        prompt: number of words of its prompt.
        rng: source of the draws.
    """
    kept = list(words)
    if rng.random() > 0.3:
        return kept
    droppable, fillers = _droppable()
    for i in range(3, prompt):
        if words[i] == "robot":
            break
        if words[i] in droppable and rng.random() < 0.12:
            kept[i] = UNK if rng.random() < 0.6 else rng.choice(fillers)
    return kept


def mask_instruction(words: Sequence[str], end: int, rng: random.Random) -> list[str]:
    """`words`; in a share `MASKED` of cases the instruction, up to word `end`, keeps its names alone.

    The direction of a tower then has to come from the text encoder's features.
    """
    if rng.random() >= MASKED:
        return list(words)
    return [UNK if 3 <= i < end and w not in _NAMES else w for i, w in enumerate(words)]
