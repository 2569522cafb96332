"""What a policy can be asked for: a step, a picture of how it shall look, or a condition that shall hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.skills import Step

FormulaValue = str | float | Sequence["FormulaValue"] | Mapping[str, "FormulaValue"]


@dataclass(frozen=True, eq=False)
class ImageGoal:
    """How the scene shall look.

    Attributes:
        rgb: (H, W, 3) uint8.
        camera: name of the camera that `rgb` is a picture of.
    """

    rgb: NDArray[np.uint8]
    camera: str = "front"


@dataclass(frozen=True)
class ConditionGoal:
    """What shall hold at the end.

    Attributes:
        formula: as in an open-instruction suite, such as {"in": ["obj_1", "obj_3"]} or {"all": [...]}; data,
            which whoever evaluates it checks.
    """

    formula: Mapping[str, FormulaValue]


Goal = Step | ImageGoal | ConditionGoal
GoalKind = type[Step] | type[ImageGoal] | type[ConditionGoal]
