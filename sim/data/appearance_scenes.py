"""Scenes of things in all their appearances: alone, in bowls and on one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.appearances.registry import Appearance
from sim.data.scene_sampler import SceneDoesNotFit, layout
from sim.world.scene import Scene
from sim.world.state import SIZES, ObjectSpec, SceneState

Combination = tuple[str, Appearance]
PLAIN_SHARE = 0.25  # of things that look as the 24 names do, where the combinations have such
BOWLS = (2, 3)
SOLIDS = (4, 7)
IN_BOWL, ON_BLOCK = 0.4, 0.25  # shares of solids
ROOM = 2  # solids in a bowl


def spec_of(combination: Combination, size: str = "small") -> ObjectSpec:
    """The object that looks like this."""
    colour, look = combination
    return ObjectSpec(colour, look.kind, size, look.name if look.is_new else "")


def draw_state(
    rng: np.random.Generator,
    combinations: Sequence[Combination],
    bowls: tuple[int, int] = BOWLS,
    solids: tuple[int, int] = SOLIDS,
    in_bowl: float = IN_BOWL,
    on_block: float = ON_BLOCK,
) -> SceneState:
    """Bowls and solids, no two of one appearance and colour, some in bowls or on blocks.

    Args:
        combinations: that may be there; bowls and solids are both among them.
        bowls, solids: least and largest number.
        in_bowl, on_block: share of solids that are in a bowl, or on a block.
    """
    n_bowls, n_solids = int(rng.integers(bowls[0], bowls[1] + 1)), int(rng.integers(solids[0], solids[1] + 1))
    chosen = [
        *_distinct([c for c in combinations if c[1].kind == "bowl"], n_bowls, rng),
        *_distinct([c for c in combinations if c[1].kind != "bowl"], n_solids, rng),
    ]
    specs = tuple(spec_of(c, str(rng.choice(SIZES))) for c in chosen)
    holder: list[int | None] = [None] * len(specs)
    order = [int(i) for i in rng.permutation(np.arange(n_bowls, len(specs)))]
    for i in order:
        u = rng.uniform()
        if any(h == i for h in holder):
            continue
        if u < in_bowl:
            room = [j for j in range(n_bowls) if holder.count(j) < ROOM]
            holder[i] = int(rng.choice(room)) if room else None
        elif u < in_bowl + on_block:
            free = [
                j for j in order
                if j != i and chosen[j][1].shape == "block" and j not in holder and holder[j] is None
            ]  # fmt: skip
            holder[i] = int(rng.choice(free)) if free else None
    return SceneState(specs, tuple(holder))


def _distinct(combinations: Sequence[Combination], n: int, rng: np.random.Generator) -> list[Combination]:
    """`n` different ones, as many plain ones as `PLAIN_SHARE` says."""
    new = [c for c in combinations if c[1].is_new]
    plain = [c for c in combinations if not c[1].is_new]
    n_plain = min(int(rng.binomial(n, PLAIN_SHARE)), len(plain)) if new else n
    drawn = [plain[k] for k in rng.choice(len(plain), n_plain, replace=False)] if n_plain else []
    return drawn + [new[k] for k in rng.choice(len(new), n - n_plain, replace=False)]


def draw_scene(
    rng: np.random.Generator, combinations: Sequence[Combination], graspable: bool = False, **state: object
) -> Scene:
    """A scene of `draw_state`; `state` are its settings."""
    while True:
        try:
            return layout(draw_state(rng, combinations, **state), rng, graspable=graspable)  # type: ignore[arg-type]
        except SceneDoesNotFit:
            continue
