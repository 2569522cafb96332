"""Motions of one arm by their purpose: what a policy asks for without knowing kinematics."""

from __future__ import annotations

import numpy as np

from robots.motion.kinematics import fk, reach_down
from robots.motion.trajectory import join, joint_motion, line_motion
from robots.spec import ArmSpec
from robots.types import Array


class ArmMotion:
    """Jerk-limited paths of `spec`'s arm; see `palme.policies.base.Motion` for the contract."""

    def __init__(self, spec: ArmSpec) -> None:
        self.spec = spec

    @property
    def home(self) -> Array:
        return self.spec.q_home

    @property
    def control_hz(self) -> float:
        return self.spec.control_hz

    @property
    def gripper_width(self) -> float:
        return self.spec.gripper_width

    def tool(self, q: Array) -> Array:
        """(3,) where the tool is for `q`, in [m]."""
        return fk(self.spec, q)[:3, 3]

    def yaw(self, q: Array) -> float:
        """How the tool is turned about base z for `q`, in [rad]: that of `kinematics.tool_pose`."""
        forward = fk(self.spec, q)[:2, 0]
        return float(np.arctan2(forward[1], forward[0]))

    def reach(self, xyz: Array, yaw: float, q_seed: Array) -> Array:
        """(n_joints,) with the tool at `xyz` [m] pointing down. Raises Unreachable."""
        return reach_down(self.spec, np.asarray(xyz), yaw, q_seed)

    def go(self, q_from: Array, q_to: Array) -> Array:
        """(T, n_joints) through joint space, rest to rest."""
        return joint_motion(self.spec, q_from, q_to)

    def line(self, q_from: Array, xyz: Array, speed: float) -> Array:
        """(T, n_joints) with the tool on a straight line to `xyz` [m], its direction kept."""
        goal = fk(self.spec, q_from)
        goal[:3, 3] = xyz
        return line_motion(self.spec, q_from, goal, speed)

    def join(self, q_from: Array, *paths: Array, overlap: int = 2) -> Array:
        """One path from `q_from` out of several, each from where the one before ends, its corners cut."""
        return join(self.spec, q_from, paths, overlap)
