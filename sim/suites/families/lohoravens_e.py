"""LoHoRavens E (Zhang et al., 2023): blocks of which there is an even number go where their colour is."""

from __future__ import annotations

import random
from collections import Counter

from robots.skills import COLOURS
from sim.suites.families.base import Drawn, blocks, both, bowls, ids_of, in_none

MOST = 7  # blocks; published: 9


class EvenBlocks:
    """See module."""

    name = "lohoravens_e"
    summary = (
        "the blocks of each colour that has an even number of them go into the bowl of that colour "
        "(published: zone), and no other block into any bowl (published: as it likes); one colour is odd"
    )
    wordings = (
        "put the blocks of an even number in the bowl with the matching color",  # published, but "zone"
        "If there is an even number of blocks of a colour, put them all in the bowl of that colour.",
        "Colours with an even count of blocks: put those blocks into their matching bowls, leave the others.",
        "For each colour count its blocks; where the count is even, they go in the bowl of the same colour.",
        "Only blocks whose colour occurs two or four times go into the bowl of their own colour.",
    )

    def draw(self, rng: random.Random) -> Drawn:
        """2 or 3 colours, at least one of them even and one odd; a bowl of each."""
        while True:
            colours = rng.sample(COLOURS, rng.randint(2, 3))
            counts = [rng.randint(1, 4) for _ in colours]
            if len({count % 2 for count in counts}) == 2 and sum(counts) <= MOST:
                break
        things = blocks(rng, [c for c, count in zip(colours, counts, strict=True) for _ in range(count)])
        n, of = len(things), Counter(o.colour for o in things)
        things += bowls(colours)
        ids = ids_of(things)
        own = {things[k].colour: ids[k] for k in range(n, len(things))}
        return Drawn(
            tuple(things),
            rng.choice(self.wordings),
            f"Put all the blocks in the {colours[0]} bowl.",
            both(
                *(
                    {"in": [ids[k], own[things[k].colour]]}
                    if of[things[k].colour] % 2 == 0
                    else in_none(ids[k], ids[n:])
                    for k in range(n)
                )
            ),
        )


FAMILY = EvenBlocks()
