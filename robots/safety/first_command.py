"""The first command of a session: it must be near the measured arm, whatever moved or held the arm before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from robots.errors import CommandJumps
from robots.spec import ArmSpec
from robots.types import Array


def check_first_target(
    spec: ArmSpec, target: Array | Sequence[float], measured: Array | Sequence[float], what: str
) -> None:
    """Raise CommandJumps where the first target of a session is too far from the measured joints.

    Args:
        target, measured: (n_joints,) in [rad].
        what: name of the command, for the message.
    """
    away = np.abs(np.subtract(target, measured))
    limit = spec.first_command_tolerance
    if not (away <= limit).all():
        j = int(np.argmax(np.where(np.isnan(away), np.inf, away)))
        raise CommandJumps(
            f"{spec.joint_names[j]}: first target {target[j]:.3f} rad is {away[j]:.3f} rad from the "
            f"measured {measured[j]:.3f} rad, limit {limit} rad; {what} refused, start at the "
            "measured joints"
        )
