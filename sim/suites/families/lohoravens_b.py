"""LoHoRavens B (Zhang et al., 2023): every block into the bowl of its colour."""

from __future__ import annotations

import random

from robots.skills import COLOURS
from sim.suites.families.base import Drawn, blocks, both, bowls, ids_of, other_colours


class MatchingBowls:
    """See module."""

    name = "lohoravens_b"
    summary = (
        "every block into the bowl of its colour: 2 or 3 colours, 2 to 5 blocks, one bowl nobody matches"
    )
    wordings = (
        "put the blocks in the bowls with matching colors",  # as published
        "Every block has a bowl of its own colour; please put each one where it belongs.",
        "Tidy up: blocks go into the bowls that match them in colour.",
        "I'd like the blocks sorted into the bowls by colour.",
        "Make sure each block ends up in the dish of the same colour.",
        "Drop all of the cubes into the bowls that have the same colour as they do.",
    )

    def draw(self, rng: random.Random) -> Drawn:
        """At least one block of each colour, one bowl of each, and one of another colour."""
        colours = rng.sample(COLOURS, rng.randint(2, 3))
        things = [*blocks(rng, colours), *blocks(rng, rng.choices(colours, k=rng.randint(0, 2)))]
        n = len(things)
        things += bowls([*colours, *other_colours(rng, colours, 1)])
        ids = ids_of(things)
        own = {things[k].colour: ids[k] for k in range(n, len(things))}
        return Drawn(
            tuple(things),
            rng.choice(self.wordings),
            f"Put all the blocks in the {colours[0]} bowl.",
            both(*({"in": [ids[k], own[things[k].colour]]} for k in range(n))),
            "put(all block, in bowl [same colour])",
        )


FAMILY = MatchingBowls()
