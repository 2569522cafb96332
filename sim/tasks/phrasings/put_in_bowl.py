"""Training sentences of put_in_bowl: who goes where, said in either mention order."""

from __future__ import annotations

import random
from functools import cache

from sim.tasks.phrasings import nouns, written
from sim.tasks.phrasings.common import WRITTEN, dress, rules
from sim.tasks.phrasings.grammar import Grammar

STARTS = ("sentence",)


@cache
def grammar() -> Grammar:
    """The grammar, read when first needed."""
    return Grammar({**rules("common"), **rules("put_in_bowl")})


def sentence(block: str, bowl: str, rng: random.Random) -> str:
    """One of very many ways to ask for `block` ("red block") to be put into `bowl` ("blue bowl")."""
    if rng.random() < WRITTEN["put_in_bowl"]:
        return dress(written.in_bowl(block, bowl, rng), rng)
    text = grammar().expand("sentence", rng)
    text = text.replace("{block}", nouns.name(block, rng))
    text = text.replace("{bowl}", nouns.name(bowl, rng, alone=0.05))
    return dress(text, rng)
