"""The commanded state, and how it decelerates: any arm is braked by targets alone.

The safety gate brakes in the same way where it gets no command. Here the target is known, so that a local
arm, one in lock-step and a remote one all hold in the same way.
"""

from __future__ import annotations

import numpy as np

from robots.spec import ArmSpec
from robots.types import Array

ROUNDING = 2e-9  # below the gate's own limits, so that a braking target passes it unchanged


class Commanded:
    """The commanded state of one arm, from what was sent.

    Attributes:
        q, dq: (n_joints,) in [rad], [rad/s].
        gripper: the opening that is wanted, in [0, 1].
        change: (n_joints,) what a tick may take off each speed, in [rad/s].
    """

    def __init__(self, spec: ArmSpec, q: Array, gripper: float) -> None:
        self.spec = spec
        self.change = np.minimum(spec.ddq_max, spec.jerk_max * spec.dt / 2) * (1 - ROUNDING) * spec.dt
        self.q = np.array(q, dtype=np.float64)
        self.dq = np.zeros(spec.n_joints)
        self.gripper = float(gripper)

    @property
    def at_rest(self) -> bool:
        return not (np.abs(self.dq) > 1e-6).any()

    def slower(self) -> Array:
        """(n_joints,) target of the next tick when braking: the arm's own position once at rest."""
        if self.at_rest:
            return self.q.copy()
        speed = self.dq - np.clip(self.dq, -self.change, self.change)
        return self.q + speed * self.spec.dt

    def sent(self, q: Array) -> None:
        """The gate let `q` through at this tick."""
        self.dq = (q - self.q) * self.spec.control_hz
        self.q = np.array(q)


def brakes_within(distance: Array, change: Array, dt: float) -> Array:
    """The highest speeds from which braking by `change` a tick takes no more than `distance`; 0 below it.

    As `robots.safety.gate` has it for one joint: a first tick at full speed, then `change` less each.
    """
    distance = np.maximum(distance, 0.0)
    n = np.maximum(np.ceil(np.sqrt(0.25 + 2 * distance / (change * dt)) - 0.5), 1.0)
    return np.where(distance > 0, distance / (n * dt) + change * ((n - 1) / 2), 0.0)


def follow(q: Array, goal: Array, goal_speed: Array, top: Array, change: Array, dt: float) -> Array:
    """The next target on the way from `q` to a moving `goal`, without overshoot.

    Args:
        q, goal: (n_joints,) in [rad].
        goal_speed, top: (n_joints,) of the goal, and the highest allowed, in [rad/s].
    """
    away = goal - q
    side, distance = np.sign(away), np.abs(away)
    along = np.clip(goal_speed * side, 0.0, top)  # what the goal runs away with need not be braked off at it
    n = np.ceil(along / change)
    room = distance + n * along * dt - change * dt * (n * (n - 1) / 2) - along * dt
    speed = np.minimum(np.minimum(brakes_within(room, change, dt), distance / dt), top)
    return q + side * speed * dt
