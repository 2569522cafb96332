"""What is seen on the table, as things with identities: what a program's words are compared with.

Left is smaller y, right larger y, in front (nearer to the camera) larger x, behind smaller x, all in the base
frame in [m]: the picture of the front camera.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from palme.perception.objects import PerceivedObjects

NEAR = 0.09
"""Distance in [m] of two middles up to which things are near each other."""
FAR = 0.15
"""Distance in [m] of two middles from which on one is put far from the other."""
ASIDE = 0.01
"""Distance in [m] by which a thing must lie further to a side to be on that side of another."""
GAP = 0.008
"""Gap in [m] up to which things touch: detections are off by some millimetres."""
IN_BOWL = {"small": 0.053, "large": 0.062}
"""[m] from a bowl's middle within which nothing stands on the table: half its outer width."""
STEP = (0.02, 0.055)
"""[m] of which the top of a solid lies above that of the one that it rests on."""
ON_TABLE = 0.058
"""[m] above the table that the top of no solid on it reaches."""
HALF_WIDTH = {"block": 0.020, "cylinder": 0.020, "bowl": 0.053}
"""Half the width of a small thing in [m], about."""


@dataclass(frozen=True)
class SeenThing:
    """One thing.

    Attributes:
        id: the same through a run.
        kind: "block", "cylinder" or "bowl".
        colour: one of `robots.skills.COLOURS`.
        size: "small" or "large".
        xyz: in [m], base frame: the middle of a solid's top face, of a bowl's floor.
        holder: id of what it rests in or on; None = the table.
    """

    id: int
    kind: str
    colour: str
    size: str
    xyz: tuple[float, float, float]
    holder: int | None = None

    @property
    def name(self) -> str:
        """ "red block"."""
        return f"{self.colour} {self.kind}"

    @property
    def is_bowl(self) -> bool:
        """Whether things go into it, and not onto it."""
        return self.kind == "bowl"


@dataclass(frozen=True)
class SeenScene:
    """All things that are seen.

    Attributes:
        things: each once.
        shut: places on the table, (x, y) in [m], base frame, that the arm was kept from.
        hard: ids of things that it was kept from taking, or from putting something into or onto.

    Raises:
        ValueError: two things have one id, or something rests on a thing that is not seen, or on itself.
    """

    things: tuple[SeenThing, ...]
    shut: tuple[tuple[float, float], ...] = ()
    hard: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        ids = [thing.id for thing in self.things]
        if len(set(ids)) != len(ids):
            raise ValueError(f"ids {ids}: each thing has its own")
        for thing in self.things:
            if thing.holder is not None and thing.holder not in ids:
                raise ValueError(f"thing {thing.id} rests on {thing.holder}, which is not seen")
        if circle := _circle({thing.id: thing.holder for thing in self.things}):
            raise ValueError(f"things {sorted(circle)} rest on each other in a circle; see `without_circles`")

    @classmethod
    def of(cls, objects: PerceivedObjects) -> SeenScene:
        """The most probable reading of a detection; row k has id k."""
        n = len(objects)
        things = []
        for i in range(n):
            colour, kind = objects.name(i).split()
            x, y, z = (float(v) for v in objects.xyz[i])
            holder = None if kind == "bowl" else int(objects.holder_probs[i].argmax())
            things.append(
                SeenThing(
                    i, kind, colour, ("small", "large")[int(objects.size_probs[i].argmax())], (x, y, z),
                    None if holder is None or holder == n else holder,
                )
            )  # fmt: skip
        return cls(without_circles(_within_bowls(_by_height(things))))

    def __iter__(self) -> Iterator[SeenThing]:
        return iter(self.things)

    def __getitem__(self, id: int) -> SeenThing:
        for thing in self.things:
            if thing.id == id:
                return thing
        raise KeyError(f"no thing {id}; there are {[thing.id for thing in self.things]}")

    def __contains__(self, id: int) -> bool:
        return any(thing.id == id for thing in self.things)

    def called(self, id: int, among: Sequence[int] | None = None) -> str:
        """Thing `id` for a person: by looks, and by size or place where others `among` look the same.

        Args:
            id: of the thing.
            among: what it could be taken for; None = everything that is seen.
        """
        thing = self[id]
        others = [one.id for one in self.things] if among is None else among
        alike = [one for one in others if self[one].name == thing.name]
        if len(alike) <= 1:
            return f"the {thing.name}"
        if [self[one].size for one in alike].count(thing.size) == 1:
            return f"the {thing.size} {thing.name}"
        alike = [one for one in alike if self[one].size == thing.size]
        if thing.holder is not None and [self[one].holder for one in alike].count(thing.holder) == 1:
            holder = self[thing.holder]
            return f"the {thing.size} {thing.name} {'in' if holder.is_bowl else 'on'} the {holder.name}"
        place = sorted(alike, key=lambda one: self[one].xyz[1]).index(id)
        if len(alike) == 2:
            return f"the {thing.size} {thing.name} on the {('left', 'right')[place]}"
        return f"the {thing.size} {thing.name} that is number {place + 1} from the left"

    # ---- piles ----

    def on(self, id: int) -> tuple[int, ...]:
        """What rests directly on, or in, thing `id`."""
        return tuple(thing.id for thing in self.things if thing.holder == id)

    def above(self, id: int) -> tuple[int, ...]:
        """All that rests on thing `id`, directly or on what does, the lowest first."""
        found = list(self.on(id))
        for one in found:
            found += self.on(one)
        return tuple(found)

    def below(self, id: int) -> tuple[int, ...]:
        """What thing `id` rests on, down to the table, the nearest first."""
        found = []
        holder = self[id].holder
        while holder is not None:
            found.append(holder)
            holder = self[holder].holder
        return tuple(found)

    def bowl_of(self, id: int) -> int | None:
        """The bowl at the bottom of the pile of thing `id`."""
        return next((one for one in self.below(id) if self[one].is_bowl), None)

    def towers(self) -> tuple[tuple[int, ...], ...]:
        """Piles of two solids or more, each from the bottom to the top."""
        found = []
        for thing in self.things:
            rests_on_solid = thing.holder is not None and not self[thing.holder].is_bowl
            if not thing.is_bowl and not rests_on_solid and (above := self.above(thing.id)):
                found.append((thing.id, *above))
        return tuple(found)

    # ---- places ----

    def distance(self, a: int, b: int) -> float:
        """Between two middles, seen from above, in [m]."""
        first, second = self[a].xyz, self[b].xyz
        return math.hypot(first[0] - second[0], first[1] - second[1])

    def gap(self, a: int, b: int) -> float:
        """Between two outlines, about, in [m]."""
        return self.distance(a, b) - HALF_WIDTH[self[a].kind] - HALF_WIDTH[self[b].kind]

    def related(self, a: int, relation: str, b: int) -> bool:
        """Whether `a` stands in `relation` (of `things.Relation` or `calls.Beside`) to `b`."""
        if a == b:
            return False
        (ax, ay, _), (bx, by, _) = self[a].xyz, self[b].xyz
        if relation == "in":
            return self.bowl_of(a) == b
        if relation in ("on", "under", "holding"):
            upper, lower = (a, b) if relation == "on" else (b, a)
            return self[upper].holder == lower or (relation == "holding" and lower in self.below(upper))
        if relation == "touching":
            return self[a].holder == b or self[b].holder == a or self.gap(a, b) <= GAP
        if relation in ("larger", "smaller"):
            return (self[a].size, self[b].size) == (
                ("large", "small") if relation == "larger" else ("small", "large")
            )
        if relation == "far":
            return self.distance(a, b) >= FAR
        if relation == "next":
            return self.distance(a, b) <= NEAR and a not in self.below(b) and b not in self.below(a)
        aside = {"left": by - ay, "right": ay - by, "front": ax - bx, "behind": bx - ax}
        return aside[relation] >= ASIDE

    def is_between(self, id: int, a: int, b: int) -> bool:
        """Whether thing `id` lies between `a` and `b`: near their connecting line, and not beyond either."""
        p, q, r = (np.array(self[one].xyz[:2]) for one in (a, b, id))
        along = q - p
        length = float(np.linalg.norm(along))
        if id in (a, b) or not length > 0:
            return False
        t = float((r - p) @ along) / length**2
        off = float(np.linalg.norm(p + t * along - r))
        return 0 < t < 1 and off <= max(0.04, 0.25 * length)


