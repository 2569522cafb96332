"""A table being laid in symbols: which objects there are and what rests on what, within reason.

Blocks carry one thing, cylinders and what is in them nothing; piles on the table are up to four
high, piles in a bowl two; a small bowl holds one pile, a large one two.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from robots.skills import COLOURS
from sim.world.state import SIZES, ObjectSpec, SceneState

MAX_OBJECTS = 12
MAX_BOWLS = 5
MAX_PILE = 4
MAX_PILE_IN_BOWL = 2
ROOM = {"small": 1, "large": 2}


class Table:
    """A `SceneState` under construction; indices are those of `add`, shuffled only by `state`."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.names: list[tuple[str, str]] = []  # (colour, kind)
        self.sizes: list[str] = []
        self.holder: list[int | None] = []
        self.closed: set[int] = set()  # nothing may be put on these
        self.reserved: dict[int, int] = {}  # bowl: the solid that room is kept for
        self._load: list[int] = []  # how many things rest directly in or on each
        self._height: list[int] = []  # solids from the bottom of the pile up to this one
        self._in_bowl: list[bool] = []

    def add(self, colour: str, kind: str) -> int:
        """Puts a new object on the table and returns its index."""
        self.names.append((colour, kind))
        self.sizes.append(SIZES[self.rng.random() < 0.5])
        self.holder.append(None)
        self._load.append(0)
        self._height.append(0 if kind == "bowl" else 1)
        self._in_bowl.append(False)
        return len(self.names) - 1

    def add_new(self, kind: str) -> int | None:
        """A new object of a colour that `kind` does not have yet; None when all are there or no room is."""
        if len(self.names) >= MAX_OBJECTS:
            return None
        used = {c for c, k in self.names if k == kind}
        if len(used) >= (MAX_BOWLS if kind == "bowl" else len(COLOURS)):
            return None
        return self.add(self.rng.choice([c for c in COLOURS if c not in used]), kind)

    def add_distractors(self, n: int, kinds: Sequence[str]) -> list[int]:
        """Up to `n` new objects of kinds drawn from `kinds`; fewer only on a full table."""
        new = []
        for _ in range(n):
            i = self.add_new(self.rng.choice(kinds))
            for kind in kinds:
                i = self.add_new(kind) if i is None else i
            if i is not None:
                new.append(i)
        return new

    def may_hold(self, j: int, i: int) -> bool:
        """Whether `j` can take the clear solid `i` now."""
        if j == i or j in self.closed:
            return False
        kind = self.names[j][1]
        if kind == "bowl":
            return self._load[j] + (self.reserved.get(j, i) != i) < ROOM[self.sizes[j]]
        limit = MAX_PILE_IN_BOWL if self._in_bowl[j] else MAX_PILE
        return kind == "block" and self._load[j] == 0 and self._height[j] < limit

    def put(self, i: int, j: int) -> bool:
        """Puts clear solid `i`, now on the table, in or on `j`; False where `j` cannot take it."""
        if not self.may_hold(j, i):
            return False
        self.holder[i] = j
        self._load[j] += 1
        if self.reserved.get(j) == i:
            del self.reserved[j]
        self._height[i] = self._height[j] + 1
        self._in_bowl[i] = self._in_bowl[j] or self.names[j][1] == "bowl"
        return True

    def indices(self, *kinds: str) -> list[int]:
        """Indices of the objects of these kinds."""
        return [i for i, (_, kind) in enumerate(self.names) if kind in kinds]

    def scatter(self, solids: Iterable[int], p_bowl: float, p_on: float) -> None:
        """Each clear solid goes in a random bowl, on a random block, or stays on the table."""
        bowls, blocks = self.indices("bowl"), self.indices("block")
        for i in solids:
            if self._load[i] or self.holder[i] is not None:
                continue
            u = self.rng.random()
            if u < p_bowl and bowls:
                self.put(i, self.rng.choice(bowls))
            elif p_bowl <= u < p_bowl + p_on and blocks:
                self.put(i, self.rng.choice(blocks))

    def state(self) -> SceneState:
        """The scene, its objects in random order."""
        order = list(range(len(self.names)))
        self.rng.shuffle(order)
        place = {old: new for new, old in enumerate(order)}
        objects = tuple(ObjectSpec(*self.names[i], self.sizes[i]) for i in order)
        holders = (self.holder[i] for i in order)
        return SceneState(objects, tuple(None if h is None else place[h] for h in holders))


def random_state(rng: random.Random, n_objects: int | None = None) -> SceneState:
    """Any physically sensible scene: piles, wrong towers, things in bowls, things alone."""
    table = Table(rng)
    n = rng.randint(3, MAX_OBJECTS) if n_objects is None else n_objects
    table.add_new("block")
    table.add_distractors(n - 1, ("block", "block", "block", "bowl", "bowl", "cylinder"))
    solids = table.indices("block", "cylinder")
    rng.shuffle(solids)
    table.scatter(solids, p_bowl=rng.uniform(0.0, 0.5), p_on=rng.uniform(0.0, 0.5))
    return table.state()
