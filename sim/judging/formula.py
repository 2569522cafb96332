"""Formulas about a table at the end of a run: a small typed language.

Left, right, in front and behind are those of the front camera's picture: left is smaller y, right larger y,
in front (nearer to the camera) larger x, behind smaller x, all in the base frame. A formula is evaluated on
`Moments`: the table at the start and at the end. `sim.judging.parser` reads formulas, `str` prints them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from sim.geometry.shapes import Array
from sim.judging.snapshot import Snapshot
from sim.world.scene_state import TOUCH, vertical_reach
from sim.world.state import SceneState

BESIDE = 0.01  # [m] left_of and its like
NEAR = 0.09  # [m]
UNMOVED = 0.02  # [m]
ROW_GAP, ROW_WIDTH = 0.03, 0.02  # [m] between neighbours, and off the line
_ROUNDING = 1e-9  # [m] a distance written in a file is reached in spite of rounding

Side = Literal["left_of", "right_of", "in_front_of", "behind"]
_SIDES: dict[str, tuple[int, int]] = {
    "left_of": (1, -1), "right_of": (1, 1), "in_front_of": (0, 1), "behind": (0, -1)
}  # fmt: skip


@dataclass(frozen=True)
class Moments:
    """The same table twice.

    Attributes:
        start: before the first command.
        end: now.

    Raises:
        ValueError: they do not hold the same objects.
    """

    start: Snapshot
    end: Snapshot

    def __post_init__(self) -> None:
        if self.start.specs != self.end.specs:
            raise ValueError("start and end hold different objects; judge one table")

    @cached_property
    def before(self) -> SceneState:
        """What rested where at the start."""
        return self.start.state

    @cached_property
    def after(self) -> SceneState:
        """What rests where at the end."""
        return self.end.state

    def displacement(self, i: int) -> Array:
        """(3,) how far object `i` moved, in [m], base frame."""
        moved: Array = self.end.positions[i] - self.start.positions[i]
        return moved

    def on_table(self, i: int) -> bool:
        """Whether `i` rests directly on the table, at the end."""
        if self.end.held == i or self.after.holder[i] is not None:
            return False
        bottom = self.end.positions[i, 2] - vertical_reach(self.end.specs[i], self.end.quats_xyzw[i])
        return bool(abs(bottom) <= TOUCH)


@dataclass(frozen=True)
class Thing:
    """An object of a formula.

    Attributes:
        id: its name in the formula; for the judge alone.
        index: its place among the objects of the table.
    """

    id: str
    index: int

    def __str__(self) -> str:
        return self.id


class Formula:
    """True or false of two moments."""

    @abstractmethod
    def holds(self, moments: Moments) -> bool:
        """Whether it is true."""

    def failures(self, moments: Moments) -> tuple[str, ...]:
        """Which of its parts are false, in the language of the file; () where it holds."""
        return () if self.holds(moments) else (str(self),)


@dataclass(frozen=True)
class In(Formula):
    """The bowl at the bottom of the pile of `x` is `y`."""

    x: Thing
    y: Thing

    def __str__(self) -> str:
        return f"in: [{self.x}, {self.y}]"

    def holds(self, moments: Moments) -> bool:
        """See `Formula`."""
        return moments.end.held != self.x.index and moments.after.container(self.x.index) == self.y.index


@dataclass(frozen=True)
class RestsOn(Formula):
    """`x` rests directly on (or in) `y`."""

    x: Thing
    y: Thing

    def __str__(self) -> str:
        return f"rests_on: [{self.x}, {self.y}]"

    def holds(self, moments: Moments) -> bool:
        """See `Formula`."""
        return moments.after.holder[self.x.index] == self.y.index


@dataclass(frozen=True)
class OnTable(Formula):
    """`x` rests directly on the table."""

    x: Thing

    def __str__(self) -> str:
        return f"on_table: {self.x}"

    def holds(self, moments: Moments) -> bool:
        """See `Formula`."""
        return moments.on_table(self.x.index)


@dataclass(frozen=True)
class Beside(Formula):
    """The middle of `x` lies at least 1 cm further to `side` than that of `y`."""

    side: Side
    x: Thing
    y: Thing

    def __str__(self) -> str:
        return f"{self.side}: [{self.x}, {self.y}]"

    def holds(self, moments: Moments) -> bool:
        """See `Formula`."""
        axis, sign = _SIDES[self.side]
        at = moments.end.positions[:, axis]
        return bool(sign * (at[self.x.index] - at[self.y.index]) >= BESIDE - _ROUNDING)


@dataclass(frozen=True)
class Near(Formula):
    """The middles of `x` and `y` are at most 9 cm apart."""

    x: Thing
    y: Thing

    def __str__(self) -> str:
        return f"near: [{self.x}, {self.y}]"

    def holds(self, moments: Moments) -> bool:
        """See `Formula`."""
        gap = moments.end.positions[self.x.index] - moments.end.positions[self.y.index]
        return bool(np.linalg.norm(gap) <= NEAR + _ROUNDING)


@dataclass(frozen=True)
class Moved(Formula):
    """`of` moved so far since the start.

    Attributes:
        right: wanted displacement to the right, + y, in [m]; None = any.
        toward: wanted displacement toward the camera, + x, in [m]; None = any.
        within: [m] the displacement, along the axes that are wanted, may be off by so much.
    """

    of: Thing
    right: float | None
    toward: float | None
    within: float

    def __str__(self) -> str:
        parts = [f"of: {self.of}"]
        parts += [f"right: {self.right:g}"] if self.right is not None else []
        parts += [f"toward: {self.toward:g}"] if self.toward is not None else []
        return f"moved: {{{', '.join([*parts, f'within: {self.within:g}'])}}}"

    def holds(self, moments: Moments) -> bool:
        """See `Formula`."""
        by = moments.displacement(self.of.index)
        off = [
            by[axis] - wanted for axis, wanted in ((1, self.right), (0, self.toward)) if wanted is not None
        ]
        return bool(np.linalg.norm(off) <= self.within + _ROUNDING)


@dataclass(frozen=True)
class At(Formula):
    """The middle of `of` lies at `xy` in [m], base frame, give or take `within` [m]."""

    of: Thing
    xy: tuple[float, float]
    within: float

    def __str__(self) -> str:
        x, y = self.xy
        return f"at: {{of: {self.of}, xy: [{x:g}, {y:g}], within: {self.within:g}}}"

    def holds(self, moments: Moments) -> bool:
        """See `Formula`."""
        gap = moments.end.positions[self.of.index, :2] - self.xy
        return bool(np.linalg.norm(gap) <= self.within + _ROUNDING)


@dataclass(frozen=True)
class Unmoved(Formula):
    """The middle of `x` is within 2 cm of where it was, and what it rests on is the same."""

    x: Thing

    def __str__(self) -> str:
        return f"unmoved: {self.x}"

    def holds(self, moments: Moments) -> bool:
        """See `Formula`."""
        i = self.x.index
        still = np.linalg.norm(moments.displacement(i)) <= UNMOVED + _ROUNDING
        return bool(still and moments.end.held != i and moments.before.holder[i] == moments.after.holder[i])


@dataclass(frozen=True)
class Row(Formula):
    """All on the table, from left to right, neighbours 3 cm apart or more, within 2 cm of a straight line."""

    things: tuple[Thing, ...]

    def __str__(self) -> str:
        return f"row: [{', '.join(map(str, self.things))}]"

    def holds(self, moments: Moments) -> bool:
        """See `Formula`."""
        rows = [thing.index for thing in self.things]
        at = moments.end.positions[rows, :2]
        steps = np.diff(at, axis=0)
        if not (steps[:, 1] > 0).all() or not all(map(moments.on_table, rows)):
            return False
        if not (np.linalg.norm(steps, axis=1) >= ROW_GAP - _ROUNDING).all():
            return False
        return _breadth(at) <= 2 * ROW_WIDTH + _ROUNDING


@dataclass(frozen=True)
class Exactly(Formula):
    """Exactly `n` of `formulas` hold."""

    n: int
    formulas: tuple[Formula, ...]

    def __str__(self) -> str:
        return f"exactly: [{self.n}, {_listed(self.formulas)}]"

    def holds(self, moments: Moments) -> bool:
        """See `Formula`."""
        return sum(f.holds(moments) for f in self.formulas) == self.n


@dataclass(frozen=True)
class All(Formula):
    """Each of `formulas` holds."""

    formulas: tuple[Formula, ...]

    def __str__(self) -> str:
        return f"all: {_listed(self.formulas)}"

    def holds(self, moments: Moments) -> bool:
        """See `Formula`."""
        return all(f.holds(moments) for f in self.formulas)

    def failures(self, moments: Moments) -> tuple[str, ...]:
        """Those of each part."""
        return tuple(text for f in self.formulas for text in f.failures(moments))


@dataclass(frozen=True)
class AnyOf(Formula):
    """At least one of `formulas` holds."""

    formulas: tuple[Formula, ...]

    def __str__(self) -> str:
        return f"any: {_listed(self.formulas)}"

    def holds(self, moments: Moments) -> bool:
        """See `Formula`."""
        return any(f.holds(moments) for f in self.formulas)


@dataclass(frozen=True)
class Not(Formula):
    """`formula` does not hold."""

    formula: Formula

    def __str__(self) -> str:
        return f"not: {{{self.formula}}}"

    def holds(self, moments: Moments) -> bool:
        """See `Formula`."""
        return not self.formula.holds(moments)


def _breadth(points: Array) -> float:
    """Least width in [m] of a straight strip that holds all of `points` (N, 2): along one of their chords."""
    chords = (points[None] - points[:, None]).reshape(-1, 2)
    lengths = np.linalg.norm(chords, axis=1)
    along = chords[lengths > 0] / lengths[lengths > 0, None]
    across = np.stack([-along[:, 1], along[:, 0]], 1)  # (K, 2)
    return float(np.ptp(points @ across.T, axis=0).min())


def _listed(formulas: Sequence[Formula]) -> str:
    return f"[{', '.join(f'{{{f}}}' for f in formulas)}]"
