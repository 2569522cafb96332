"""How fast a person may move an arm: below what the arm itself allows, read from configs/hand/*.yaml."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from robots.errors import SpecError


@dataclass(frozen=True)
class TeleopLimits:
    """Defaults are gentle: ISO 10218-1 holds a hand-guided tool to 0.25 m/s in reduced speed.

    Attributes:
        linear: [m/s] of the tool at a full share.
        angular: [rad/s] of the tool at a full share.
        linear_ramp, angular_ramp: [m/s2], [rad/s2] with which a jog gathers speed; letting go brakes with all
            that the arm's own limits allow.
        joint_share: of each joint's `dq_max` that any motion by hand may take, in (0, 1].
        hover: [m] that `reach` keeps between the tool and the point.
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
            raise SpecError(f"hand.joint_share: {self.joint_share} is a share of dq_max, at most 1")

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> TeleopLimits:
        """Raises SpecError for an unknown name (with the nearest one) or a value out of range."""
        known = [f.name for f in fields(cls)]
        for key in raw:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                raise SpecError(f"hand.{key}: there are {known}" + (f"; {near[0]}?" if near else ""))
        return cls(**raw)
