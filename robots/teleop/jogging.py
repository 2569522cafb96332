"""From a speed of the tool to speeds of the joints, near singularities and joint limits too.

The inverse is damped where the arm is short of a direction, one singular value at a time (Chiaverini 1997,
"Singularity-robust task-priority redundancy resolution", eq. 33 f.): the other directions stay exact.
"""

from __future__ import annotations

import numpy as np

from robots.motion.kinematics import jacobian
from robots.spec import ArmSpec
from robots.teleop.braking import brakes_within
from robots.types import Array

SHORT = 0.06  # singular values below this are damped: the Panda at home has 0.25, stretched out 0
DAMPING = 0.04
AT_LIMIT = 0.02  # [rad] kept from the joint limits
GENTLY = 0.25  # of the joints' own acceleration, with which they come to rest there
HOMING = 0.3  # [1/s] of the way home that spare freedom goes
HOMING_TOP = 0.15  # [rad/s]


def joint_speeds(spec: ArmSpec, q: Array, twist: Array, top: Array) -> tuple[Array, str]:
    """Speeds of the joints that move the tool by `twist`.

    A joint that comes to its limit is braked in time and the others make up for it as they can. All of it is
    slowed alike where one joint would be too fast, so that the tool keeps its direction. A redundant arm
    drifts home in its null space.

    Args:
        q: (n_joints,) in [rad].
        twist: (6,) tool velocity [m/s] over angular velocity [rad/s], in base.
        top: (n_joints,) highest speeds in [rad/s].

    Returns:
        (n_joints,) in [rad/s], and what held it back: "", "singular", or "limit: JOINT".
    """
    jac = jacobian(spec, q)
    gently = GENTLY * np.minimum(spec.ddq_max, spec.jerk_max * spec.dt / 2) * spec.dt
    up = brakes_within(spec.q_max - AT_LIMIT - q, gently, spec.dt)
    down = brakes_within(q - spec.q_min - AT_LIMIT, gently, spec.dt)
    home = np.clip(HOMING * (spec.q_home - q), -HOMING_TOP, HOMING_TOP)
    fixed, at = np.zeros(spec.n_joints, bool), np.zeros(spec.n_joints)  # joints that brake, and their speeds
    held = ""
    while True:
        free = jac * ~fixed
        dq, short = _solve(free, twist - jac @ at)
        if spec.n_joints > 6:
            dq = dq + _null_space(free) @ (home * ~fixed)
        dq = np.where(fixed, at, dq)
        beyond = ~fixed & ((dq > up + 1e-9) | (dq < -down - 1e-9))
        if not beyond.any():
            break
        held = f"limit: {spec.joint_names[int(np.argmax(beyond))]}"
        fixed |= beyond
        at = np.where(fixed, np.clip(dq, -down, up), 0.0)
    slow = max(1.0, float((np.abs(dq) / top).max()))
    return dq / slow, held or ("singular" if short else "")


def _solve(jac: Array, twist: Array) -> tuple[Array, bool]:
    """Damped least squares; whether `twist` asks for a direction that is damped."""
    u, s, vt = np.linalg.svd(jac, full_matrices=False)
    lack = np.clip(1.0 - (s / SHORT) ** 2, 0.0, 1.0)
    gain = s / (s * s + lack * DAMPING**2 + 1e-12)
    along = u.T @ twist
    short = bool((np.abs(along) * (lack > 0.3) > 0.2 * np.sqrt(twist @ twist) + 1e-9).any())
    return vt.T @ (gain * along), short


def _null_space(jac: Array) -> Array:
    """(n, n) projector onto what does not move the tool."""
    _, s, vt = np.linalg.svd(jac, full_matrices=False)
    rows = vt[s > 1e-3]
    return np.eye(jac.shape[1]) - rows.T @ rows
