"""LoHoRavens G (Zhang et al., 2023): blocks of the same size in one tower each."""

from __future__ import annotations

import random

from robots.skills import COLOURS
from sim.suites.families.base import Drawn, blocks, both, bowls, ids_of, other_colours, tower

MOST = 4  # blocks of a size, as published


class StackSameSize:
    """See module."""

    name = "lohoravens_g"
    summary = (
        "two towers, of all small and of all large blocks, 2 to 4 each (published: 1 to 4), in any order"
    )
    wordings = (
        "stack blocks of the same size",  # as published
        "Build one tower from the big blocks and another one from the small blocks.",
        "Pile the small blocks on top of each other, and do the same with the large ones.",
        "I want two stacks: one of all the large cubes, one of all the little cubes.",
        "Make a stack out of every small block, then a second stack out of every large block.",
        "Stack all of the blocks so that each stack has only blocks of one size.",
    )

    def draw(self, rng: random.Random) -> Drawn:
        """Blocks of two sizes, the colours of a size all different, and a bowl that is of no concern."""
        small, large = (
            blocks(rng, rng.sample(COLOURS, rng.randint(2, MOST)), size) for size in ("small", "large")
        )
        bowl = other_colours(rng, (), 1)
        things = (*small, *large, *bowls(bowl))
        ids = ids_of(things)
        n = len(small)
        return Drawn(
            things,
            rng.choice(self.wordings),
            f"Put all the small blocks in the {bowl[0]} bowl.",
            both(tower(ids[:n]), tower(ids[n : n + len(large)])),
            "stack(all small block); stack(all large block)",
        )


FAMILY = StackSameSize()
