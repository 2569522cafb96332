"""What shall hold: conditions over things by id, read off what is seen; the planner's own, not a judge's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from palme.language.programs.calls import PLACES
from palme.planners.program.scene import NEAR, SeenScene

XY = tuple[float, float]

WITHIN = 0.02
"""[m] by which a thing may miss its place: the arm releases within 1 cm, a detection adds half of one."""
SIDES = {"left": (1, -1), "right": (1, 1), "front": (0, 1), "behind": (0, -1)}
"""Axis of the base frame and sign along which a thing lies further to a side."""
MIDDLE: XY = (0.50, 0.0)
"""Middle of the table that the arm works on, in [m], base frame."""
SIDE_AT = {"left": -0.12, "right": 0.12, "front": 0.58, "behind": 0.42}
"""y, or x, in [m] from which on a thing is on that side of the table."""


class Goal(Protocol):
    """A condition on one thing, which a step can bring about."""

    @property
    def what(self) -> int:
        """Id of the thing that is moved for it."""
        ...

    def holds(self, scene: SeenScene) -> bool:
        """Whether it is so."""
        ...

    def said(self, scene: SeenScene) -> str:
        """For a person, such as "the red block in the blue bowl"."""
        ...


@dataclass(frozen=True)
class InBowl:
    """Thing `what` is in `bowl`, in it or on a pile in it."""

    what: int
    bowl: int

    def holds(self, scene: SeenScene) -> bool:
        """See `Goal`."""
        return scene.bowl_of(self.what) == self.bowl

    def said(self, scene: SeenScene) -> str:
        """See `Goal`."""
        return f"{scene.called(self.what)} in {scene.called(self.bowl)}"


@dataclass(frozen=True)
class On:
    """Thing `what` rests directly on `below`."""

    what: int
    below: int

    def holds(self, scene: SeenScene) -> bool:
        """See `Goal`."""
        return scene[self.what].holder == self.below

    def said(self, scene: SeenScene) -> str:
        """See `Goal`."""
        return f"{scene.called(self.what)} on {scene.called(self.below)}"


@dataclass(frozen=True)
class OnTable:
    """Thing `what` rests directly on the table."""

    what: int

    def holds(self, scene: SeenScene) -> bool:
        """See `Goal`."""
        return scene[self.what].holder is None

    def said(self, scene: SeenScene) -> str:
        """See `Goal`."""
        return f"{scene.called(self.what)} on the table"


@dataclass(frozen=True)
class Beside:
    """Thing `what` lies on the table to a `side` ("left", ..., "next") of `of`, close to it where "next"."""

    what: int
    side: str
    of: int

    def holds(self, scene: SeenScene) -> bool:
        """See `Goal`."""
        return scene[self.what].holder is None and scene.related(self.what, self.side, self.of)

    def said(self, scene: SeenScene) -> str:
        """See `Goal`."""
        where = {"front": "in front of"} | {s: PLACES[s] for s in ("left", "right", "next", "far")}
        return f"{scene.called(self.what)} {where.get(self.side, self.side)} {scene.called(self.of)}"


@dataclass(frozen=True)
class Between:
    """Thing `what` lies on the table between `a` and `b`."""

    what: int
    a: int
    b: int

    def holds(self, scene: SeenScene) -> bool:
        """See `Goal`."""
        return scene[self.what].holder is None and scene.is_between(self.what, self.a, self.b)

    def said(self, scene: SeenScene) -> str:
        """See `Goal`."""
        return f"{scene.called(self.what)} between {scene.called(self.a)} and {scene.called(self.b)}"


@dataclass(frozen=True)
class At:
    """Thing `what` lies on the table at `xy` in [m], base frame."""

    what: int
    xy: XY

    def holds(self, scene: SeenScene) -> bool:
        """See `Goal`."""
        x, y, _ = scene[self.what].xyz
        near = math.hypot(x - self.xy[0], y - self.xy[1]) <= WITHIN
        return scene[self.what].holder is None and near

    def said(self, scene: SeenScene) -> str:
        """See `Goal`."""
        x, y, _ = scene[self.what].xyz
        aside, away = round(100 * (self.xy[1] - y)), round(100 * (x - self.xy[0]))
        parts = [f"{abs(aside)} cm to the {'right' if aside > 0 else 'left'}"] if aside else []
        parts += [f"{abs(away)} cm {'away' if away > 0 else 'closer'}"] if away else []
        return f"{scene.called(self.what)} {' and '.join(parts) or 'where it is'}"


@dataclass(frozen=True)
class OnSide:
    """Thing `what` lies in the left, right, near or far part of the table, or in a corner: two of them."""

    what: int
    side: str
    corner: str | None = None

    @property
    def sides(self) -> tuple[str, ...]:
        """One, or two."""
        return (self.side,) if self.corner is None else (self.side, self.corner)

    def holds(self, scene: SeenScene) -> bool:
        """See `Goal`."""
        xyz = scene[self.what].xyz
        further = all(SIDES[s][1] * (xyz[SIDES[s][0]] - SIDE_AT[s]) >= 0 for s in self.sides)
        return scene[self.what].holder is None and further

    def said(self, scene: SeenScene) -> str:
        """See `Goal`."""
        where = {"front": "at the front", "behind": "at the back"}
        place = " and ".join(where.get(side, f"on the {side} side") for side in self.sides)
        return f"{scene.called(self.what)} {place} of the table"


@dataclass(frozen=True)
class Unmoved:
    """Thing `what` is where it was: at `xy` in [m], base frame, on `holder`. No step is for it."""

    what: int
    xy: XY
    holder: int | None

    def holds(self, scene: SeenScene) -> bool:
        """See `Goal`."""
        x, y, _ = scene[self.what].xyz
        near = math.hypot(x - self.xy[0], y - self.xy[1]) <= WITHIN
        return scene[self.what].holder == self.holder and near

    def said(self, scene: SeenScene) -> str:
        """See `Goal`."""
        return f"{scene.called(self.what)} where it is"


NEXT_TO = NEAR - 0.003
"""[m] up to which a thing is put down next to another: beside a bowl there is no room for more."""


def parts(goal: Goal, own: bool = False) -> set[int]:
    """Ids of what `goal` is about; with `own`, of what moves for it alone."""
    names = ("what",) if own else ("what", "bowl", "below", "of", "a", "b")
    return {id for part in names if (id := getattr(goal, part, None)) is not None}
