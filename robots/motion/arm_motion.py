"""Motions of one arm in task space, for policies that know no kinematics."""

from __future__ import annotations

import numpy as np

from robots.motion.kinematics import fk, reach_down
from robots.motion.trajectory import join, joint_motion, line_motion
from robots.spec import ArmSpec
from robots.types import Array


class ArmMotion:
    """Jerk-limited paths of one arm; implements `palme.policies.base.Motion`. All are from rest to rest."""

    def __init__(self, spec: ArmSpec) -> None:
        self.spec = spec

    @property
    def home(self) -> Array:
        """(n_joints,) in [rad]."""
        return self.spec.q_home

    @property
    def control_hz(self) -> float:
        """Rows of a path a second."""
        return self.spec.control_hz

    @property
    def gripper_width(self) -> float:
        """Stroke of the gripper in [m]."""
        return self.spec.gripper_width

    def tool(self, q: Array) -> Array:
        """Tool position (3,) in base [m] for `q` (n_joints,) in [rad]."""
        return fk(self.spec, q)[:3, 3]

    def yaw(self, q: Array) -> float:
        """Tool angle about base z in [rad] for `q` (n_joints,) in [rad]; see `kinematics.tool_pose`."""
        forward = fk(self.spec, q)[:2, 0]
        return float(np.arctan2(forward[1], forward[0]))

    def reach(self, xyz: Array, yaw: float, q_seed: Array) -> Array:
        """Joints (n_joints,) in [rad] with the tool at `xyz` (3,) in base [m], pointing down, at `yaw` [rad].

        `q_seed` (n_joints,) selects the nearest solution. Raises Unreachable.
        """
        return reach_down(self.spec, np.asarray(xyz), yaw, q_seed)

    def go(self, q_from: Array, q_to: Array) -> Array:
        """(T, n_joints) in [rad], straight in joint space. Raises MotionNotFound."""
        return joint_motion(self.spec, q_from, q_to)

    def line(self, q_from: Array, xyz: Array, speed: float) -> Array:
        """(T, n_joints) in [rad], the tool on a straight line to `xyz` [m] at constant orientation.

        `speed` of the tool in [m/s]. Raises Unreachable, MotionNotFound.
        """
        goal = fk(self.spec, q_from)
        goal[:3, 3] = xyz
        return line_motion(self.spec, q_from, goal, speed)

    def join(self, q_from: Array, *paths: Array, overlap: int = 2) -> Array:
        """Joins paths, each starting where the previous one ends; see `trajectory.join`."""
        return join(self.spec, q_from, paths, overlap)
