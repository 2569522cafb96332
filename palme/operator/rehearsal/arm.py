"""A drawn five-joint arm of two links over a table, without physics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

SHOULDER = np.array([0.0, 0.0, 0.33])  # [m] base frame: x away, y left, z up
UPPER, FORE, HAND = 0.36, 0.36, 0.12  # [m]
LOW, HIGH = np.array([0.22, -0.34, 0.015]), np.array([0.58, 0.34, 0.46])  # [m] bounds of the tool position
SPEED, ACCELERATION = 0.25, 1.2  # [m/s], [m/s^2]
TURN, TURN_ACCELERATION = 1.2, 6.0  # [rad/s], [rad/s^2]
OPENING = 2.5  # [1/s]
NAMES = ("base", "shoulder", "elbow", "wrist", "roll")
Q_MIN = np.array([-1.6, -0.4, -2.6, -2.4, -2.9])  # [rad]
Q_MAX = np.array([1.6, 1.9, 0.0, 0.6, 2.9])
DQ_MAX = np.array([1.5, 1.5, 2.0, 2.5, 2.5])  # [rad/s]


class LineArm:
    """The rehearsal arm; all motions are limited in rate.

    Attributes:
        xyz: (3,) tool position in [m], base frame.
        velocity: (3,) in [m/s].
        roll, spin: tool roll in [rad], and its rate in [rad/s].
        gripper: opening in [0, 1].
        q, dq: (5,) joints in [rad], and their rates in [rad/s].
        limited_by: the bound reached, or "".
    """

    def __init__(self) -> None:
        """Start over the table with an open gripper."""
        self.xyz = np.array([0.40, 0.0, 0.30])
        self.velocity = np.zeros(3)
        self.roll, self.spin, self.gripper = 0.0, 0.0, 1.0
        self.limited_by = ""
        self.q = joints(self.xyz, self.roll)
        self.dq = np.zeros(5)

    def tick(self, dt: float, velocity: Vector, spin: float, gripper: float | None) -> None:
        """Advance by one tick.

        Args:
            dt: duration in [s].
            velocity: (3,) wanted tool velocity in [m/s].
            spin: wanted roll rate in [rad/s].
            gripper: wanted opening in [0, 1], None = unchanged.
        """
        change = velocity - self.velocity
        most = ACCELERATION * dt
        self.velocity = self.velocity + change * min(1.0, most / max(float(np.linalg.norm(change)), 1e-12))
        self.spin += float(np.clip(spin - self.spin, -TURN_ACCELERATION * dt, TURN_ACCELERATION * dt))
        wanted = self.xyz + self.velocity * dt
        bounded = np.clip(wanted, LOW, HIGH)
        at_wall = bounded != wanted
        self.velocity[at_wall] = 0.0
        self.limited_by = ""
        if at_wall.any():
            axis = int(np.argmax(at_wall))
            self.limited_by = "table: fingers" if axis == 2 and wanted[2] < LOW[2] else f"box: {'xyz'[axis]}"
        self.xyz = bounded
        self.roll = float(np.clip(self.roll + self.spin * dt, Q_MIN[4], Q_MAX[4]))
        if gripper is not None:
            self.gripper += float(np.clip(gripper - self.gripper, -OPENING * dt, OPENING * dt))
        before, self.q = self.q, joints(self.xyz, self.roll)
        self.dq = (self.q - before) / dt

    @property
    def still(self) -> bool:
        """Whether the tool is at rest."""
        return not (self.velocity.any() or abs(self.spin) > 1e-9)


def joints(xyz: Vector, roll: float) -> Vector:
    """Inverse kinematics: (5,) joints in [rad] for a tool at `xyz` (3,) in [m], pointing down."""
    yaw = float(np.arctan2(xyz[1], xyz[0]))
    r, z = float(np.hypot(xyz[0], xyz[1])), float(xyz[2] + HAND - SHOULDER[2])
    reach = min(float(np.hypot(r, z)), UPPER + FORE - 1e-6)
    bend = np.pi - np.arccos((UPPER**2 + FORE**2 - reach**2) / (2 * UPPER * FORE))
    lift = np.arctan2(z, r) + bend / 2  # equal links share the elbow angle
    return np.array([yaw, lift, -bend, -np.pi / 2 - lift + bend, roll])


def points(q: Vector) -> Vector:
    """Forward kinematics: (5, 3) base, shoulder, elbow, wrist and tool in [m]."""
    out = np.array([np.cos(q[0]), np.sin(q[0]), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    elbow = SHOULDER + UPPER * (np.cos(q[1]) * out + np.sin(q[1]) * up)
    wrist = elbow + FORE * (np.cos(q[1] + q[2]) * out + np.sin(q[1] + q[2]) * up)
    return np.array([np.zeros(3), SHOULDER, elbow, wrist, wrist - HAND * up])
