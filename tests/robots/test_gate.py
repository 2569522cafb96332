"""No command, however hostile, takes the arm beyond its limits; a good one passes unchanged."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robots.errors import ArmLatched, CommandFromFuture, CommandJumps, CommandRejected
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec
from robots.types import JointCommand


@pytest.fixture(params=ArmSpec.available())
def arm(request: pytest.FixtureRequest) -> ArmSpec:
    return ArmSpec.load(request.param)


def some(spec: ArmSpec, ticks: int) -> int:
    """The whole number for the Panda; a quarter for the others, which go through the same code."""
    return ticks if spec.name == "panda" else ticks // 4


def pace(spec: ArmSpec) -> float:
    """Size in (0, 1] of a motion that takes no more of `spec`'s limits than size 1 takes of the Panda's."""
    panda = dataclasses.replace(ArmSpec.load("panda"), control_hz=spec.control_hz)
    changes = (np.minimum(arm.ddq_max, arm.jerk_max * arm.dt / 2).min() for arm in (spec, panda))
    return float(min(np.divide(*changes), 1.0))


def begun(spec: ArmSpec) -> SafetyGate:
    gate = SafetyGate(spec)
    gate.start(spec.q_home, 1.0)
    return gate


def assert_within_limits(spec: ArmSpec, path: np.ndarray) -> None:
    speed = np.diff(path, axis=0) * spec.control_hz
    acceleration = np.diff(speed, axis=0) * spec.control_hz
    jerk = np.diff(acceleration, axis=0) * spec.control_hz
    assert ((spec.q_min <= path) & (path <= spec.q_max)).all()
    assert (np.abs(speed) <= spec.dq_max).all()
    assert (np.abs(acceleration) <= spec.ddq_max).all()
    assert (np.abs(jerk) <= spec.jerk_max).all()


@pytest.mark.parametrize("control_hz", [5.0, 20.0, 1000.0])
def test_no_limit_is_ever_exceeded(arm: ArmSpec, control_hz: float) -> None:
    spec = dataclasses.replace(arm, control_hz=control_hz)
    rng, gate, n = np.random.default_rng(0), begun(spec), spec.n_joints
    path, target = [spec.q_home] * 3, spec.q_home
    for seq in range(some(arm, 4000)):
        kind = rng.uniform()
        if kind < 0.05:
            target = rng.uniform(spec.q_min - 1, spec.q_max + 1)
        elif kind < 0.10:
            target = np.where(rng.uniform(size=n) < 0.5, spec.q_min, spec.q_max)  # aim at the very limit
        elif kind < 0.12:
            target = rng.choice([1e300, -1e300, 0.0, 1e-300], n)
        elif kind < 0.6:
            target = target + rng.normal(0, rng.choice([1e-6, 0.05, 1.0]), n)
        if 0.9 < kind < 0.92:
            path.append(gate.brake().q_target)
        else:
            path.append(gate.filter(JointCommand(target, 0.5, seq, 0.0), gate.q).q_target)
    assert_within_limits(spec, np.array(path))


def test_a_stream_within_the_limits_passes_unchanged(arm: ArmSpec) -> None:
    gate, q = begun(arm), arm.q_home
    for k in range(100):
        target = q + 0.2 * (1 - np.cos(0.15 * k)) / 2
        sent = gate.filter(JointCommand(target, 1.0, k, 0.0), gate.q)
        np.testing.assert_allclose(sent.q_target, target, atol=1e-9)


def targets_near_limits(spec: ArmSpec, ticks: int, seed: int = 0) -> np.ndarray:
    """(T, n_joints): waves near the position limits and across them, with jumps between; some noisy."""
    rng, out, calm = np.random.default_rng(seed), list[np.ndarray](), pace(spec)
    centre = np.where(rng.uniform(size=spec.n_joints) < 0.5, spec.q_min + 0.1, spec.q_max - 0.1)
    inward = np.sign(spec.q_min + spec.q_max - 2 * centre)
    while len(out) < ticks:
        t = np.arange(0.0, rng.uniform(0.2, 2.0), spec.dt)[:, None]
        across = rng.uniform() < 0.3
        size = calm * (-inward if across else inward) * rng.choice([1e-3, 0.05, 0.2], spec.n_joints)
        noise = calm * rng.choice([0.0, 0.0, 0.0, 1e-6, 1e-3]) * rng.normal(size=(len(t), spec.n_joints))
        out += list(centre + size * (1 - np.cos(rng.uniform(0.2, 2.0, spec.n_joints) * t)) + noise)
        jump = calm * rng.choice([0.0, 0.003, 0.02]) * rng.normal(size=spec.n_joints)
        centre = np.clip(centre + jump, spec.q_min + 0.02, spec.q_max - 0.02)
    return np.array(out[:ticks])


@pytest.mark.parametrize("control_hz", [20.0, 1000.0])
def test_the_short_way_through_the_gate_sends_what_the_long_way_sends(
    arm: ArmSpec, control_hz: float, monkeypatch
) -> None:
    spec = dataclasses.replace(arm, control_hz=control_hz)
    gate, twin = SafetyGate(spec, geometry=False), SafetyGate(spec, geometry=False)
    monkeypatch.setattr(twin._limits, "exact", lambda q, dq, target: None)
    targets = targets_near_limits(spec, some(arm, 6000), seed=2)
    for one in (gate, twin):
        one.start(targets[0], 1.0)
    for seq, target in enumerate(targets):
        a, b = (one.filter(JointCommand(target, 1.0, seq, 0.0), one.q) for one in (gate, twin))
        np.testing.assert_allclose(a.q_target, b.q_target, atol=1e-7, err_msg=f"seq {seq}")


@pytest.mark.parametrize("geometry", [False, True])
def test_the_gate_sends_the_same_whether_it_looked_ahead_or_not(arm: ArmSpec, geometry: bool) -> None:
    spec = dataclasses.replace(arm, control_hz=1000.0)
    gates, rng = (SafetyGate(spec, geometry), SafetyGate(spec, geometry)), np.random.default_rng(0)
    offset, ahead, ticks, size = np.zeros(spec.n_joints), 0, some(arm, 8000), pace(spec)
    for gate in gates:
        gate.start(spec.q_home, 1.0)
    for k in range(
        ticks
    ):  # ever wider, down to the table and the ends of joints; at times not to be followed
        if rng.uniform() < 0.005:
            offset = rng.normal(0, 0.002 * size, spec.n_joints)
        target = spec.q_home + offset + 1e-4 * size * k * (1 - np.cos(2 * np.pi * k / 6000))
        gates[1].precompute()
        if rng.uniform() < 0.002:
            a, b = (gate.brake().q_target for gate in gates)
        else:
            command = JointCommand(target, float(rng.uniform(-0.2, 1.2)), k, 0.0)
            held = rng.choice([np.nan, 0.4, 0.9])  # where the fingers are
            wired = command._replace(q_target=tuple(target.tolist()))
            promised = gates[1].predict(wired, gates[1].q, held, 0.0)
            sent = [gate.filter(command, gate.q, held, 0.0) for gate in gates]
            a, b = sent[0].q_target, sent[1].q_target
            if promised is not None:
                ahead += 1
                assert (b == target).all() and promised == sent[1].gripper == sent[0].gripper
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(gates[0].dq, gates[1].dq)
        assert gates[0].limited_by == gates[1].limited_by
    assert ticks / 16 < ahead < ticks * 7 / 8


def test_nothing_is_predicted_of_what_filter_refuses_or_changes(arm: ArmSpec) -> None:
    spec = dataclasses.replace(arm, control_hz=1000.0)
    gate = begun(spec)
    for k in range(3):
        gate.filter(JointCommand(spec.q_home + 1e-6 * pace(spec) * k, 1.0, k, 0.0), spec.q_home)
    here = tuple(gate.q.tolist())
    good = JointCommand(here, 1.0, 3, 0.0)  # type: ignore[arg-type]
    assert gate.predict(good, gate.q, 1.0, 0.0) is None  # it has not looked ahead
    gate.precompute()
    assert gate.predict(good, gate.q, 1.0, 0.0) == 1.0
    for bad in (
        {"q_target": (np.nan, *here[1:])}, {"q_target": (np.inf, *here[1:])}, {"q_target": here[1:]},
        {"q_target": (here[0] + 0.1, *here[1:])}, {"q_target": ()}, {"gripper": np.nan}, {"gripper": -np.inf},
        {"seq": 2}, {"t_mono": 1.0}, {"t_mono": np.nan},
    ):  # fmt: skip
        assert gate.predict(good._replace(**bad), gate.q, 1.0, 0.0) is None, bad
    gate.stop("a test")
    assert gate.predict(good, gate.q, 1.0, 0.0) is None


def test_a_stream_that_lost_a_tick_is_followed_exactly_again_within_a_few(arm: ArmSpec) -> None:
    spec = dataclasses.replace(arm, control_hz=1000.0)
    gate, late, size = begun(spec), [], 0.1 * pace(spec)
    for k in range(700):
        target = spec.q_home + size * (1 - np.cos(2 * np.pi * k / 4000))
        if k == 500:
            gate.brake()
        sent = gate.filter(JointCommand(target, 1.0, k, 0.0), gate.q).q_target
        if not np.allclose(sent, target, rtol=0, atol=1e-9):
            late.append(k)
    assert late and late[0] == 500 and late[-1] < 525


@pytest.mark.parametrize("control_hz", [20.0, 1000.0])
def test_braking_from_every_state_ends_within_the_position_limits(arm: ArmSpec, control_hz: float) -> None:
    spec = dataclasses.replace(arm, control_hz=control_hz)
    gate, targets = SafetyGate(spec, geometry=False), targets_near_limits(spec, 6000, seed=1)
    gate.start(targets[0], 1.0)
    change = np.minimum(spec.ddq_max, spec.jerk_max * spec.dt / 2) * spec.dt
    passed = 0
    for seq, target in enumerate(targets):
        gate.filter(JointCommand(target, 1.0, seq, 0.0), gate.q)
        passed += gate._reached
        ticks = np.arange(1, np.ceil(np.abs(gate.dq) / change).max() + 1)[:, None]
        slower = np.maximum(np.abs(gate.dq) - change * ticks, 0.0)  # (ticks to rest, n_joints)
        rest = gate.q + np.sign(gate.dq) * slower.sum(0) * spec.dt
        assert ((spec.q_min <= rest) & (rest <= spec.q_max)).all(), seq
    assert passed > 600


def test_a_harmless_stream_at_1_khz_takes_the_short_way_near_a_limit_too(arm: ArmSpec, monkeypatch) -> None:
    spec = dataclasses.replace(arm, control_hz=1000.0)
    gate, q = SafetyGate(spec, geometry=False), spec.q_max - 0.25  # too near for the highest speed to stop
    gate.start(q, 1.0)
    monkeypatch.setattr(gate._limits, "track", lambda *given: pytest.fail("the long way"))
    for k in range(some(arm, 4000)):
        target = q + 0.1 * (1 - np.cos(2 * np.pi * k * spec.dt / 4))
        sent = gate.filter(JointCommand(target, 1.0, k, 0.0), gate.q)
        np.testing.assert_array_equal(sent.q_target, target)


def test_a_far_step_is_reached_without_overshoot(arm: ArmSpec) -> None:
    gate, goal = begun(arm), arm.q_home + 0.2  # within the workspace
    path = np.array([gate.filter(JointCommand(goal, 1.0, k, 0.0), gate.q).q_target for k in range(40)])
    assert (path <= goal + 1e-12).all()
    np.testing.assert_allclose(path[-1], goal, atol=1e-9)
    assert (np.diff(path, axis=0) >= -1e-12).all()


def test_braking_ends_at_rest_and_stays(arm: ArmSpec) -> None:
    gate = begun(arm)
    for k in range(8):
        gate.filter(JointCommand(arm.q_home + 0.5, 1.0, k, 0.0), gate.q)
    assert not gate.at_rest
    ticks = 0
    while not gate.at_rest:
        gate.brake()
        ticks += 1
    assert ticks <= 12
    np.testing.assert_array_equal(gate.brake().q_target, gate.brake().q_target)


def test_a_stopped_arm_is_at_rest_only_without_any_speed(arm: ArmSpec) -> None:
    gate = begun(arm)
    gate.filter(JointCommand(arm.q_home + 1e-9, 1.0, 0, 0.0), arm.q_home)
    assert gate.dq.any() and gate.at_rest
    gate.stop("enough")
    assert not gate.at_rest
    gate.brake()
    assert gate.at_rest and not gate.dq.any()


def test_the_gripper_is_kept_in_range_and_to_its_speed(arm: ArmSpec) -> None:
    gate, q = begun(arm), arm.q_home
    step = arm.gripper_speed / arm.gripper_width * arm.dt
    asked = [-5.0] * 40 + [5.0] * 40
    openings = [gate.filter(JointCommand(q, x, k, 0.0), q).gripper for k, x in enumerate(asked)]
    assert openings[39] == 0.0 and openings[-1] == 1.0
    assert (np.abs(np.diff([1.0, *openings])) <= step + 1e-12).all()


def test_the_gripper_opens_from_where_an_object_stopped_it(arm: ArmSpec) -> None:
    gate, q = begun(arm), arm.q_home
    step = arm.gripper_speed / arm.gripper_width * arm.dt
    for k in range(40):
        gate.filter(JointCommand(q, 0.0, k, 0.0), q, 0.5)
    sent = gate.filter(JointCommand(q, 1.0, 40, 0.0), q, 0.5).gripper
    assert sent == pytest.approx(min(0.5 + step, 1.0))


@pytest.mark.parametrize("away", [-1.0, 1.0])
def test_the_refusal_of_a_jump_names_joint_value_limit_and_remedy(arm: ArmSpec, away: float) -> None:
    far = arm.q_home.copy()
    far[3] += away
    with pytest.raises(CommandJumps) as refusal:
        SafetyGate(arm).filter(JointCommand(far, 1.0, 3, 0.0), arm.q_home)
    for part in (arm.joint_names[3], f"{far[3]:.3f}", "limit 0.15 rad", "seq 3", "start at the measured"):
        assert part in str(refusal.value)


def test_a_refused_command_leaves_no_trace(arm: ArmSpec) -> None:
    gate, twin = begun(arm), begun(arm)
    bad = arm.q_home.copy()
    bad[2] = np.nan
    with pytest.raises(CommandRejected):
        gate.filter(JointCommand(bad, 1.0, 0, 0.0), arm.q_home)
    ask = JointCommand(arm.q_home + 0.2, 0.3, 1, 0.0)
    a, b = gate.filter(ask, arm.q_home), twin.filter(ask, arm.q_home)
    np.testing.assert_array_equal(a.q_target, b.q_target)
    assert (a.gripper, a.seq) == (b.gripper, b.seq)


def test_a_measured_position_that_is_not_finite_starts_no_session(arm: ArmSpec) -> None:
    with pytest.raises(CommandRejected):
        SafetyGate(arm).filter(JointCommand(arm.q_home, 1.0, 0, 0.0), arm.q_home * np.nan)


def test_stamps_from_the_future_are_refused_by_the_receivers_clock(arm: ArmSpec) -> None:
    gate = begun(arm)
    gate.filter(JointCommand(arm.q_home, 1.0, 0, 9.9), arm.q_home, now=10.0)
    for stamp in (10.5, np.nan):
        with pytest.raises(CommandFromFuture):
            gate.filter(JointCommand(arm.q_home, 1.0, 1, stamp), arm.q_home, now=10.0)


def test_the_first_reason_for_a_stop_is_the_one_reported(arm: ArmSpec) -> None:
    gate = begun(arm)
    gate.stop("hand on the button")
    gate.stop("later")
    with pytest.raises(ArmLatched, match="hand on the button"):
        gate.filter(JointCommand(arm.q_home, 1.0, 0, 0.0), arm.q_home)


def test_what_the_caller_does_with_his_array_afterwards_changes_nothing(arm: ArmSpec) -> None:
    gate, target = begun(arm), arm.q_home + 0.001
    sent = gate.filter(JointCommand(target, 1.0, 0, 0.0), arm.q_home)
    target[:], sent.q_target[:] = np.nan, np.nan
    after = gate.filter(JointCommand(arm.q_home, 1.0, 1, 0.0), arm.q_home)
    assert np.isfinite(after.q_target).all()


def test_no_motion_begins_outside_the_limits(arm: ArmSpec) -> None:
    """Brought within at one stroke, it would be a jump that no other check sees."""
    for beyond in (-0.6, 0.6):
        here = arm.q_home.copy()
        here[3] = (arm.q_min if beyond < 0 else arm.q_max)[3] + beyond
        gate = SafetyGate(arm)
        with pytest.raises(
            CommandJumps, match=f"{arm.joint_names[3]}: measured .* outside .* move it inside by hand"
        ):
            gate.filter(JointCommand(here, 1.0, 0, 0.0), here)
        with pytest.raises(CommandJumps, match=arm.joint_names[3]):
            gate.start(here, 1.0)
        assert not gate.begun
    here = arm.q_home.copy()
    here[3] = arm.q_max[3] + 1e-3  # a vendor's rounding
    sent = gate.filter(JointCommand(here, 1.0, 0, 0.0), here).q_target
    assert (sent <= arm.q_max).all() and np.abs(sent - here).max() < 2e-3
