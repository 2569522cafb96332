"""Recorded joints within the limits of an arm: the check before a recording moves one or teaches a policy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.gripper import one_is
from robots.joints import DRIVEN, OUTSIDE, checked, numbers
from robots.spec import ArmSpec


def rows_within(
    spec: ArmSpec, key: str, recorded: Any, refusal: type[Exception], where: str = ""
) -> NDArray[np.float64]:
    """The (T, n_joints + 1) rows of `action` or `observation.state`, the last column the opening in [0, 1].

    Args:
        spec: of the arm that they are for.
        key: of the feature. What was measured may lie beyond a limit by `DRIVEN`.
        recorded: as read from the data set.
        refusal: class of the exception.
        where: begins its message, such as "data/one, episode 3: ".

    Raises:
        refusal: another shape, or a number out of its limits, as joints in degrees or of another arm are.
    """
    what = f"{where}{key}"
    rows = numbers(recorded, what, refusal)
    if not (rows.ndim == 2 and rows.shape[1] == spec.n_joints + 1 and len(rows) > 0):
        raise refusal(f"{what}: shape {rows.shape}, expected (T, {spec.n_joints + 1})")
    checked(spec, rows[:, :-1], what, refusal, DRIVEN if key == "observation.state" else OUTSIDE, rows=True)
    opening, last = one_is(closed=False).opening, rows[:, -1].tolist()
    openings = [opening(x, f"{what}, row {k}: gripper", refusal) for k, x in enumerate(last)]
    return np.column_stack([rows[:, :-1], openings])
