"""Jerk-limited motions sampled at the control rate: in joint space, along a line, and joined.

Motions are planned with a fraction of the arm's limits, so that the end of one may overlap the start of the
next within the limits. The safety gate enforces the limits in any case.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ruckig import InputParameter, Ruckig, RuckigError, Synchronization, Trajectory

from robots.errors import RobotError
from robots.motion.kinematics import fk, ik, pose_error
from robots.spec import ArmSpec
from robots.types import Array

SPEED_SHARE, ACCELERATION_SHARE, JERK_SHARE = 0.85, 0.5, 0.02
LINE_ACCELERATION, LINE_JERK = 3.0, 60.0  # [m/s2], [m/s3] of the tool
LINE_SHARE = 0.9  # of the joints' limits that a line may use; slower otherwise
TURN_SPEED = 1.5  # [rad/s] of the tool along a line


class MotionNotFound(RobotError):
    """No jerk-limited motion joins the two states."""


def joint_motion(spec: ArmSpec, q_from: Array, q_to: Array, speed: float = 1.0) -> Array:
    """Rest-to-rest motion on a straight line in joint space.

    Args:
        q_from, q_to: (n_joints,) in [rad].
        speed: fraction of the planned speeds and accelerations, in (0, 1].

    Returns:
        (T, n_joints) targets in [rad] at `spec.control_hz`, the first one tick after `q_from`, the last
        `q_to`.

    Raises:
        MotionNotFound: no such motion, as for targets that are not finite.
    """
    return _profile(
        np.asarray(q_from),
        np.asarray(q_to),
        SPEED_SHARE * speed * spec.dq_max,
        ACCELERATION_SHARE * speed * spec.ddq_max,
        JERK_SHARE * spec.jerk_max,
        spec.dt,
    )


def line_motion(spec: ArmSpec, q_from: Array, base_from_ee: Array, speed: float = 0.4) -> Array:
    """Rest-to-rest motion with the tool on a straight line, rotating in proportion.

    Args:
        q_from: (n_joints,) in [rad].
        base_from_ee: (4, 4) goal pose.
        speed: of the tool in [m/s].

    Returns:
        (T, n_joints) targets in [rad] at `spec.control_hz`.

    Raises:
        Unreachable: a point of the line is out of reach.
        MotionNotFound: no such motion.
    """
    start, goal = fk(spec, q_from), np.asarray(base_from_ee)
    error = pose_error(start, goal)
    length, angle = float(np.linalg.norm(error[:3])), float(np.linalg.norm(error[3:]))
    axis = error[3:] / angle if angle > 1e-9 else np.array([0.0, 0.0, 1.0])
    way = max(length, angle * speed / TURN_SPEED, 1e-6)
    slower = 1.0
    for _ in range(4):
        travelled = _profile(
            np.zeros(1),
            np.array([way]),
            np.array([speed / slower]),
            np.array([LINE_ACCELERATION / slower**2]),
            np.array([LINE_JERK / slower**3]),
            spec.dt,
        )
        out, q = np.empty((len(travelled), spec.n_joints)), np.asarray(q_from, dtype=np.float64)
        for k, share in enumerate(travelled[:, 0] / way):
            pose = np.eye(4)
            pose[:3, :3] = rotation_about(axis, share * angle) @ start[:3, :3]
            pose[:3, 3] = start[:3, 3] + share * error[:3]
            q = out[k] = ik(spec, pose, q, q_rest=q)
        effort_here = effort(spec, q_from, out)
        if effort_here <= LINE_SHARE:
            break
        slower *= 1.05 * np.sqrt(effort_here / LINE_SHARE)
    return out


def effort(spec: ArmSpec, q_from: Array, targets: Array) -> float:
    """Largest fraction of the speed and acceleration limits that a rest-to-rest motion uses; 1 = a limit.

    Args:
        q_from: (n_joints,) in [rad], before the first tick.
        targets: (T, n_joints) in [rad].
    """
    rest = np.concatenate([[q_from, q_from], targets, targets[-1:]])
    speeds = np.diff(rest, axis=0) * spec.control_hz  # (T + 2, n)
    accelerations = np.diff(speeds, axis=0) * spec.control_hz
    return float(max((np.abs(speeds) / spec.dq_max).max(), (np.abs(accelerations) / spec.ddq_max).max()))


def rotation_about(axis: Array, angle: float) -> Array:
    """Rotation matrix (3, 3) by `angle` [rad] about a unit `axis` (3,), after Rodrigues."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def join(spec: ArmSpec, q_from: Array, motions: Sequence[Array], overlap: int = 2) -> Array:
    """Joins motions; each starts `overlap` ticks before the previous one ends.

    Each entry (T_k, n_joints) starts where the previous one ends, the first at `q_from`. Overlapping parts
    add up, which cuts corners. Where that would exceed a joint's limits, the overlap is shorter.

    Returns:
        (sum of T_k - overlaps, n_joints) in [rad].
    """
    whole = np.asarray(motions[0])
    for motion in motions[1:]:
        for shared in range(max(0, min(overlap, len(whole) - 1, len(motion) - 1)), -1, -1):
            corner = whole[-1]
            out = np.concatenate([whole, np.repeat(corner[None], len(motion) - shared, 0)])
            out[len(whole) - shared :] += motion - corner
            if effort(spec, q_from, out) <= 1.0:
                break
        whole = out
    return whole


def _profile(start: Array, goal: Array, speed: Array, acceleration: Array, jerk: Array, dt: float) -> Array:
    """Rest-to-rest motion of all axes together, a row every `dt` [s] after the start: (T, n)."""
    n = len(start)
    request = InputParameter(n)
    request.current_position, request.target_position = start, goal
    request.max_velocity, request.max_acceleration, request.max_jerk = speed, acceleration, jerk
    request.synchronization = Synchronization.Phase  # a straight line in joint space
    trajectory = Trajectory(n)
    try:
        result = Ruckig(n).calculate(request, trajectory)
    except RuckigError as error:
        raise MotionNotFound(f"from {start.tolist()} to {goal.tolist()}: {error}") from error
    if result < 0:
        raise MotionNotFound(f"from {start.tolist()} to {goal.tolist()}: {result}")
    ticks = max(1, int(np.ceil(trajectory.duration / dt - 1e-9)))
    rows = [trajectory.at_time(min(k * dt, trajectory.duration))[0] for k in range(1, ticks + 1)]
    return np.array(rows, dtype=np.float64).reshape(ticks, n)
