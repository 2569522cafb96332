"""Training sentences of stack_tower: the order said by cues, by named places, pair by pair.

A list without any cue is read in the order of building, bottom first.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cache

from sim.tasks.phrasings import lists, written
from sim.tasks.phrasings.common import WRITTEN, dress, rules
from sim.tasks.phrasings.grammar import Grammar
from sim.tasks.phrasings.tower_parts import part

STARTS = ("lists", "parts", "parts_of_three", "pair")
SIDES = {"up": "{bottom_to_top}", "down": "{top_to_bottom}"}

_SLOT = re.compile(r"\{(\w+)\}")


@cache
def grammar() -> Grammar:
    """The grammar, read when first needed."""
    written = {**rules("common"), **rules("stack_tower"), **rules("tower_parts")}
    for name, text in rules("tower_sides").items():
        if not name.startswith("S_"):
            written[name] = text
            continue
        for side, slot in SIDES.items():
            written[f"{side}{name[1:]}"] = text.replace("<S_", f"<{side}_").replace("{S_list}", slot)
    return Grammar(written)


def sentence(blocks: Sequence[str], rng: random.Random) -> str:
    """One of very many ways to ask for a tower of `blocks` ("red block", ...), given bottom to top."""
    if rng.random() < WRITTEN["stack_tower"]:
        return dress(written.tower(blocks, rng), rng)
    u = rng.random()
    if len(blocks) == 2:
        rule = "pair" if u < 0.5 else "parts" if u < 0.65 else "lists"
    else:
        rule = "parts" if u < 0.24 else "parts_of_three" if u < 0.34 else "lists"
    template = grammar().expand(rule, rng)
    items = lists.items_of(blocks, rng)
    return dress(_SLOT.sub(lambda m: part(m[1], items, rng), template), rng)
