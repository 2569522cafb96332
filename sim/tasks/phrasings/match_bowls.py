"""Training sentences of match_bowls: everything to its own colour, with nothing named."""

from __future__ import annotations

import random
from functools import cache

from sim.tasks.phrasings import written
from sim.tasks.phrasings.common import WRITTEN, dress, rules
from sim.tasks.phrasings.grammar import Grammar

STARTS = ("sentence",)


@cache
def grammar() -> Grammar:
    """The grammar, read when first needed."""
    return Grammar({**rules("common"), **rules("match_bowls")})


def sentence(rng: random.Random) -> str:
    """One of very many ways to ask for every block to be put into the bowl of its colour."""
    if rng.random() < WRITTEN["match_bowls"]:
        return dress(written.matched(rng), rng)
    return dress(grammar().expand("sentence", rng), rng)
