"""Grippers of other protocols: their numbers, and the opening in [0, 1] that this code uses, 1 = open.

Each protocol has one `GripperScale` at its edge. A number outside its range is in another unit: it is refused
by name, never clipped. Only an overshoot within the margin of the scale counts as the end of the range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

SENSOR = 0.05  # share of the stroke by which a sensor overshoots
NETWORK = 0.1  # share of the stroke by which a network's output overshoots


@dataclass(frozen=True)
class GripperScale:
    """Numbers of one protocol.

    Attributes:
        closed, opened: the number of a closed and of an open gripper; they differ.
        unit: for messages, such as "mm"; "" = none.
        margin: share of the stroke by which a number may lie beyond either end.
    """

    closed: float
    opened: float
    unit: str = ""
    margin: float = SENSOR

    def __post_init__(self) -> None:
        if not (math.isfinite(self.closed) and math.isfinite(self.opened) and self.closed != self.opened):
            raise ValueError(f"closed {self.closed}, open {self.opened}: two different finite numbers needed")

    def opening(self, value: object, what: str, refusal: type[Exception]) -> float:
        """The opening in [0, 1] of the number `value`.

        Args:
            what: names the value in a refusal.
            refusal: class of the exception.

        Raises:
            refusal: not a finite number, or outside the range of the protocol.
        """
        if isinstance(value, bool | np.bool_) or not isinstance(
            value, int | float | np.integer | np.floating
        ):
            raise refusal(f"{what}: {type(value).__name__} is not a number; {self}")
        number = float(value)
        share = (number - self.closed) / (self.opened - self.closed)
        if not -self.margin <= share <= 1.0 + self.margin:  # False for NaN as well
            raise refusal(f"{what}: {number:g}{self._unit} is out of range; {self}")
        return min(max(share, 0.0), 1.0)

    def value(self, opening: float) -> float:
        """The protocol's number for an opening in [0, 1]. Raises ValueError outside of it."""
        if not 0.0 <= opening <= 1.0:
            raise ValueError(f"opening {opening} is not in [0, 1]")
        return self.closed + float(opening) * (self.opened - self.closed)

    def __str__(self) -> str:
        return f"the gripper is {self.closed:g} closed to {self.opened:g} open{self._unit}"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""


def one_is(closed: bool, margin: float = SENSOR) -> GripperScale:
    """Numbers in [0, 1]; `closed` says whether 1 means closed."""
    return GripperScale(1.0, 0.0, margin=margin) if closed else GripperScale(0.0, 1.0, margin=margin)
