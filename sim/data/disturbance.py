"""A hand that reaches in: a thing that nothing lies on is put somewhere else on the table."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.geometry.shapes import Array, height, width
from sim.judging.snapshot import Snapshot

X_RANGE, Y_RANGE = (0.36, 0.64), (-0.26, 0.26)  # [m] of the table, within reach and in the picture
APART = 0.045  # [m] between the outlines of the thing and its neighbours, so that the fingers fit in
LIFT = 0.001  # [m] above the table, from where it drops
TRIES = 200


@dataclass(frozen=True)
class Moved:
    """Where thing `index` is put: its middle in [m], base frame, and its yaw in [rad]."""

    index: int
    position: Array
    yaw: float


def moved_by_hand(table: Snapshot, rng: np.random.Generator) -> Moved | None:
    """What a hand moves; None where nothing can be, or no place is free.

    Taken is a block or cylinder that nothing lies on and that the gripper does not hold: out of a bowl, off
    a pile, or from where it stands.
    """
    state = table.state
    free = [
        i
        for i, spec in enumerate(table.specs)
        if spec.kind != "bowl" and state.is_clear(i) and i != table.held
    ]
    for _ in range(TRIES if free else 0):
        i = int(rng.choice(free))
        xy = rng.uniform((X_RANGE[0], Y_RANGE[0]), (X_RANGE[1], Y_RANGE[1]))
        least = np.array([(width(spec) + width(table.specs[i])) / 2 for spec in table.specs]) + APART
        away = np.hypot(*(table.positions[:, :2] - xy).T)
        if (np.delete(away - least, i) > 0).all():
            position = np.array([*xy, height(table.specs[i]) / 2 + LIFT])
            return Moved(i, position, float(rng.uniform(-math.pi, math.pi)))
    return None
