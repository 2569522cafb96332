"""LoHoRavens H (Zhang et al., 2023; unseen there): one tower of two colours that take turns."""

from __future__ import annotations

import random

from robots.skills import COLOURS
from sim.suites.families.base import Drawn, a, both, bowls, ids_of, other_colours, tower
from sim.world.state import SIZES, ObjectSpec

FREE = "so that no two neighbours have the same colour"


class AlternatingTower:
    """See module."""

    name = "lohoravens_h"
    summary = (
        "one tower in which two colours take turns, of 3 or 4 blocks of one size (published: up to 6), with "
        "the colour at the bottom that the sentence names"
    )
    wordings = (
        "stack all the blocks with alternate colors, starting with {a}",  # after the published one
        "Build a tower in which {a} and {b} blocks take turns, with {a_first} one at the bottom.",
        "Make one tower of all the blocks: {list}, from the bottom up.",
        "Pile up the {a} and the {b} blocks " + FREE + ".",
        "One tower please: {a_first} block first, then {a_second} one on it, and so on in turn.",
        "Stack the {a} and {b} blocks alternately, {a} at the very bottom.",
    )

    def draw(self, rng: random.Random) -> Drawn:
        """As many blocks of both colours, or one more of the first; a bowl that is of no concern."""
        first, second = rng.sample(COLOURS, 2)
        n, size = rng.choice((3, 4, 4)), rng.choice(SIZES)
        turns = [(first, second)[k % 2] for k in range(n)]
        bowl = other_colours(rng, (first, second), 1)
        things = (*(ObjectSpec(colour, "block", size) for colour in turns), *bowls(bowl))
        ids = ids_of(things)
        wording = rng.choice(self.wordings)
        fits = [(ids[i], ids[j]) for i in range(n) for j in range(n) if turns[i] != turns[j]]
        want = tower(ids[:n], fits=fits)
        if FREE not in wording:
            want = both(want, {"exactly": [1, [{"on_table": ids[k]} for k in range(n) if turns[k] == first]]})
        return Drawn(
            things,
            wording.format(a=first, b=second, a_first=a(first), a_second=a(second), list=", ".join(turns)),
            f"Put all the {first} blocks in the {bowl[0]} bowl.",
            want,
            f"stack({', '.join(f'{colour} block' for colour in turns)})",
        )


FAMILY = AlternatingTower()
