"""The commanded state of an arm, and targets that brake it within its limits.

The safety gate brakes in the same way at a tick without a command. Explicit braking targets make local,
lock-step and remote arms stop alike.
"""

from __future__ import annotations

import numpy as np

from robots.spec import ArmSpec
from robots.types import Array

ROUNDING = 2e-9  # below the gate's limits, so that a braking target passes it unchanged


class CommandedState:
    """The commanded state of one arm, from the commands sent.

    Attributes:
        q, dq: (n_joints,) in [rad], [rad/s].
        gripper: commanded opening in [0, 1].
        change: (n_joints,) largest decrease of each speed a tick in [rad/s].
    """

    def __init__(self, spec: ArmSpec, q: Array, gripper: float) -> None:
        self.spec = spec
        self.change = np.minimum(spec.ddq_max, spec.jerk_max * spec.dt / 2) * (1 - ROUNDING) * spec.dt
        self.q = np.array(q, dtype=np.float64)
        self.dq = np.zeros(spec.n_joints)
        self.gripper = float(gripper)

    @property
    def at_rest(self) -> bool:
        """Whether every joint is at most 1e-6 rad/s fast."""
        return not (np.abs(self.dq) > 1e-6).any()

    def braking_target(self) -> Array:
        """(n_joints,) target in [rad] of the next tick when braking; the present position at rest."""
        if self.at_rest:
            return self.q.copy()
        speed = self.dq - np.clip(self.dq, -self.change, self.change)
        return self.q + speed * self.spec.dt

    def update(self, q: Array) -> None:
        """Record that `q` (n_joints,) in [rad] was sent at this tick."""
        self.dq = (q - self.q) * self.spec.control_hz
        self.q = np.array(q)


def brakes_within(distance: Array, change: Array, dt: float) -> Array:
    """Highest speeds in [rad/s] from which braking by `change` a tick takes at most `distance` in [rad].

    The array form of `robots.safety.joint_limits.brakes_within`; 0 for a negative distance.
    """
    distance = np.maximum(distance, 0.0)
    n = np.maximum(np.ceil(np.sqrt(0.25 + 2 * distance / (change * dt)) - 0.5), 1.0)
    return np.where(distance > 0, distance / (n * dt) + change * ((n - 1) / 2), 0.0)


def follow(q: Array, goal: Array, goal_speed: Array, top: Array, change: Array, dt: float) -> Array:
    """(n_joints,) next target in [rad] from `q` towards a moving `goal`, without overshoot.

    Args:
        q, goal: (n_joints,) in [rad].
        goal_speed: (n_joints,) in [rad/s].
        top: (n_joints,) highest allowed speeds in [rad/s].
        change: (n_joints,) largest decrease of each speed a tick in [rad/s].
        dt: control period in [s].
    """
    away = goal - q
    side, distance = np.sign(away), np.abs(away)
    along = np.clip(goal_speed * side, 0.0, top)  # the arm need not brake below the goal's own speed
    n = np.ceil(along / change)
    room = distance + n * along * dt - change * dt * (n * (n - 1) / 2) - along * dt
    speed = np.minimum(np.minimum(brakes_within(room, change, dt), distance / dt), top)
    return q + side * speed * dt
