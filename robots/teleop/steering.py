"""Steering: joint targets for an operator's action, tick by tick: jogging, reaching, following a leader."""

from __future__ import annotations

import numpy as np

from robots.motion.kinematics import fk, jacobian, pose_error
from robots.spec import ArmSpec
from robots.teleop.braking import CommandedState, brakes_within, follow
from robots.teleop.jogging import joint_speeds
from robots.teleop.limits import TeleopLimits
from robots.teleop.teleop_actions import Jog, LeaderJoints, LeaderTool, Reach, TeleopAction, speed_fractions
from robots.types import Array

DRIFT = 4.0  # [1/s] gain that corrects drift in directions that are not jogged
MOVING = 0.05  # [m/s], [rad/s] above which a direction still moves, so its drift is not corrected


class Steering:
    """Keeps the state of a motion from tick to tick; `reset` discards it.

    Every target starts from the last commanded one, so that no motion begins with a jump: a jog starts at the
    tool's present velocity, a leader arm at the poses of both arms when its clutch closes.

    Attributes:
        limited_by: what limited the last motion (a joint limit, a singularity), or "".
    """

    def __init__(self, spec: ArmSpec, limits: TeleopLimits) -> None:
        self.spec, self.limits = spec, limits
        self.limited_by = ""
        self._top = spec.dq_max * limits.joint_share
        self.reset()

    def reset(self) -> None:
        """End the motion: the next action starts a new one."""
        self._kind: type | None = None
        self.limited_by = ""

    def target(self, action: TeleopAction, arm: CommandedState) -> Array:
        """(n_joints,) target in [rad] of the next tick for `action`, from the commanded state `arm`."""
        if type(action) is not self._kind:
            self._begin(action, arm)
        if isinstance(action, LeaderJoints):
            return self._joints(action, arm)
        if isinstance(action, Jog):
            linear = speed_fractions(action.linear) * self.limits.linear
            angular = speed_fractions(action.angular) * self.limits.angular
            wanted = np.concatenate([linear, angular])
            return self._move(self._without_drift(wanted, arm), arm)
        here = fk(self.spec, arm.q)
        goal = self._tool_goal(action, here)
        return self._move(self._towards(pose_error(here, goal)), arm, ramped=False)

    def _begin(self, action: TeleopAction, arm: CommandedState) -> None:
        self._kind = type(action)
        here = fk(self.spec, arm.q)
        self._twist = jacobian(self.spec, arm.q) @ arm.dq
        self._reference = here.copy()
        if isinstance(action, LeaderJoints):
            self._offset, self._leader_q = arm.q - action.q, action.q
        elif isinstance(action, LeaderTool):
            self._start, self._leader_start = here, action.base_from_ee

    # -- the tool -----------------------------------------------------------------------------

    def _move(self, wanted: Array, arm: CommandedState, ramped: bool = True) -> Array:
        """Target after one tick at tool velocity `wanted` (6,), approached with the ramps of the limits."""
        dt, limits = self.spec.dt, self.limits
        change = wanted - self._twist
        for part, ramp in ((slice(0, 3), limits.linear_ramp), (slice(3, 6), limits.angular_ramp)):
            size = float(np.sqrt(change[part] @ change[part]))
            if ramped and size > ramp * dt:
                change[part] *= ramp * dt / size
        self._twist = self._twist + change
        dq, self.limited_by = joint_speeds(self.spec, arm.q, self._twist, self._top)
        # midpoint rule: follows a straight line, not its tangent
        middle = arm.q + 0.5 * dt * dq
        dq, limited_by = joint_speeds(self.spec, middle, self._twist, self._top)
        self.limited_by = self.limited_by or limited_by
        # near a singularity the other directions may be too fast
        moves = jacobian(self.spec, middle) @ dq
        linear, angular = float(np.linalg.norm(moves[:3])), float(np.linalg.norm(moves[3:]))
        return arm.q + dq * (dt / max(1.0, linear / limits.linear, angular / limits.angular))

    def _without_drift(self, wanted: Array, arm: CommandedState) -> Array:
        """`wanted` (6,) plus a correction of drift, so that a straight jog does not turn the tool."""
        here, now = fk(self.spec, arm.q), jacobian(self.spec, arm.q) @ arm.dq
        wanted = wanted.copy()
        back = pose_error(here, self._reference)
        for part, top in ((slice(0, 3), self.limits.linear), (slice(3, 6), self.limits.angular)):
            if wanted[part].any() or np.sqrt(now[part] @ now[part]) > MOVING:
                if part.start:
                    self._reference[:3, :3] = here[:3, :3]
                else:
                    self._reference[:3, 3] = here[:3, 3]
            else:
                wanted[part] = np.clip(DRIFT * back[part], -0.2 * top, 0.2 * top)
        return wanted

    def _tool_goal(self, action: TeleopAction, here: Array) -> Array:
        goal = self._reference.copy()
        if isinstance(action, Reach):
            goal[:3, 3] = np.clip(action.xyz, self.spec.workspace_min, self.spec.workspace_max)
        elif isinstance(action, LeaderTool):
            turned = action.base_from_ee[:3, :3] @ self._leader_start[:3, :3].T
            goal[:3, :3] = turned @ self._start[:3, :3]
            goal[:3, 3] = self._start[:3, 3] + action.base_from_ee[:3, 3] - self._leader_start[:3, 3]
        return goal

    def _towards(self, error: Array) -> Array:
        """(6,) tool velocity that covers the pose error `error` (6,) without overshoot."""
        dt, limits = self.spec.dt, self.limits
        out = np.zeros(6)
        for part, top, ramp in (
            (slice(0, 3), limits.linear, limits.linear_ramp),
            (slice(3, 6), limits.angular, limits.angular_ramp),
        ):
            now = float(np.sqrt(self._twist[part] @ self._twist[part]))
            away = float(np.sqrt(error[part] @ error[part]))
            if away > 1e-6:
                fast = float(brakes_within(np.array(away), np.array(ramp * dt), dt))
                out[part] = error[part] / away * min(fast, away / dt, top, now + ramp * dt)
        return out

    # -- joint by joint -----------------------------------------------------------------------

    def _joints(self, action: LeaderJoints, arm: CommandedState) -> Array:
        goal = np.clip(action.q + self._offset, self.spec.q_min, self.spec.q_max)
        speed = (action.q - self._leader_q) * self.spec.control_hz
        self._leader_q = action.q
        return follow(arm.q, goal, speed, self._top, arm.change, self.spec.dt)
