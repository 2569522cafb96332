"""Which of the seen things the words of a program mean, or why that cannot be said.

"The" asks for exactly one; where several fit, the person is asked which, and where none fits, told so: a
program never acts on the next best thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from palme.language.programs.things import (
    Alike,
    Among,
    Attribute,
    BetweenFilter,
    Closest,
    Except,
    Filter,
    Is,
    Most,
    Not,
    Noun,
    Nth,
    OnTable,
    Related,
    Things,
)
from palme.planners.program.scene import SeenScene
from robots.skills import COLOURS, KINDS

_RANKED = {
    "leftmost": (1, 1), "rightmost": (1, -1), "frontmost": (0, -1), "backmost": (0, 1),
    "left": (1, 1), "right": (1, -1), "front": (0, -1), "behind": (0, 1),
}  # fmt: skip
"""Axis of the base frame, and sign along which the first in the order has the least coordinate."""
TIE = 0.006
"""Difference in [m] below which two things are equally far, or far left: detections are that exact."""


class CannotTell(Exception):
    """The words do not single out what they are about; the message says why, for a person."""


class NotSeen(CannotTell):
    """Nothing on the table fits.

    Attributes:
        words: what was looked for.
    """

    def __init__(self, words: str, why: str = "") -> None:
        self.words = words
        super().__init__(why or f"I see no {words} on the table.")


class Ambiguous(CannotTell):
    """Several things fit, and one is asked for.

    Attributes:
        noun: what was looked for.
        ids: what fits.
    """

    def __init__(self, noun: Noun, ids: tuple[int, ...], scene: SeenScene) -> None:
        self.noun, self.ids = noun, ids
        super().__init__(f"Which {spoken(noun)} do you mean: {_listed(ids, scene)}?")


class TooFew(CannotTell):
    """Fewer things fit than are asked for."""

    def __init__(self, words: str, wanted: int, ids: tuple[int, ...]) -> None:
        self.words, self.wanted, self.ids = words, wanted, ids
        super().__init__(f"You ask for {wanted} of {words}, and I see {len(ids)}.")


@dataclass(frozen=True)
class Selection:
    """What a `Things` means.

    Attributes:
        ids: those that fit.
        n: how many of them are meant; None = all.
    """

    ids: tuple[int, ...]
    n: int | None = None


@dataclass
class Selector:
    """Compares words with a scene.

    Attributes:
        it: what the line before was about.
        mover: the thing that the call moves, for "the same colour".
        with_bowls: whether "thing" includes bowls.
        settled: which things a person said are meant by a noun that fits several.
    """

    scene: SeenScene
    it: tuple[int, ...] = ()
    mover: int | None = None
    with_bowls: bool = False
    settled: Mapping[Noun, tuple[int, ...]] = field(default_factory=dict)

    def select(self, things: Things) -> Selection:
        """What `things` means.

        Raises:
            NotSeen: a noun fits nothing; "it" after nothing.
            Ambiguous: "the" fits several.
            TooFew: a number is more than there are.
        """
        if things.quantifier == "it":
            here = tuple(id for id in self.it if id in self.scene)
            if not here:
                raise NotSeen("it", "You say 'it', and I do not know what you mean by it.")
            return Selection(here)
        if things.quantifier == "the":
            return Selection(_unique([id for noun in things.nouns for id in self._meant(noun)]))
        wanted = things.quantifier if isinstance(things.quantifier, int) else 1
        found = _unique(
            [id for noun in things.nouns for id in self.settled.get(noun) or self.fitting(noun, wanted)]
        )
        words = " or ".join(spoken(noun, plural=True) for noun in things.nouns)
        if not found:
            raise NotSeen(words)
        if isinstance(things.quantifier, int):
            if len(found) < things.quantifier:
                raise TooFew(words, things.quantifier, found)
            if len(found) > wanted and any(_ranks(noun) for noun in things.nouns):
                raise Ambiguous(things.nouns[0], found, self.scene)
            return Selection(found, wanted)
        if things.quantifier == "half":
            if len(found) % 2:
                raise CannotTell(f"I see {len(found)} of {words}, and half of that is no whole number.")
            return Selection(found, len(found) // 2)
        return Selection(found, 1 if things.quantifier == "any" else None)

    def group(self, things: Things) -> tuple[int, ...]:
        """What `things` means where it describes another: all that fit; () where nothing does."""
        if things.quantifier == "it":
            return self.it
        if things.quantifier == "the":
            return _unique([id for noun in things.nouns for id in self._described(noun)])
        return _unique([id for noun in things.nouns for id in self.fitting(noun)])

    def fitting(self, noun: Noun, n: int = 1) -> list[int]:
        """Things that pass the looks and every filter of `noun`, from left to right.

        Args:
            n: how many pass a last filter that ranks: "the two leftmost".
        """
        found = self._by_looks(noun)
        for k, one in enumerate(noun.filters):
            found = self._filtered(found, one, n if k == len(noun.filters) - 1 else 1)
        return sorted(found, key=lambda id: self.scene[id].xyz[1])

    def pair(self, first: Things, second: Things | None) -> tuple[int, int]:
        """The two things of "between": `first` and `second`, or the two that `first` means.

        Raises:
            CannotTell: there are not two.
        """
        both = (*self.group(first), *(() if second is None else self.group(second)))
        if len(both) != 2:
            raise CannotTell(f"'Between' needs two things, and I find {_listed(both, self.scene) or 'none'}.")
        return both[0], both[1]

    # ---- nouns ----

    def _meant(self, noun: Noun) -> tuple[int, ...]:
        """The one thing that fits, or those that a person said are meant."""
        if noun in self.settled:
            return self.settled[noun]
        found = self.fitting(noun)
        if noun.kind == "tower":
            found = [self._base(id) for id in found]
            found = list(_unique(found))
        if not found:
            raise NotSeen(spoken(noun))
        if len(found) > 1:
            raise Ambiguous(noun, tuple(found), self.scene)
        return (found[0],)

    def _described(self, noun: Noun) -> list[int]:
        """For "left of the blue bowl": the one blue bowl.

        Raises:
            NotSeen: there is none.
            Ambiguous: there are several, which makes what is described by it unclear.
        """
        if noun in self.settled:
            return list(self.settled[noun])
        found = self.fitting(noun)
        if not found:
            raise NotSeen(spoken(noun))
        if len(found) > 1 and noun.kind != "tower":
            raise Ambiguous(noun, tuple(found), self.scene)
        return found

    def _by_looks(self, noun: Noun) -> list[int]:
        scene = self.scene
        if noun.kind == "tower":
            return [id for tower in scene.towers() for id in tower]
        kinds = {"thing": KINDS if self.with_bowls else KINDS[:2]}.get(noun.kind, (noun.kind,))
        return [
            thing.id
            for thing in scene
            if thing.kind in kinds and noun.colour in (None, thing.colour) and noun.size in (None, thing.size)
        ]

    def _base(self, id: int) -> int:
        return next(tower[0] for tower in self.scene.towers() if id in tower)

    # ---- filters ----

    def _filtered(self, ids: list[int], one: Filter, n: int = 1) -> list[int]:
        scene = self.scene
        if isinstance(one, Not):
            passed = set(self._filtered(ids, one.filter))
            return [id for id in ids if id not in passed]
        if isinstance(one, Attribute):
            return [id for id in ids if self._has(id, one.word)]
        if isinstance(one, Related):
            to = self.group(one.to)
            return [id for id in ids if any(scene.related(id, one.relation, other) for other in to)]
        if isinstance(one, OnTable):
            return [id for id in ids if scene[id].holder is None]
        if isinstance(one, BetweenFilter):
            a, b = self.pair(one.first, one.second)
            return [id for id in ids if scene.is_between(id, a, b)]
        if isinstance(one, Closest):
            return self._closest(ids, one, n)
        if isinstance(one, Most):
            return self._most(ids, one.superlative, n)
        if isinstance(one, Nth):
            return sorted(ids, key=lambda id: self._rank(id, one.side))[one.n - 1 : one.n]
        if isinstance(one, Is):
            return [id for id in ids if self._is(id, one.state)]
        if isinstance(one, Alike):
            return self._alike(ids, one)
        if isinstance(one, Among):
            group = set(self.group(one.group))
            return [id for id in ids if id in group]
        return self._except(ids, one)

    def _has(self, id: int, word: str) -> bool:
        thing = self.scene[id]
        if word == "thing":
            return True
        if word == "tower":
            return any(id in tower for tower in self.scene.towers())
        return word == (thing.colour if word in COLOURS else thing.kind if word in KINDS else thing.size)

    def _closest(self, ids: list[int], one: Closest, n: int) -> list[int]:
        to = self.group(one.to)
        far = one.extreme == "furthest"

        def distance(id: int) -> float:
            away = min(self.scene.distance(id, other) for other in to)
            return -away if far else away

        return _first([id for id in ids if id not in to], distance, n)

    def _most(self, ids: list[int], superlative: str, n: int) -> list[int]:
        scene = self.scene
        if superlative in ("largest", "smallest"):
            wanted = "large" if superlative == "largest" else "small"
            return [id for id in ids if scene[id].size == wanted] or ids
        if superlative == "middle":
            order, half = sorted(ids, key=lambda id: scene[id].xyz[1]), len(ids) // 2
            return order[half : half + 1] if len(ids) % 2 else ids
        if superlative in ("fullest", "emptiest"):
            more = -1 if superlative == "fullest" else 1
            return _first(ids, lambda id: more * len(scene.above(id)), n)
        return _first(ids, lambda id: self._rank(id, superlative), n)

    def _rank(self, id: int, side: str) -> float:
        """Least for the first on `side`.

        The highest has most solids under it, whatever their sizes; the lowest least, and stands in a pile.
        """
        if side in ("highest", "lowest"):
            level = sum(not self.scene[one].is_bowl for one in self.scene.below(id))
            return -level if side == "highest" else level + (0.0 if self.scene.on(id) else 0.5)
        axis, sign = _RANKED[side]
        return sign * self.scene[id].xyz[axis]

    def _is(self, id: int, state: str) -> bool:
        if state == "loose":
            return self.scene[id].holder is None
        return not self.scene.on(id)

    def _alike(self, ids: list[int], one: Alike) -> list[int]:
        if one.to is None and self.mover is None:
            raise CannotTell(f"'Of the same {one.trait}' needs something that is moved.")
        to = [self.mover] if one.to is None and self.mover is not None else self.group(one.to or Things("it"))
        traits = {getattr(self.scene[id], one.trait) for id in to}
        return [
            id for id in ids if id not in to and (getattr(self.scene[id], one.trait) in traits) is one.same
        ]

    def _except(self, ids: list[int], one: Except) -> list[int]:
        if isinstance(one.those.quantifier, int):
            return ids[: max(len(ids) - one.those.quantifier, 0)]
        try:
            left_out = self.group(_all(one.those))
        except NotSeen:  # "all but the pink one", and there is none: all
            left_out = ()
        return [id for id in ids if id not in left_out]


def spoken(noun: Noun, plural: bool = False) -> str:
    """A noun for a person, such as "small red block" or "blocks left of blue bowl"."""
    looks = " ".join(word for word in (noun.size, noun.colour, noun.kind) if word)
    return " ".join([looks + ("s" if plural else ""), *(one.text for one in noun.filters)])


def _all(things: Things) -> Things:
    return Things("all", things.nouns) if things.quantifier == "the" else things


def _ranks(noun: Noun) -> bool:
    return bool(noun.filters) and isinstance(noun.filters[-1], (Most, Closest, Nth))


def _first(ids: Sequence[int], key: Callable[[int], float], n: int = 1) -> list[int]:
    """The `n` with the least `key`, and all that are as good within `TIE`."""
    if not ids:
        return []
    last = sorted(map(key, ids))[:n][-1]
    return [id for id in ids if key(id) <= last + TIE]


def _unique(ids: Sequence[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(ids))


def _listed(ids: Sequence[int], scene: SeenScene) -> str:
    return " or ".join(scene.called(id, ids) for id in ids)
