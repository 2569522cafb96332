"""Joint speeds for a tool velocity, including near singularities and joint limits.

The inverse is damped one singular value at a time (Chiaverini 1997, "Singularity-robust task-priority
redundancy resolution", eq. 33 f.), so that the other directions stay exact.
"""

from __future__ import annotations

import numpy as np

from robots.motion.kinematics import jacobian
from robots.spec import ArmSpec
from robots.teleop.braking import brakes_within
from robots.types import Array

SINGULAR = 0.06  # singular values below this are damped: the Panda at home has 0.25, stretched out 0
DAMPING = 0.04
LIMIT_MARGIN = 0.02  # [rad] kept from the joint limits
LIMIT_BRAKING = 0.25  # fraction of the joints' acceleration used to brake before a limit
HOMING = 0.3  # [1/s] gain towards the home posture in the null space
MAX_HOMING_SPEED = 0.15  # [rad/s]


def joint_speeds(spec: ArmSpec, q: Array, twist: Array, top: Array) -> tuple[Array, str]:
    """Joint speeds that move the tool by `twist`.

    A joint near its limit is braked in time and the others compensate as far as possible. If one joint would
    be too fast, all are slowed by the same factor, so that the tool keeps its direction. A redundant arm
    drifts towards its home posture in the null space.

    Args:
        q: (n_joints,) in [rad].
        twist: (6,) tool velocity [m/s] over angular velocity [rad/s], in base.
        top: (n_joints,) highest speeds in [rad/s].

    Returns:
        (n_joints,) in [rad/s], and what limited the motion: "", "singular", or "limit: JOINT".
    """
    jac = jacobian(spec, q)
    change = LIMIT_BRAKING * np.minimum(spec.ddq_max, spec.jerk_max * spec.dt / 2) * spec.dt
    up = brakes_within(spec.q_max - LIMIT_MARGIN - q, change, spec.dt)
    down = brakes_within(q - spec.q_min - LIMIT_MARGIN, change, spec.dt)
    home = np.clip(HOMING * (spec.q_home - q), -MAX_HOMING_SPEED, MAX_HOMING_SPEED)
    fixed, at = np.zeros(spec.n_joints, bool), np.zeros(spec.n_joints)  # joints that brake, and their speeds
    limited_by = ""
    while True:
        free = jac * ~fixed
        dq, singular = _solve(free, twist - jac @ at)
        if spec.n_joints > 6:
            dq = dq + _null_space(free) @ (home * ~fixed)
        dq = np.where(fixed, at, dq)
        beyond = ~fixed & ((dq > up + 1e-9) | (dq < -down - 1e-9))
        if not beyond.any():
            break
        limited_by = f"limit: {spec.joint_names[int(np.argmax(beyond))]}"
        fixed |= beyond
        at = np.where(fixed, np.clip(dq, -down, up), 0.0)
    slow = max(1.0, float((np.abs(dq) / top).max()))
    return dq / slow, limited_by or ("singular" if singular else "")


def _solve(jac: Array, twist: Array) -> tuple[Array, bool]:
    """Damped least squares (n_joints,); also whether `twist` needs a damped direction."""
    u, s, vt = np.linalg.svd(jac, full_matrices=False)
    damped = np.clip(1.0 - (s / SINGULAR) ** 2, 0.0, 1.0)
    gain = s / (s * s + damped * DAMPING**2 + 1e-12)
    along = u.T @ twist
    singular = bool((np.abs(along) * (damped > 0.3) > 0.2 * np.sqrt(twist @ twist) + 1e-9).any())
    return vt.T @ (gain * along), singular


def _null_space(jac: Array) -> Array:
    """(n, n) projector onto joint motions that do not move the tool."""
    _, s, vt = np.linalg.svd(jac, full_matrices=False)
    rows = vt[s > 1e-3]
    return np.eye(jac.shape[1]) - rows.T @ rows
