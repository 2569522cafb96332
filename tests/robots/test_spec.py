"""A robot description is checked entry by entry, and any number of joints will do."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from robots.errors import SpecError, UnknownRobot
from robots.motion.kinematics import fk, ik
from robots.safety.gate import SafetyGate
from robots.spec import CONFIG_DIR, GRIPPER, ArmSpec
from robots.types import JointCommand


def panda() -> dict:
    return yaml.safe_load((CONFIG_DIR / "panda.yaml").read_text(encoding="utf-8"))


def test_unknown_robot_lists_what_exists_and_the_nearest() -> None:
    with pytest.raises(UnknownRobot, match="available: .*panda.*did you mean 'panda'"):
        ArmSpec.load("pnada")


def test_unknown_entry_names_the_nearest() -> None:
    with pytest.raises(SpecError, match="did you mean 'q_home'"):
        ArmSpec.from_dict(panda() | {"q_hom": []})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dq_max": [1.0]}, "dq_max: shape"),
        ({"ddq_max": [float("nan")] * 7}, "finite"),
        ({"jerk_max": [0.0] * 7}, "must be > 0"),
        ({"q_home": [9.0] * 7}, "q_home"),
        ({"q_min": ["a"] * 7}, "not made of numbers"),
        ({"control_hz": -1}, "control_hz"),
        ({"table_margin": 0.0}, "table_margin"),
        ({"capsules": []}, "without a body"),
        ({"capsules": [[9, 0, 0, 0, 0, 0, 1, 0.1]]}, "from 0 to 8"),
        ({"capsules": [[1.5, 0, 0, 0, 0, 0, 1, 0.1]]}, "whole"),
        ({"capsules": [[1, 0, 0, 0, 0, 0, 1, 0.0]]}, "radii"),
        ({"workspace_min": [0.8, -0.45, 0.0]}, "below workspace_max"),
    ],
)
def test_no_limit_may_be_missing_open_or_absurd(change: dict, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        ArmSpec.from_dict(panda() | change)


def test_an_arm_has_a_whole_hand_or_none() -> None:
    raw = panda()
    del raw["gripper_force"]
    with pytest.raises(SpecError, match="gripper_force"):
        ArmSpec.from_dict(raw)
    for key in GRIPPER:
        raw.pop(key, None)
    bare = ArmSpec.from_dict(raw)
    assert not bare.has_gripper and len(bare.finger_capsules) == 0
    gate = SafetyGate(bare)
    assert gate.filter(JointCommand(bare.q_home, 0.2, 0, 0.0), bare.q_home).gripper == 1.0  # nothing to move


def test_limits_are_the_vendor_s_and_tighter_than_the_urdf_s() -> None:
    spec = ArmSpec.load("panda")
    assert spec.q_max[3] == -0.0698 and spec.q_min[5] == -0.0175
    assert (spec.dq_max == (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61)).all()
    with pytest.raises(ValueError, match="read-only"):
        spec.q_max[0] = 9.0


def test_an_arm_of_six_joints_by_origins_works_throughout() -> None:
    raw = panda()
    for key in ("q_min", "q_max", "dq_max", "ddq_max", "jerk_max", "tau_max", "q_home", "joint_names"):
        raw[key] = raw[key][:2] + raw[key][3:]
    raw["capsules"] = [[0, 0, 0, 0.05, 0, 0, 0.1, 0.08], [6, 0, 0, 0.05, 0, 0, 0.05, 0.05]]
    raw["never_meet"] = []
    del raw["mdh"]
    half = np.pi / 2
    raw["joint_origins"] = [
        [0, 0, 0.333, 0, 0, 0], [0, 0, 0, -half, 0, 0], [0.0825, -0.316, 0, 0, 0, 0],
        [-0.0825, 0.384, 0, -half, 0, 0], [0, 0, 0, half, 0, 0], [0.088, 0, 0, half, 0, 0],
    ]  # fmt: skip
    spec = ArmSpec.from_dict(raw)
    assert spec.n_joints == 6
    goal = fk(spec, spec.q_home + 0.1)
    np.testing.assert_allclose(fk(spec, ik(spec, goal)), goal, atol=1e-5)
    gate = SafetyGate(spec)
    assert gate.filter(JointCommand(spec.q_home, 1.0, 0, 0.0), spec.q_home).q_target.shape == (6,)
