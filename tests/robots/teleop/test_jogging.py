"""A jog moves the tool where it is pushed, no faster than stated, near singularities and limits too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from robots.errors import SpecError
from robots.motion.kinematics import fk, pose_error
from robots.spec import ArmSpec
from robots.teleop.braking import brakes_within, follow
from robots.teleop.jogging import joint_speeds
from robots.teleop.limits import TeleopLimits
from robots.teleop.reach import NoDepth, OutOfWorkspace, point_above, point_at
from robots.teleop.teleop_actions import Jog, LeaderJoints, LeaderTool, Reach, speed_fractions
from tests.teleop_rig import GateArm, shared, ticks, worst_change

PANDA = ArmSpec.load("panda")


def pushed(action, n=20, below=None, **more):
    """The arm after `n` ticks of `action`."""
    arm, below, clock = shared(below, **more)
    arm.take("anna")
    for _ in range(n):
        arm.act("anna", action)
        ticks(arm, clock, 1)
    return arm, below, clock


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_push_moves_the_tool_straight_along_its_axis(axis: int, side: float) -> None:
    push = np.zeros(3)
    push[axis] = 0.5 * side
    before = fk(PANDA, PANDA.q_home)
    arm, below, _ = pushed(Jog(tuple(push)), 24)
    moved = pose_error(before, fk(PANDA, below.q))
    assert side * moved[axis] == pytest.approx(0.5 * 0.25 * 24 * 0.05, rel=0.1)
    across = np.delete(moved[:3], axis)
    assert np.abs(across).max() < 0.002 and np.abs(moved[3:]).max() < 0.01  # 2 mm, 0.6 degrees
    assert worst_change(below) <= 1.0


def test_a_turn_turns_the_tool_where_it_is() -> None:
    before = fk(PANDA, PANDA.q_home)
    arm, below, _ = pushed(Jog(angular=(0.0, 0.0, 0.5)), 24)
    moved = pose_error(before, fk(PANDA, below.q))
    assert moved[5] == pytest.approx(0.4 * 24 * 0.05, rel=0.12)
    assert np.abs(moved[:3]).max() < 0.004 and np.abs(moved[3:5]).max() < 0.02


def test_no_push_is_faster_than_what_is_stated() -> None:
    rng = np.random.default_rng(1)
    arm, below, clock = shared()
    arm.take("anna")
    for k in range(400):
        if k % 25 == 0:
            jog = Jog(tuple(rng.uniform(-9, 9, 3)), tuple(rng.uniform(-9, 9, 3)))
        arm.act("anna", jog)
        ticks(arm, clock, 1)
    poses = fk(PANDA, below.path)
    speeds = [pose_error(a, b) * 20 for a, b in zip(poses[:-1], poses[1:], strict=True)]
    assert max(np.linalg.norm(s[:3]) for s in speeds) <= 0.25 * 1.03
    assert max(np.linalg.norm(s[3:]) for s in speeds) <= 0.8 * 1.05
    joints = np.abs(np.diff(below.path, axis=0)) * 20
    assert (joints <= arm.limits.joint_share * PANDA.dq_max + 1e-9).all()
    assert worst_change(below) <= 1.0


def test_a_jog_older_than_100_ms_counts_for_nothing() -> None:
    arm, below, clock = pushed(Jog((1.0, 0.0, 0.0)), 12)
    assert not below.gate.at_rest
    clock.now += 0.06  # with the tick: 110 ms since the last repeat
    before = np.abs(below.gate.dq).max()
    ticks(arm, clock, 1)
    assert np.abs(below.gate.dq).max() < before
    ticks(arm, clock, 3)
    assert below.gate.at_rest and worst_change(below) <= 1.0
    held = below.q.copy()
    ticks(arm, clock, 20)
    np.testing.assert_array_equal(below.q, held)


def test_a_gap_shorter_than_100_ms_does_not_stutter() -> None:
    arm, below, clock = shared()
    arm.take("anna")
    slowest = []
    for k in range(40):
        if k % 2 == 0:  # a repeat every 80 ms
            arm.act("anna", Jog((0.5, 0.0, 0.0)))
        clock.now += 0.04
        arm.tick()
        slowest.append(np.linalg.norm(below.gate.dq))
    assert min(slowest[10:]) > 0.5 * max(slowest)


def test_jogging_through_a_stretched_arm_stays_within_the_limits_and_comes_back() -> None:
    arm, below, clock = pushed(Jog((1.0, 0.0, 0.4)), 120)
    assert worst_change(below) <= 1.0
    assert arm.limited_by  # it says why it goes no further
    joints = np.abs(np.diff(below.path, axis=0)) * 20
    assert (joints <= PANDA.dq_max * arm.limits.joint_share + 1e-9).all()
    far = fk(PANDA, below.q)[0, 3]
    for _ in range(40):
        arm.act("anna", Jog((-1.0, 0.0, 0.0)))
        ticks(arm, clock, 1)
    assert fk(PANDA, below.q)[0, 3] < far - 0.3


def test_near_a_singularity_no_joint_runs_away() -> None:
    stretched = PANDA.q_home * 0.0
    stretched[3] = -0.08  # the elbow all but straight
    top = 0.5 * PANDA.dq_max
    for direction in np.vstack([np.eye(6), -np.eye(6)]):
        dq, _ = joint_speeds(PANDA, stretched, 0.25 * direction, top)
        assert np.isfinite(dq).all() and (np.abs(dq) <= top + 1e-12).all()


def test_a_joint_at_its_limit_is_left_out_and_the_others_go_on() -> None:
    q = PANDA.q_home.copy()
    q[5] = PANDA.q_max[5] - 0.005
    found = set()
    for direction in np.vstack([np.eye(6), -np.eye(6)]):
        dq, held = joint_speeds(PANDA, q, 0.2 * direction, PANDA.dq_max)
        assert dq[5] <= 1e-6
        found.add(held)
    assert f"limit: {PANDA.joint_names[5]}" in found


def test_the_table_stops_a_hand_as_it_stops_a_policy() -> None:
    arm, below, clock = pushed(Jog((0.0, 0.0, -1.0)), 160, GateArm(geometry=True))
    assert fk(PANDA, below.q)[2, 3] > PANDA.finger_reach
    assert "table" in arm.limited_by or "workspace" in arm.limited_by
    assert below.gate.at_rest or np.abs(below.gate.dq).max() < 0.2
    assert worst_change(below) <= 1.0


def test_fingers_move_on_a_jog_that_moves_nothing_else() -> None:
    arm, below, clock = pushed(Jog(gripper=0.2), 20)
    assert below.gripper == pytest.approx(0.2)
    np.testing.assert_allclose(below.q, PANDA.q_home, atol=1e-9)
    ticks(arm, clock, 10)
    assert below.gripper == pytest.approx(0.2)  # and stay, when the key is let go of


def test_two_keys_are_not_faster_than_one_and_nonsense_is_refused() -> None:
    assert np.linalg.norm(speed_fractions((1.0, 1.0, 1.0))) == pytest.approx(1.0)
    for bad in ((np.nan, 0.0, 0.0), (0.0, np.inf, 0.0), (1.0, 2.0)):
        with pytest.raises(ValueError, match="finite"):
            speed_fractions(bad)


def test_reach_brings_the_tool_over_the_point_and_stops_there() -> None:
    goal = np.array([0.5, 0.2, 0.25])
    arm, below, clock = pushed(Reach(goal), 90)
    there = fk(PANDA, below.q)
    np.testing.assert_allclose(there[:3, 3], goal, atol=0.003)
    assert np.abs(pose_error(there, fk(PANDA, PANDA.q_home))[3:]).max() < 0.02  # turned as it was
    assert worst_change(below) <= 1.0
    tool = fk(PANDA, below.path)[:, :3, 3]
    assert (np.linalg.norm(np.diff(tool, axis=0), axis=1) * 20).max() <= 0.25 * 1.05
    assert np.linalg.norm(tool - goal, axis=1)[-20:].max() < 0.01  # without overshoot


def test_reach_is_held_to_move() -> None:
    arm, below, clock = pushed(Reach(np.array([0.6, 0.3, 0.3])), 10)
    ticks(arm, clock, 8)
    assert below.gate.at_rest
    assert np.linalg.norm(fk(PANDA, below.q)[:3, 3] - [0.6, 0.3, 0.3]) > 0.1


def test_a_pixel_is_a_point_of_the_table() -> None:
    frame = GateArm().picture()  # looks straight down from 1 m over (0.45, 0)
    np.testing.assert_allclose(point_at(frame, 32, 24), [0.45, 0.0, 0.0], atol=1e-9)
    point = point_at(frame, 40, 24)  # to the right, which is -y from up there
    np.testing.assert_allclose(point, [0.45, -0.1, 0.0], atol=1e-9)
    np.testing.assert_allclose(point_above(PANDA, point, 0.1), [0.45, -0.1, 0.1], atol=1e-9)


def test_a_pixel_without_depth_or_out_of_the_workspace_is_refused_with_the_reason() -> None:
    frame = GateArm().picture()
    with pytest.raises(NoDepth, match="no depth"):
        point_at(replace(frame, depth=None), 3, 3)
    holes = np.zeros_like(frame.depth)
    holes[0, 0] = np.nan
    with pytest.raises(NoDepth, match="pixel"):
        point_at(replace(frame, depth=holes), 3, 3)
    for u, v in ((-1, 3), (64, 3), (np.nan, 3)):
        with pytest.raises(NoDepth, match="not in the picture"):
            point_at(frame, u, v)
    with pytest.raises(OutOfWorkspace, match="x = 0.10"):
        point_above(PANDA, np.array([0.1, 0.0, 0.0]), 0.1)


@pytest.mark.parametrize("name", ["panda", "xarm6", "ur5e", "iiwa7"])
def test_every_arm_jogs(name: str) -> None:
    spec = ArmSpec.load(name)
    below = GateArm(spec)
    before = fk(spec, below.q)[:3, 3]
    pushed(Jog((0.0, 0.6, 0.0)), 30, below)
    moved = fk(spec, below.q)[:3, 3] - before
    assert moved[1] > 0.15 and np.abs(moved[[0, 2]]).max() < 0.01
    assert worst_change(below) <= 1.0


def test_a_leader_with_the_same_joints_is_followed_joint_by_joint_without_overshoot() -> None:
    arm, below, clock = shared()
    arm.take("leader")
    start = PANDA.q_home + 0.3  # the leader stands elsewhere: nothing jumps
    goal = start + np.array([0.4, -0.3, 0.2, 0.3, 0.2, -0.2, 0.5])
    for k in range(80):
        arm.act("leader", LeaderJoints(start + min(k / 12, 1.0) * (goal - start), 0.5))
        ticks(arm, clock, 1)
    np.testing.assert_allclose(below.q - PANDA.q_home, goal - start, atol=1e-6)
    assert worst_change(below) <= 1.0
    beyond = (below.path - PANDA.q_home) * np.sign(goal - start) - np.abs(goal - start)
    assert beyond.max() < 0.01
    assert below.gripper == pytest.approx(0.5)


def test_a_clutch_re_engages_without_a_jump() -> None:
    arm, below, clock = shared()
    arm.take("leader")
    leader = np.array(PANDA.q_home)
    rng = np.random.default_rng(3)
    for _ in range(12):
        speed = rng.uniform(-0.5, 0.5, 7)
        for _ in range(10):
            leader = leader + speed * 0.05
            arm.act("leader", LeaderJoints(leader))
            ticks(arm, clock, 1)
        clock.now += 0.2  # the clutch opens: nothing is wished for
        ticks(arm, clock, 10)
        assert below.gate.at_rest
        held = below.q.copy()
        leader = leader + rng.uniform(-0.8, 0.8, 7)  # the leader is put elsewhere
        arm.act("leader", LeaderJoints(leader))
        ticks(arm, clock, 3)
        np.testing.assert_allclose(below.q, held, atol=1e-9)
    assert worst_change(below) <= 1.0


def test_a_leader_of_another_kind_is_followed_through_the_tool_frame() -> None:
    leader = ArmSpec.load("ur5e")
    arm, below, clock = shared()
    arm.take("leader")
    q, before = np.array(leader.q_home), fk(PANDA, PANDA.q_home)
    path = np.linspace(0, 1, 40)[:, None] * np.array([0.25, 0.15, -0.2, 0.1, 0.1, 0.2])
    for step in [*path, *np.repeat(path[-1:], 60, 0)]:
        arm.act("leader", LeaderTool(fk(leader, q + step)))
        ticks(arm, clock, 1)
    moved = pose_error(fk(leader, q), fk(leader, q + path[-1]))
    followed = pose_error(before, fk(PANDA, below.q))
    np.testing.assert_allclose(followed, moved, atol=0.01)
    assert worst_change(below) <= 1.0


def test_braking_distances_are_the_gate_s() -> None:
    from robots.safety import joint_limits

    for distance in np.linspace(0, 0.5, 40):
        mine = float(brakes_within(np.array(distance), np.array(0.375), 0.05))
        assert mine == pytest.approx(joint_limits.brakes_within(distance, 0.375, 0.05), abs=1e-12)
    step = follow(np.zeros(2), np.array([1.0, 0.001]), np.zeros(2), np.ones(2), np.full(2, 0.4), 0.05)
    np.testing.assert_allclose(step, [0.05, 0.001])


def test_limits_are_positive_finite_and_known() -> None:
    assert TeleopLimits.from_dict({"linear": 0.1}).linear == 0.1
    for bad in ({"linear": 0}, {"angular": np.nan}, {"joint_share": 1.5}, {"hover": -1.0}):
        with pytest.raises(SpecError, match="hand"):
            TeleopLimits.from_dict(bad)
    with pytest.raises(SpecError, match="linear"):
        TeleopLimits.from_dict({"liner": 0.1})


def test_the_shipped_limits_are_the_standard_ones() -> None:
    import yaml

    from robots.spec import CONFIG_DIR

    raw = yaml.safe_load((CONFIG_DIR.parent / "hand" / "gentle.yaml").read_text())
    assert TeleopLimits.from_dict(raw) == TeleopLimits()
