"""Which detection is which thing: identities through a run, while things move, look alike and hide.

A thing is followed by its looks and by where it is expected. What was seen of its looks adds up, so one
unsure picture does not rename it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from palme.perception.objects import PerceivedObjects
from palme.planners.program.scene import SeenScene, SeenThing, without_circles
from robots.skills import COLOURS, ENTITIES, KINDS, N_SOLIDS, Location

FAR, STILL = 0.15, 0.03
"""[m] from where a thing is expected at which its place speaks against it half as much as another colour
does: of what was moved, and of what was not."""
COLOUR, KIND, PLACE = 2.0, 0.5, 2.0
"""Most that another colour, another kind of solid, and another place speak against a thing."""
UNLIKE = 3.0
"""Cost above which a detection is another thing: one of another colour, and as far as another place."""
SAME = (0.028, 0.026)
"""[m] sideways and up or down within which two solids would be in one place."""
ON_TOP = 0.036
"""Height of a solid in [m], about: how much higher a thing lies in a bowl that has another in it."""
LEAST = 1e-4
"""Least probability of a class: no single picture rules a class out."""


@dataclass(frozen=True)
class _Track:
    """What is known of one thing: log-probabilities of its classes and sizes, summed over pictures."""

    looks: NDArray[np.float64]  # (24,)
    size: NDArray[np.float64]  # (2,)
    thing: SeenThing


class Tracker:
    """Gives the things of successive pictures their identities."""

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._numbers = itertools.count()
        self._first: frozenset[int] = frozenset()
        self.lost: frozenset[int] = frozenset()
        """Ids of things that were seen before and are not in the last picture."""
        self.rows: dict[int, int] = {}
        """Row in the last picture's detection of each thing in it."""

    def update(
        self,
        objects: PerceivedObjects,
        expected: SeenScene | None = None,
        is_empty: Callable[[Location], bool] = lambda at: True,
    ) -> SeenScene:
        """The scene in one picture.

        Args:
            objects: what the detector found in it.
            expected: where things should be by now, such as after a step, if they are not where they were.
            is_empty: whether a place can be seen to be empty. What is not detected and was, or should be, at
                a place that is not, counts as hidden there.
        """
        seen = SeenScene.of(objects)
        looks = np.log(np.maximum(objects.class_probs.astype(np.float64), LEAST))  # (N, 24)
        sizes = np.log(np.maximum(objects.size_probs.astype(np.float64), LEAST))  # (N, 2)
        prior = {id: track.thing for id, track in self._tracks.items()}
        prior |= {thing.id: thing for thing in expected or () if thing.id in prior}
        ids = self._matched(seen, looks, expected)
        self._rejoin(ids, looks, is_empty)
        doubles = self._doubles(ids, seen, prior)
        stands_for = {**ids, **doubles}
        ids = {row: id for row, id in ids.items() if row not in doubles}
        covered = set() if expected is None else _covered(prior, {id: seen[row] for row, id in ids.items()})
        for row, id in ids.items():
            before = self._tracks.get(id)
            total = looks[row] if before is None else before.looks + looks[row]
            size = sizes[row] if before is None else before.size + sizes[row]
            thing = self._named(seen[row], id, total, size, stands_for)
            if id in covered:  # of what lies under another only a side is seen: it is where it was
                total, size = (total, size) if before is None else (before.looks, before.size)
                thing = prior[id]
            self._tracks[id] = _Track(total, size, thing)
        self._first = self._first if expected is not None else frozenset(self._tracks)
        self.rows = {id: row for row, id in ids.items()}
        found = {id: self._tracks[id].thing for id in ids.values()}
        for id in covered - set(found):
            found[id] = prior[id]
        places = {} if expected is None else {thing.id: thing for thing in expected}
        for id in frozenset(self._tracks) - set(found):
            known = [self._tracks[id].thing, *([places[id]] if id in places else [])]
            place = next((thing for thing in known if not is_empty(thing.xyz)), None)
            if place is not None:
                found[id] = replace(self._tracks[id].thing, xyz=place.xyz, holder=place.holder)
        self.lost = frozenset(self._tracks) - set(found)
        here = [found[id] for id in sorted(found)]
        held = [replace(one, holder=one.holder if one.holder in found else None) for one in here]
        return SeenScene(without_circles(held))  # pictures of before and after may say each a part of one

    def _rejoin(
        self, ids: dict[int, int], looks: NDArray[np.float64], is_empty: Callable[[Location], bool]
    ) -> None:
        """Give what appeared later the id of what is gone and looks the same: it is that, found elsewhere."""
        gone = [
            id for id, track in self._tracks.items()
            if id not in ids.values() and not track.thing.is_bowl and is_empty(track.thing.xyz)
        ]  # fmt: skip
        for id in gone:
            known = int(self._tracks[id].looks.argmax())
            later = [
                (_unlike(looks[row], known), row)
                for row, one in ids.items()
                if one > id and one not in self._first
            ]
            unlike, row = min(later, default=(COLOUR, -1))
            if id in self._first and unlike < COLOUR / 2:
                self._tracks.pop(ids[row], None)
                ids[row] = id

    def _doubles(
        self, ids: Mapping[int, int], seen: SeenScene, prior: Mapping[int, SeenThing]
    ) -> dict[int, int]:
        """Rows of new solids in the place of one that is known, which was found twice, and its id."""
        doubles: dict[int, int] = {}
        for row, id in ids.items():
            if id in self._tracks or seen[row].is_bowl:
                continue
            for one, thing in prior.items():
                if not thing.is_bowl and _in_one_place(thing, seen[row]):
                    doubles[row] = one
        return doubles

    def _matched(
        self, seen: SeenScene, looks: NDArray[np.float64], expected: SeenScene | None
    ) -> dict[int, int]:
        """Id of each row: what fits best in all; what is like nothing known gets a new id."""
        places = {id: self._places(track.thing, expected) for id, track in self._tracks.items()}
        costs = {
            (row, id): self._cost(id, known, reach, seen[row], looks[row])
            for id, (known, reach) in places.items()
            for row in range(len(looks))
        }
        ids: dict[int, int] = {}
        for (row, id), cost in sorted(costs.items(), key=lambda pair: pair[1]):
            if cost < UNLIKE and row not in ids and id not in ids.values():
                ids[row] = id
        better = True
        while better:  # two that were taken for each other change places
            better = False
            for a, b in itertools.combinations(ids, 2):
                here = costs[a, ids[a]] + costs[b, ids[b]]
                crossed = costs[a, ids[b]], costs[b, ids[a]]
                if max(crossed) < UNLIKE and sum(crossed) < here - 1e-9:
                    ids[a], ids[b], better = ids[b], ids[a], True
        for row in range(len(looks)):
            if row not in ids:
                ids[row] = next(self._numbers)
        return ids

    @staticmethod
    def _places(thing: SeenThing, expected: SeenScene | None) -> tuple[list[Location], float]:
        """Where it can be, and how far from there it may be found."""
        if expected is None or thing.id not in expected:
            return [thing.xyz], STILL
        there = expected[thing.id]
        if math.dist(there.xyz, thing.xyz) < 0.01:
            return [thing.xyz], STILL
        x, y, z = there.xyz
        higher = [(x, y, z + k * ON_TOP) for k in range(3 if there.holder is not None else 1)]
        return [thing.xyz, *higher], FAR

    def _cost(
        self, id: int, places: list[Location], reach: float, found: SeenThing, looks: NDArray[np.float64]
    ) -> float:
        known = int(self._tracks[id].looks.argmax())
        if (known >= N_SOLIDS) != found.is_bowl:
            return math.inf
        away = min(math.dist(place, found.xyz) for place in places) / reach
        return _unlike(looks, known) + min(away, PLACE)

    @staticmethod
    def _named(
        thing: SeenThing,
        id: int,
        looks: NDArray[np.float64],
        size: NDArray[np.float64],
        ids: dict[int, int],
    ) -> SeenThing:
        colour, kind = ENTITIES[int(looks.argmax())].split()
        return replace(
            thing,
            id=id,
            colour=colour,
            kind=kind,
            size=("small", "large")[int(size.argmax())],
            holder=None if thing.holder is None else ids[thing.holder],
        )


def _unlike(looks: NDArray[np.float64], known: int) -> float:
    """How much log-probabilities (24,) of classes speak against class `known`."""
    colour, kind = ENTITIES[known].split()
    alike = looks.reshape(len(KINDS), len(COLOURS))[:, COLOURS.index(colour)]  # (3,) of each kind
    unlike = min(float(looks.max() - alike.max()), COLOUR)
    return unlike + min(float(alike.max() - alike[KINDS.index(kind)]), KIND)


def _in_one_place(a: SeenThing, b: SeenThing) -> bool:
    sideways, up = SAME
    return math.dist(a.xyz[:2], b.xyz[:2]) < sideways and abs(a.xyz[2] - b.xyz[2]) < up


def _covered(prior: Mapping[int, SeenThing], found: Mapping[int, SeenThing]) -> set[int]:
    """Ids of solids with something on them that is found where it should be: they lie where they should."""
    covered: set[int] = set()
    for id, thing in prior.items():
        if id not in found or thing.is_bowl or not _in_one_place(thing, found[id]):
            continue
        below = thing.holder
        while below is not None and below in prior and not prior[below].is_bowl and below not in covered:
            covered.add(below)
            below = prior[below].holder
    return covered
