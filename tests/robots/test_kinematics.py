"""Forward and inverse kinematics agree with one another, with the limits and with PyBullet's model."""

from __future__ import annotations

import numpy as np
import pytest

from robots.errors import Unreachable
from robots.motion.kinematics import fk, ik, jacobian, pose_error, reach_down, tool_pose
from robots.motion.pick_place import go_to, raised
from robots.motion.trajectory import join, joint_motion, line_motion
from robots.spec import ArmSpec

PANDA = ArmSpec.load("panda")


@pytest.fixture(params=ArmSpec.available())
def arm(request: pytest.FixtureRequest) -> ArmSpec:
    return ArmSpec.load(request.param)


def anywhere(arm: ArmSpec, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A point of the table that the arm reaches with its fingers down, and a turn."""
    low, high = ((0.33, -0.3, 0.01), (0.67, 0.3, 0.35))
    if arm.name != "panda":  # an iiwa's elbow does not fold far enough, an xArm 6 is too short
        low, high = ((0.42, -0.25, 0.01), (0.62, 0.25, 0.35))
    return rng.uniform(low, high), rng.uniform(0, np.pi)


def assert_within_limits(arm: ArmSpec, q_from: np.ndarray, path: np.ndarray) -> None:
    """From rest at `q_from` to rest at the end of `path` (T, n_joints), within speed and acceleration."""
    assert ((arm.q_min <= path) & (path <= arm.q_max)).all()
    speed = np.diff(np.concatenate([[q_from, q_from], path, path[-1:]]), axis=0) / arm.dt
    assert (np.abs(speed) <= arm.dq_max).all()
    assert (np.abs(np.diff(speed, axis=0)) / arm.dt <= arm.ddq_max).all()


def test_poses_are_rigid_and_batches_agree_with_single_ones(arm: ArmSpec) -> None:
    q = np.random.default_rng(0).uniform(arm.q_min, arm.q_max, (20, arm.n_joints))
    poses = fk(arm, q)
    rotations = poses[:, :3, :3]
    squares = rotations @ rotations.transpose(0, 2, 1)
    np.testing.assert_allclose(squares, np.tile(np.eye(3), (20, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    np.testing.assert_allclose(poses[7], fk(arm, q[7]))


def test_fk_agrees_with_pybullet_s_panda() -> None:
    p = pytest.importorskip("pybullet")
    import pybullet_data

    client = p.connect(p.DIRECT)
    try:
        arm = p.loadURDF(
            f"{pybullet_data.getDataPath()}/{PANDA.urdf}", useFixedBase=True, physicsClientId=client
        )
        links = {p.getJointInfo(arm, j, client)[12].decode(): j for j in range(p.getNumJoints(arm, client))}
        for q in np.random.default_rng(1).uniform(PANDA.q_min, PANDA.q_max, (10, 7)):
            for j in range(7):
                p.resetJointState(arm, j, q[j], physicsClientId=client)
            link = links[PANDA.hand_link]
            state = p.getLinkState(arm, link, computeForwardKinematics=1, physicsClientId=client)
            hand = np.array(p.getMatrixFromQuaternion(state[5])).reshape(3, 3)
            np.testing.assert_allclose(fk(PANDA, q)[:3, :3], hand, atol=1e-5)
            np.testing.assert_allclose(fk(PANDA, q)[:3, 3], state[4] + hand[:, 2] * 0.1034, atol=1e-5)
    finally:
        p.disconnect(client)


def test_the_jacobian_is_the_derivative(arm: ArmSpec) -> None:
    q, h = np.random.default_rng(2).uniform(arm.q_min, arm.q_max), 1e-6
    columns = [pose_error(fk(arm, q - h * e), fk(arm, q + h * e)) / (2 * h) for e in np.eye(arm.n_joints)]
    numeric = np.stack(columns, 1)
    np.testing.assert_allclose(jacobian(arm, q), numeric, atol=1e-6)


def test_ik_inverts_fk_within_the_limits(arm: ArmSpec) -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        xyz, yaw = anywhere(arm, rng)
        q = reach_down(arm, xyz, yaw)
        assert ((arm.q_min <= q) & (q <= arm.q_max)).all()
        pose = fk(arm, q)
        np.testing.assert_allclose(pose[:3, 3], xyz, atol=1e-5)
        closing = pose[:2, 1] @ tool_pose(xyz, yaw)[:2, 1]
        assert abs(closing) == pytest.approx(1.0, abs=1e-6)  # half a turn grips the same
        np.testing.assert_allclose(pose[:3, 2], (0, 0, -1), atol=1e-5)


def test_out_of_reach_is_refused_with_the_point(arm: ArmSpec) -> None:
    with pytest.raises(Unreachable, match="2.0"):
        ik(arm, tool_pose(np.array([2.0, 0, 0.1]), 0.0))
    with pytest.raises(Unreachable, match="finite"):
        ik(arm, np.full((4, 4), np.nan))


def test_half_a_turn_is_found_about_any_axis() -> None:
    for axis in np.eye(3):
        turned = np.eye(4)
        turned[:3, :3] = 2 * np.outer(axis, axis) - np.eye(3)
        error = pose_error(np.eye(4), turned)
        np.testing.assert_allclose(np.abs(error[3:]), np.pi * axis, atol=1e-9)


def test_motions_end_where_asked_and_within_the_limits(arm: ArmSpec) -> None:
    rng, q = np.random.default_rng(4), arm.q_home
    for _ in range(8):
        xyz, yaw = anywhere(arm, rng)
        path = go_to(arm, q, xyz, yaw, 0.2, 1.0).q_targets
        np.testing.assert_allclose(fk(arm, path[-1])[:3, 3], xyz, atol=1e-5)
        assert_within_limits(arm, q, path)
        q = path[-1]


def test_a_line_is_straight(arm: ArmSpec) -> None:
    q = reach_down(arm, np.array([0.5, 0.1, 0.25]), 0.3)
    start, goal = fk(arm, q), raised(fk(arm, q), 0.03)
    path = line_motion(arm, q, goal, 0.6)
    poses = fk(arm, path)
    for pose in poses:
        np.testing.assert_allclose(pose[:2, 3], start[:2, 3], atol=1e-5)
        np.testing.assert_allclose(pose[:3, :3], goal[:3, :3], atol=1e-4)
    heights = np.array([start[2, 3], *poses[:, 2, 3]])
    assert (np.diff(heights) < 0).all() and heights[-1] == pytest.approx(0.03, abs=1e-5)
    assert_within_limits(arm, q, path)


def test_joined_motions_are_shorter_and_end_the_same(arm: ArmSpec) -> None:
    a = joint_motion(arm, arm.q_home, arm.q_home + 0.4)
    b = joint_motion(arm, a[-1], arm.q_home)
    whole = join(arm, arm.q_home, [a, b], overlap=2)
    assert len(a) + len(b) - 2 <= len(whole) < len(a) + len(b)
    np.testing.assert_allclose(whole[-1], arm.q_home, atol=1e-9)
    assert_within_limits(arm, arm.q_home, whole)
