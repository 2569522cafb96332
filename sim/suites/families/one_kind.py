"""All blocks of one size, or of one colour, together into one bowl, and no other block."""

from __future__ import annotations

import random

from robots.skills import COLOURS
from sim.suites.families.base import Drawn, both, bowls, ids_of, in_none
from sim.world.state import SIZES, ObjectSpec

MOST = 4  # blocks that are meant: a large bowl holds them
WORDS = {"small": ("small", "little"), "large": ("large", "big")}


class OneKind:
    """See module."""

    name = "one_kind"
    summary = (
        "all blocks of a size or of a colour into one bowl, and no other block into any: a plainer "
        "reading of LoHoRavens E, whose published rule is lohoravens_e"
    )
    wordings = (
        "The {word} blocks belong together in the {bowl} bowl, the others stay where they are.",
        "Gather every {word} block in the {bowl} bowl and leave the rest alone.",
        "Move all {word} cubes together into the {bowl} bowl, and nothing else.",
        "Could you collect the {word} blocks in the {bowl} bowl?",
        "Whatever {word} blocks you can find go into the {bowl} bowl.",
    )

    def draw(self, rng: random.Random) -> Drawn:
        """4 to 6 blocks of two colours and both sizes, two large bowls of other colours."""
        first, second, bowl, other = rng.sample(COLOURS, 4)
        while True:
            word = rng.choice((first, *SIZES))
            things = [
                ObjectSpec(rng.choice((first, second)), "block", rng.choice(SIZES))
                for _ in range(rng.randint(4, 6))
            ]
            n = len(things)
            meant = [word in (o.size, o.colour) for o in things]
            if 2 <= sum(meant) <= MOST and not all(meant):
                break
        things += bowls([bowl, other])
        ids = ids_of(things)
        said = rng.choice(WORDS.get(word, (word,)))
        return Drawn(
            tuple(things),
            rng.choice(self.wordings).format(word=said, bowl=bowl),
            f"Put all the {word} blocks in the {other} bowl.",
            both(*({"in": [ids[k], ids[n]]} if meant[k] else in_none(ids[k], ids[n:]) for k in range(n))),
            f"put(all {word} block, in {bowl} bowl)",
        )


FAMILY = OneKind()
