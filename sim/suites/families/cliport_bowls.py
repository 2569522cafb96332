"""CLIPort's put-block-in-bowl with the colours that are unseen there (Shridhar et al., 2021)."""

from __future__ import annotations

import random

from sim.suites.families.base import Drawn, a, both, bowls, ids_of, in_one_of, other_colours
from sim.world.state import SIZES, ObjectSpec

COLOURS = ("blue", "red", "green", "orange", "purple", "pink")
"""Those of CLIPort's evaluation with unseen colours, but white, which this table does not have. The first
three are in its training as well; none is unseen by our detector."""
OWN = ("no two of them in the same one", "{a_bowl} bowl of its own")
MOST = 3  # bowls


class BlocksInBowls:
    """See module."""

    name = "cliport_bowls"
    summary = (
        "every block of a colour into a bowl of another: 1 to 3 bowls, no more blocks than bowls, and things "
        "of other colours; one block to a bowl where the sentence says so (published: always)"
    )
    wordings = (
        "put the {block} blocks in {a_bowl} bowl",  # as published
        "All of the {block} blocks should end up in {bowl} bowls.",
        "Whatever {block} blocks there are, drop them into {bowl} bowls.",
        "Put the {block} blocks in the {bowl} bowls, " + OWN[0] + ".",
        "Every {block} block gets " + OWN[1] + ".",
        "put the {block} block in {a_bowl} bowl",  # from here on of one block
        "The {block} block should end up in {a_bowl} bowl.",
        "There is {a_block} block; drop it into {a_bowl} bowl.",
    )

    def draw(self, rng: random.Random) -> Drawn:
        """Small blocks, large bowls, and two other blocks and one or two other bowls."""
        block, bowl = rng.sample(COLOURS, 2)
        n_bowls = rng.randint(1, MOST)
        n = rng.randint(1, n_bowls)
        strange = other_colours(rng, (block, bowl), 4)
        things = [ObjectSpec(block, "block", "small")] * n + bowls([bowl] * n_bowls)
        things += [ObjectSpec(colour, "block", rng.choice(SIZES)) for colour in strange[:2]]
        things += bowls(strange[2 : 2 + rng.randint(1, 2)], "small")
        ids = ids_of(things)
        into = ids[n : n + n_bowls]
        wording = rng.choice(self.wordings[5:] if n == 1 else self.wordings[:5])
        apart = any(own in wording for own in OWN)
        wants = [in_one_of(ids[k], into) for k in range(n)]
        if apart:
            wants += [
                {"any": [{"exactly": [m, [{"in": [x, y]} for x in ids[:n]]]} for m in (0, 1)]} for y in into
            ]
        many, each = ("all ", "each ") if n > 1 else ("", "any ")
        return Drawn(
            tuple(things),
            wording.format(block=block, bowl=bowl, a_block=a(block), a_bowl=a(bowl)),
            f"Put the {block} block{'s' * (n > 1)} in the {strange[2]} bowl.",
            both(*wants),
            f"put({many}{block} block, in {each}{bowl} bowl)",
        )


FAMILY = BlocksInBowls()
