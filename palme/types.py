"""Goals of a policy: a step, a picture of the goal, or a condition that shall hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.skills import Step

FormulaValue = str | float | Sequence["FormulaValue"] | Mapping[str, "FormulaValue"]


@dataclass(frozen=True, eq=False)
class ImageGoal:
    """A picture of the scene when the goal is reached.

    Attributes:
        rgb: (H, W, 3) uint8.
        camera: name of the picture's camera.
    """

    rgb: NDArray[np.uint8]
    camera: str = "front"


@dataclass(frozen=True)
class ConditionGoal:
    """A condition that shall hold at the end.

    Attributes:
        formula: such as {"in": ["obj_1", "obj_3"]} or {"all": [...]}; checked where it is evaluated.
    """

    formula: Mapping[str, FormulaValue]


Goal = Step | ImageGoal | ConditionGoal
GoalKind = type[Step] | type[ImageGoal] | type[ConditionGoal]
