"""LoHoRavens F (Zhang et al., 2023; unseen there): every block into a bowl of another colour."""

from __future__ import annotations

import random

from robots.skills import COLOURS
from sim.suites.families.base import Drawn, blocks, both, bowls, ids_of, in_one_of


class MismatchedBowls:
    """See module."""

    name = "lohoravens_f"
    summary = "every block into a bowl of another colour than its own: 2 or 3 colours, 3 to 5 blocks"
    wordings = (
        "put the blocks in the bowls with mismatched colors",  # after the published one
        "Put every block into a bowl whose colour is different from its own.",
        "No block may end up in a bowl of its own colour, but each of them must be in some bowl.",
        "Place each of the blocks in a bowl that does not match it.",
        "All blocks into bowls, please, but the colours must not match.",
        "Each cube goes into any bowl that isn't of the same colour.",
    )

    def draw(self, rng: random.Random) -> Drawn:
        """At least one block of each colour, and one bowl of each."""
        colours = rng.sample(COLOURS, rng.randint(2, 3))
        more = rng.randint(3, 5) - len(colours)
        things = [*blocks(rng, colours), *blocks(rng, rng.choices(colours, k=more))]
        n = len(things)
        things += bowls(colours)
        ids = ids_of(things)
        wants = (
            in_one_of(ids[k], [ids[j] for j in range(n, len(things)) if things[j].colour != things[k].colour])
            for k in range(n)
        )
        return Drawn(
            tuple(things),
            rng.choice(self.wordings),
            f"Put all the blocks in the {colours[0]} bowl.",
            both(*wants),
            "put(all block, in any bowl [other colour])",
        )


FAMILY = MismatchedBowls()
