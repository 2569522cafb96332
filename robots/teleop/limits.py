"""Speed limits of an operator's motions, below those of the arm; read from configs/hand/*.yaml."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from robots.errors import SpecError


@dataclass(frozen=True)
class TeleopLimits:
    """Default speeds follow ISO 10218-1, which limits a hand-guided tool to 0.25 m/s at reduced speed.

    Attributes:
        linear: [m/s] highest speed of the tool.
        angular: [rad/s] highest angular speed of the tool.
        linear_ramp, angular_ramp: [m/s2], [rad/s2] acceleration of a jog. A released jog brakes as fast as
            the arm's limits allow.
        joint_share: highest speed of each joint as a fraction of its `dq_max`, in (0, 1].
        hover: [m] height of the tool above the point of a `Reach`.
    """

    linear: float = 0.25
    angular: float = 0.8
    linear_ramp: float = 1.5
    angular_ramp: float = 5.0
    joint_share: float = 0.5
    hover: float = 0.10

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
                raise SpecError(f"hand.{f.name}: {value!r} must be a finite number > 0")
        if not self.joint_share <= 1:
            raise SpecError(f"hand.joint_share: {self.joint_share} is a fraction of dq_max, at most 1")

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> TeleopLimits:
        """The limits in `raw`. Raises SpecError for an unknown name, with the closest one, or a bad value."""
        known = [f.name for f in fields(cls)]
        for key in raw:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                raise SpecError(f"hand.{key}: unknown; known: {known}" + (f"; {near[0]}?" if near else ""))
        return cls(**raw)
