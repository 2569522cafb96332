"""Forward and inverse kinematics.

Damped least squares in plain numpy: accurate to 0.1 um in a fraction of a millisecond, where PyBullet's own
solver is off by millimetres.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from robots.errors import Unreachable
from robots.spec import ArmSpec
from robots.types import Array

WRIST_ROOM = 0.12  # [rad] of margin to the joint limits for postures above the table


def joint_frames(spec: ArmSpec, q: Array) -> Array:
    """`base_from_joint` of every joint, then `base_from_ee`: (..., n_joints + 1, 4, 4).

    Args:
        q: (..., n_joints) in [rad].
    """
    q = np.asarray(q, dtype=np.float64)
    c, s = np.cos(q)[..., None], np.sin(q)[..., None]  # (..., n, 1)
    origins = spec.joint_origins
    steps = np.empty(q.shape + (4, 4))  # origin @ Rz(q), column by column
    steps[..., 0] = c * origins[:, :, 0] + s * origins[:, :, 1]
    steps[..., 1] = c * origins[:, :, 1] - s * origins[:, :, 0]
    steps[..., 2:] = origins[:, :, 2:]
    frames = np.empty(q.shape[:-1] + (spec.n_joints + 1, 4, 4))
    pose = steps[..., 0, :, :]
    frames[..., 0, :, :] = pose
    for i in range(1, spec.n_joints):
        pose = pose @ steps[..., i, :, :]
        frames[..., i, :, :] = pose
    frames[..., -1, :, :] = pose @ spec.tool
    return frames


def fk(spec: ArmSpec, q: Array) -> Array:
    """`base_from_ee` (..., 4, 4) for joints `q` (..., n_joints) in [rad]."""
    return joint_frames(spec, q)[..., -1, :, :]


def jacobian(spec: ArmSpec, q: Array) -> Array:
    """(6, n_joints): linear, then angular velocity of the tool in base, in [m/rad] and [rad/rad]."""
    return _jacobian(joint_frames(spec, q))


def _jacobian(frames: Array) -> Array:
    axes, arms = frames[:-1, :3, 2], frames[-1, :3, 3] - frames[:-1, :3, 3]  # (n, 3) each
    out = np.empty((6, len(axes)))
    out[0] = axes[:, 1] * arms[:, 2] - axes[:, 2] * arms[:, 1]
    out[1] = axes[:, 2] * arms[:, 0] - axes[:, 0] * arms[:, 2]
    out[2] = axes[:, 0] * arms[:, 1] - axes[:, 1] * arms[:, 0]
    out[3:] = axes.T
    return out


def pose_error(current: Array, goal: Array) -> Array:
    """(6,): translation [m], then rotation vector [rad] from `current` to `goal` (4, 4), in base."""
    rotation = goal[:3, :3] @ current[:3, :3].T
    sine = 0.5 * np.array([
        rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1],
    ])  # fmt: skip
    norm, cosine = float(np.sqrt(sine @ sine)), 0.5 * (rotation.trace() - 1.0)
    angle = np.arctan2(norm, cosine)
    if norm > 1e-9:
        sine = sine * (angle / norm)
    elif cosine < 0:  # half a turn: the axis is the eigenvector of eigenvalue 1
        column = int(np.argmax(np.diag(rotation)))
        axis = rotation[:, column] + np.eye(3)[column]
        sine = axis * (np.pi / np.sqrt(axis @ axis))
    return np.concatenate([goal[:3, 3] - current[:3, 3], sine])


def ik(
    spec: ArmSpec,
    base_from_ee: Array,
    q_seed: Array | None = None,
    *,
    q_rest: Array | None = None,
    tolerance: float = 2e-6,
    max_iterations: int = 60,
) -> Array:
    """Joints within the limits that put the tool at `base_from_ee`.

    A redundant arm uses its null space to stay near `q_rest`. If the first starting point does not converge,
    others are tried.

    Args:
        base_from_ee: (4, 4).
        q_seed: (n_joints,) starting point, default `spec.q_home`. Closer to the solution is faster.
        q_rest: (n_joints,) posture preferred in the null space, default `spec.q_home`.
        tolerance: of each entry of position [m] and rotation [rad].
        max_iterations: for each starting point.

    Returns:
        (n_joints,) in [rad].

    Raises:
        Unreachable: no starting point converges within the joint limits.
    """
    goal = np.asarray(base_from_ee, dtype=np.float64)
    if not (goal.shape == (4, 4) and np.isfinite(goal).all()):
        raise Unreachable(f"the goal must be a finite (4, 4) pose, not {goal.tolist()}")
    rest = spec.q_home if q_rest is None else q_rest
    turned = np.array(spec.q_home)
    turned[0] = np.clip(np.arctan2(goal[1, 3], goal[0, 3]), spec.q_min[0], spec.q_max[0])
    best = np.inf
    for start in (spec.q_home if q_seed is None else q_seed, turned, spec.q_home, rest):
        q, error = _descend(spec, goal, np.array(start, dtype=np.float64), rest, tolerance, max_iterations)
        if error <= tolerance:
            return q
        best = min(best, error)
    raise Unreachable(
        f"{spec.name}: no joints within the limits reach {np.round(goal[:3, 3], 4).tolist()} m with that "
        f"orientation; smallest error {best:.2g} m or rad. Choose a point in the workspace."
    )


def _descend(
    spec: ArmSpec, goal: Array, q: Array, rest: Array, tolerance: float, max_iterations: int
) -> tuple[Array, float]:
    """Damped Newton steps from `q`; returns the joints and the largest entry of the pose error."""
    redundant = spec.n_joints > 6
    eye = np.eye(6)
    worst = np.inf
    for _ in range(max_iterations):
        frames = joint_frames(spec, q)
        error = pose_error(frames[-1], goal)
        worst = float(np.abs(error).max())
        if worst <= tolerance:
            break
        jac = _jacobian(frames)
        error = error * min(1.0, 0.5 / worst)  # at most half a radian or metre a step: the model is linear
        damping = min(1e-3, 0.1 * worst * worst)  # vanishes near the goal, so the last steps are Newton's
        gram = jac @ jac.T + (damping + 1e-9) * eye
        if redundant and worst > 1e-3:
            spread = 0.2 * (rest - q)
            step = jac.T @ np.linalg.solve(gram, error - jac @ spread) + spread
        else:
            step = jac.T @ np.linalg.solve(gram, error)
        q = np.clip(q + step, spec.q_min, spec.q_max)
    return q, worst


def tool_pose(xyz: Array, yaw: float) -> Array:
    """`base_from_ee` (4, 4) of a tool at `xyz` (3,) [m] that points straight down, at `yaw` [rad] about base
    z.

    At yaw 0 the tool's x is the base's x and the fingers close along base y; so at `yaw` they
    close along the line at angle yaw + pi/2.
    """
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, s, 0, xyz[0]], [s, -c, 0, xyz[1]], [0, 0, -1.0, xyz[2]], [0, 0, 0, 1]])


def reach_down(spec: ArmSpec, xyz: Array, yaw: float, q_seed: Array | None = None) -> Array:
    """Joints (n_joints,) in [rad] for `tool_pose(xyz, yaw)` or its half turn: the best of `postures`.

    Raises:
        Unreachable: neither is within the limits.
    """
    return next(postures(spec, xyz, yaw, q_seed))


def postures(spec: ArmSpec, xyz: Array, yaw: float, q_seed: Array | None = None) -> Iterator[Array]:
    """Joints (n_joints,) in [rad] for `tool_pose(xyz, yaw)` and its half turns, the best first.

    A parallel gripper grasps the same at half a turn. The best posture is near `q_seed` and has `WRIST_ROOM`
    in every joint, so that the wrist can follow a line from there.

    Raises:
        Unreachable: none is within the limits.
    """
    heading = float(np.arctan2(xyz[1], xyz[0]))  # the wrist is centred when the hand points along the arm
    now = heading
    if q_seed is not None:
        forward = fk(spec, q_seed)[:2, 0]
        now = float(np.arctan2(forward[1], forward[0]))
    turns = sorted(
        (yaw + k * np.pi for k in range(-3, 4)), key=lambda t: abs(t - now) + 0.5 * abs(t - heading)
    )
    tight, any_found = [], False
    failure: Unreachable | None = None
    for turn in turns[:3]:
        try:
            q = ik(spec, tool_pose(xyz, turn), q_seed)
        except Unreachable as error:
            failure = failure or error
            continue
        any_found = True
        if np.minimum(q - spec.q_min, spec.q_max - q).min() >= WRIST_ROOM:
            yield q
        else:
            tight.append(q)
    yield from tight
    if not any_found:
        raise failure or Unreachable(f"{spec.name}: no turn of the wrist was tried")
