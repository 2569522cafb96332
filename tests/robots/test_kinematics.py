"""Forward and inverse kinematics agree with one another, with the limits and with PyBullet's model."""

from __future__ import annotations

import numpy as np
import pytest

from robots.errors import Unreachable
from robots.motion.kinematics import fk, ik, jacobian, pose_error, reach_down, tool_pose
from robots.motion.pick_place import go_to, raised
from robots.motion.trajectory import effort, join, joint_motion, line_motion
from robots.spec import ArmSpec

PANDA = ArmSpec.load("panda")


def anywhere(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    return rng.uniform((0.33, -0.3, 0.01), (0.67, 0.3, 0.35)), rng.uniform(0, np.pi)


def test_poses_are_rigid_and_batches_agree_with_single_ones() -> None:
    q = np.random.default_rng(0).uniform(PANDA.q_min, PANDA.q_max, (20, 7))
    poses = fk(PANDA, q)
    rotations = poses[:, :3, :3]
    squares = rotations @ rotations.transpose(0, 2, 1)
    np.testing.assert_allclose(squares, np.tile(np.eye(3), (20, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    np.testing.assert_allclose(poses[7], fk(PANDA, q[7]))


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


def test_the_jacobian_is_the_derivative() -> None:
    q, h = np.random.default_rng(2).uniform(PANDA.q_min, PANDA.q_max), 1e-6
    columns = [pose_error(fk(PANDA, q - h * e), fk(PANDA, q + h * e)) / (2 * h) for e in np.eye(7)]
    numeric = np.stack(columns, 1)
    np.testing.assert_allclose(jacobian(PANDA, q), numeric, atol=1e-6)


def test_ik_inverts_fk_within_the_limits() -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        xyz, yaw = anywhere(rng)
        q = reach_down(PANDA, xyz, yaw)
        assert ((PANDA.q_min <= q) & (q <= PANDA.q_max)).all()
        pose = fk(PANDA, q)
        np.testing.assert_allclose(pose[:3, 3], xyz, atol=1e-5)
        closing = pose[:2, 1] @ tool_pose(xyz, yaw)[:2, 1]
        assert abs(closing) == pytest.approx(1.0, abs=1e-6)  # half a turn grips the same
        np.testing.assert_allclose(pose[:3, 2], (0, 0, -1), atol=1e-5)


def test_out_of_reach_is_refused_with_the_point() -> None:
    with pytest.raises(Unreachable, match="2.0"):
        ik(PANDA, tool_pose(np.array([2.0, 0, 0.1]), 0.0))
    with pytest.raises(Unreachable, match="finite"):
        ik(PANDA, np.full((4, 4), np.nan))


def test_half_a_turn_is_found_about_any_axis() -> None:
    for axis in np.eye(3):
        turned = np.eye(4)
        turned[:3, :3] = 2 * np.outer(axis, axis) - np.eye(3)
        error = pose_error(np.eye(4), turned)
        np.testing.assert_allclose(np.abs(error[3:]), np.pi * axis, atol=1e-9)


def test_motions_end_where_asked_and_within_the_limits() -> None:
    rng, q = np.random.default_rng(4), PANDA.q_home
    for _ in range(8):
        xyz, yaw = anywhere(rng)
        path = go_to(PANDA, q, xyz, yaw, 0.2, 1.0).q_targets
        np.testing.assert_allclose(fk(PANDA, path[-1])[:3, 3], xyz, atol=1e-5)
        assert effort(PANDA, q, path) <= 1.0
        q = path[-1]


def test_a_line_is_straight() -> None:
    q = reach_down(PANDA, np.array([0.5, 0.1, 0.25]), 0.3)
    start, goal = fk(PANDA, q), raised(fk(PANDA, q), 0.03)
    for pose in fk(PANDA, line_motion(PANDA, q, goal, 0.6)):
        np.testing.assert_allclose(pose[:2, 3], start[:2, 3], atol=1e-5)
        np.testing.assert_allclose(pose[:3, :3], goal[:3, :3], atol=1e-4)


def test_joined_motions_are_shorter_and_end_the_same() -> None:
    a = joint_motion(PANDA, PANDA.q_home, PANDA.q_home + 0.4)
    b = joint_motion(PANDA, a[-1], PANDA.q_home)
    whole = join(PANDA, PANDA.q_home, [a, b], overlap=2)
    assert len(a) + len(b) - 2 <= len(whole) <= len(a) + len(b)
    np.testing.assert_allclose(whole[-1], PANDA.q_home, atol=1e-9)