def _by_height(things: list[SeenThing]) -> list[SeenThing]:
    """Nothing rests on what reaches as high as itself, nor on the table where its top is too high for that.

    Such a thing rests on the solid right below it, else on what it was said to.
    """
    solids = [thing for thing in things if not thing.is_bowl]
    for k, thing in enumerate(things):
        if thing.is_bowl:
            continue
        holder = None if thing.holder is None else things[thing.holder]
        too_high = holder is not None and not holder.is_bowl and holder.xyz[2] > thing.xyz[2] - STEP[0]
        if too_high or (holder is None and thing.xyz[2] > ON_TABLE):
            below = [
                (math.dist(one.xyz[:2], thing.xyz[:2]), one.id)
                for one in solids
                if STEP[0] < thing.xyz[2] - one.xyz[2] < STEP[1]
                and math.dist(one.xyz[:2], thing.xyz[:2]) < HALF_WIDTH["block"]
            ]
            if below or too_high:
                things[k] = replace(thing, holder=min(below)[1] if below else None)
    return things


def _within_bowls(things: list[SeenThing]) -> list[SeenThing]:
    """What seems to stand on the table where a bowl stands is in the bowl."""
    bowls = [thing for thing in things if thing.is_bowl]
    for k, thing in enumerate(things):
        if not thing.is_bowl and thing.holder is None:
            near = [one for one in bowls if math.dist(one.xyz[:2], thing.xyz[:2]) < IN_BOWL[one.size]]
            if near:
                things[k] = replace(thing, holder=near[0].id)
    return things


def without_circles(things: Sequence[SeenThing]) -> tuple[SeenThing, ...]:
    """`things`, of which none rests on itself by way of others: the lowest of a circle is on the table."""
    known = {thing.id: thing for thing in things}
    while circle := _circle({thing.id: thing.holder for thing in known.values()}):
        lowest = min(sorted(circle), key=lambda one: known[one].xyz[2])
        known[lowest] = replace(known[lowest], holder=None)
    return tuple(known.values())


def _circle(holders: Mapping[int, int | None]) -> set[int]:
    """Ids that rest on each other in a circle; empty = none do."""
    for id in holders:
        chain: list[int] = []
        one: int | None = id
        while one is not None and one not in chain:
            chain.append(one)
            one = holders[one]
        if one is not None:
            return set(chain[chain.index(one) :])
    return set()
