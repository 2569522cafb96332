"""Every arm's chain against a second derivation: the vendor's URDF where pybullet has it, else his table."""

from __future__ import annotations

import numpy as np
import pytest

from robots.motion.kinematics import joint_frames
from robots.spec import ArmSpec

HALF = np.pi / 2
# Classic Denavit-Hartenberg rows [a, d, alpha] with theta = q: the vendors' own tables.
UR5E = [
    (0, 0.1625, HALF), (-0.425, 0, 0), (-0.3922, 0, 0), (0, 0.1333, HALF), (0, 0.0997, -HALF), (0, 0.0996, 0),
]  # fmt: skip


def iiwa(shoulder: float, upper: float, fore: float) -> list[tuple[float, float, float]]:
    """From the data sheet's distances between axes; the flange is 0.126 m beyond the wrist."""
    return [
        (0, shoulder, -HALF), (0, 0, HALF), (0, upper, HALF), (0, 0, -HALF), (0, fore, -HALF), (0, 0, HALF),
        (0, 0.126, 0),
    ]  # fmt: skip


def classic(rows: list[tuple[float, float, float]], q: np.ndarray) -> np.ndarray:
    """(4, 4) Rz(q) Tz(d) Tx(a) Rx(alpha), joint after joint."""
    pose = np.eye(4)
    for (a, d, alpha), angle in zip(rows, q, strict=True):
        c, s, ca, sa = np.cos(angle), np.sin(angle), np.cos(alpha), np.sin(alpha)
        pose = pose @ np.array(
            [[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0, sa, ca, d], [0, 0, 0, 1.0]]
        )
    return pose


@pytest.mark.parametrize(
    ("name", "rows"),
    [("ur5e", UR5E), ("iiwa7", iiwa(0.34, 0.40, 0.40)), ("iiwa14", iiwa(0.36, 0.42, 0.40))],
)
def test_chain_is_the_vendor_s_table(name: str, rows: list) -> None:
    spec, rng = ArmSpec.load(name), np.random.default_rng(0)
    flange = np.eye(4)
    flange[2, 3] = 0.0 if name == "ur5e" else 0.045
    for q in rng.uniform(spec.q_min, spec.q_max, (20, spec.n_joints)):
        np.testing.assert_allclose(joint_frames(spec, q)[-2] @ flange, classic(rows, q), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "link"), [("panda", "panda_link7"), ("xarm6", "link6"), ("iiwa14", "lbr_iiwa_link_7")]
)
def test_chain_is_the_vendor_s_urdf(name: str, link: str) -> None:
    p, data = pytest.importorskip("pybullet"), pytest.importorskip("pybullet_data")
    spec, rng = ArmSpec.load(name), np.random.default_rng(1)
    client = p.connect(p.DIRECT)
    try:
        p.setAdditionalSearchPath(data.getDataPath(), physicsClientId=client)
        body = p.loadURDF(spec.urdf, useFixedBase=True, physicsClientId=client)
        info = [p.getJointInfo(body, j, client) for j in range(p.getNumJoints(body, client))]
        joints = [next(row[0] for row in info if row[1].decode() == wanted) for wanted in spec.joint_names]
        end = next(row[0] for row in info if row[12].decode() == link)
        for q in rng.uniform(spec.q_min, spec.q_max, (20, spec.n_joints)):
            for joint, angle in zip(joints, q, strict=True):
                p.resetJointState(body, joint, angle, physicsClientId=client)
            state = p.getLinkState(body, end, computeForwardKinematics=True, physicsClientId=client)
            turn = np.array(p.getMatrixFromQuaternion(state[5])).reshape(3, 3)
            last = joint_frames(spec, q)[-2]
            np.testing.assert_allclose(last[:3, 3], state[4], atol=1e-4)
            np.testing.assert_allclose(last[:3, :3], turn, atol=1e-4)
    finally:
        p.disconnect(client)


def test_limits_are_those_in_the_design() -> None:
    xarm, ur, small, large = (ArmSpec.load(name) for name in ("xarm6", "ur5e", "iiwa7", "iiwa14"))
    turn = 2 * np.pi
    np.testing.assert_allclose(xarm.q_min, (-turn, -2.0595, -3.927, -turn, -1.693, -turn), atol=1e-4)
    np.testing.assert_allclose(xarm.q_max, (turn, 2.0944, 0.192, turn, np.pi, turn), atol=1e-4)
    assert (xarm.dq_max == 2.14).all() and (ur.dq_max <= np.pi).all()
    assert ur.q_max[2] == pytest.approx(np.pi, abs=1e-5) and ur.q_max[0] == pytest.approx(2 * np.pi, abs=1e-5)
    slow, fast = (85, 85, 100, 75, 130, 135, 135), (98, 98, 100, 130, 140, 180, 180)
    for arm, speeds in ((small, fast), (large, slow)):
        ranges = np.deg2rad((170, 120, 170, 120, 170, 120, 175))
        assert (arm.q_max <= ranges).all() and (ranges - arm.q_max < 1e-4).all()
        assert (arm.dq_max <= np.deg2rad(speeds)).all() and (np.deg2rad(speeds) - arm.dq_max < 1e-4).all()
