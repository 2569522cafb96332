"""Between two gated targets no limit is exceeded either, and silence brings the arm to rest."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from robots.drivers.interpolate import JITTER, SILENCE, ServoPath
from robots.drivers.state_age import StateAge
from robots.errors import DriverError
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec
from robots.types import JointCommand
from tests.driver_contract import shortened

PANDA = shortened(7, "panda")  # whole, and nothing in its way
HZ = 500.0


def gated(targets: np.ndarray, spec: ArmSpec = PANDA) -> np.ndarray:
    """What a server's gate makes of `targets` (T, n_joints)."""
    gate = SafetyGate(spec)
    gate.start(spec.q_home, 1.0)
    return np.array(
        [gate.filter(JointCommand(t, 1.0, k, 0.0), gate.q).q_target for k, t in enumerate(targets)]
    )


def wild(ticks: int, spec: ArmSpec = PANDA, seed: int = 0) -> np.ndarray:
    """Hostile wishes, held for a while each, so that every limit is reached."""
    rng = np.random.default_rng(seed)
    goals = rng.uniform(spec.q_min - 1, spec.q_max + 1, (ticks, spec.n_joints))
    return gated(goals[np.arange(ticks) // 7 * 7], spec)


def play(path: ServoPath, arrivals: np.ndarray, targets: np.ndarray, until: float) -> tuple[np.ndarray, int]:
    """(samples, n_joints) at HZ exactly, and how many targets were refused."""
    samples, k, refused = [], 0, 0
    for now in np.arange(0.0, until, 1 / HZ):
        while k < len(arrivals) and arrivals[k] <= now:
            try:
                path.put(targets[k], now)
            except DriverError:
                refused += 1
            k += 1
        samples.append(path.sample(now)[0])
    return np.array(samples), refused


def assert_within_limits(samples: np.ndarray, spec: ArmSpec = PANDA) -> None:
    """Differences of a smooth curve are means of its derivatives, so they keep the same bounds."""
    speed = np.diff(samples, axis=0) * HZ
    acceleration = np.diff(speed, axis=0) * HZ
    jerk = np.diff(acceleration, axis=0) * HZ
    assert ((spec.q_min <= samples) & (samples <= spec.q_max)).all()
    assert (np.abs(speed) <= spec.dq_max + 1e-9).all()
    assert (np.abs(acceleration) <= spec.ddq_max + 1e-6).all()
    assert (np.abs(jerk) <= spec.jerk_max + 1e-3).all()


def begun(spec: ArmSpec = PANDA) -> ServoPath:
    path = ServoPath(spec, HZ)
    path.begin(spec.q_home, 0.0)
    return path


@pytest.mark.parametrize("control_hz", [20.0, 50.0])
def test_no_limit_is_exceeded_between_the_targets(control_hz: float) -> None:
    spec = dataclasses.replace(PANDA, control_hz=control_hz)
    targets = wild(200, spec)
    samples, refused = play(begun(spec), np.arange(200) / control_hz, targets, 200 / control_hz)
    assert not refused
    assert_within_limits(samples, spec)
    assert np.abs(np.diff(samples, axis=0) * HZ).max() > 0.8 * spec.dq_max.min()  # it did go fast


def test_the_bounds_hold_for_late_and_early_targets() -> None:
    rng = np.random.default_rng(1)
    targets = wild(400, seed=1)
    arrivals = np.sort(np.arange(400) * PANDA.dt + rng.uniform(0, 0.045, 400))  # nearly a tick late
    samples, refused = play(begun(), arrivals, targets, 400 * PANDA.dt)
    assert not refused
    assert_within_limits(samples)
    assert np.ptp(samples, axis=0).min() > 1.0  # and the arm was on its way all the same


def test_the_bounds_hold_when_silences_cut_motions_again_and_again() -> None:
    rng = np.random.default_rng(2)
    path, gate, now, cuts = begun(), SafetyGate(PANDA), 0.0, 0
    samples: list[np.ndarray] = []
    for _ in range(30):
        here = path.sample(now)[0]
        gate = SafetyGate(PANDA)
        gate.start(here, 1.0)
        goal = rng.uniform(PANDA.q_min, PANDA.q_max)
        for k in range(12):
            target = gate.filter(JointCommand(goal, 1.0, k, 0.0), gate.q).q_target
            try:
                path.put(target, now)
            except DriverError:
                cuts += 1
            for _ in range(round(PANDA.dt * HZ)):
                now += 1 / HZ
                samples.append(path.sample(now)[0])
        for _ in range(round(rng.choice([0.05, 0.12, 0.5]) * HZ)):
            now += 1 / HZ
            samples.append(path.sample(now)[0])
    assert cuts > 10
    assert_within_limits(np.array(samples))


def test_a_stream_arrives_where_it_leads_with_the_delay_of_one_tick_and_jitter() -> None:
    ramp = PANDA.q_home + 0.02 * np.arange(1, 41)[:, None] * np.ones(PANDA.n_joints)
    targets = gated(np.minimum(ramp, PANDA.q_home + 0.6))
    path = begun()
    samples, _ = play(path, np.arange(40) * PANDA.dt, targets, 40 * PANDA.dt)
    tick = round(PANDA.dt * HZ)
    late = round((2 * PANDA.dt + JITTER) * HZ)  # target k is to be reached at the end of its own tick
    for k in range(5, 25):
        np.testing.assert_allclose(samples[k * tick + late], targets[k], atol=2e-3)
    np.testing.assert_allclose(samples[-1], targets[-1], atol=1e-9)
    assert path.at_rest


def test_the_velocity_returned_is_that_of_the_samples() -> None:
    path, targets = begun(), wild(60)
    before, worst = None, 0.0
    for step in range(round(60 * PANDA.dt * HZ)):
        now = step / HZ
        if step % round(PANDA.dt * HZ) == 0:
            path.put(targets[step // round(PANDA.dt * HZ)], now)
        q, dq = path.sample(now)
        if before is not None:
            worst = max(worst, np.abs((q - before[0]) * HZ - (dq + before[1]) / 2).max())
        before = q, dq
    assert worst < 1e-2


def test_silence_in_a_motion_slows_the_arm_down_within_110_ms_and_it_holds() -> None:
    targets = gated(np.tile(PANDA.q_max, (12, 1)))
    path = begun()
    last = 11 * PANDA.dt
    samples, _ = play(path, np.arange(12) * PANDA.dt, targets, last + 2.0)
    assert_within_limits(samples)
    speed = np.abs(np.diff(samples, axis=0) * HZ)[:, 1]
    after = speed[round((last + 0.110) * HZ) :]
    assert (np.diff(after) <= 1e-9).all() and after[0] > 0.1  # slowing down by then, from a real speed
    assert path.at_rest and speed[-1] < 1e-9  # the weights of a spline add up to 1 within rounding
    assert path.cut is not None


@pytest.mark.parametrize(("silent_s", "refused"), [(0.095, False), (0.105, True)])
def test_a_target_after_100_ms_of_silence_in_a_motion_is_refused(silent_s: float, refused: bool) -> None:
    path, targets = begun(), gated(np.tile(PANDA.q_max, (12, 1)))
    last = 10 * PANDA.dt
    play(path, np.arange(11) * PANDA.dt, targets[:11], last + silent_s)
    if not refused:
        path.put(targets[11], last + silent_s)
        return
    with pytest.raises(DriverError, match=r"limit 100"):
        path.put(targets[11], last + silent_s)


def test_after_a_cut_the_next_target_is_refused_once_and_a_session_begins_at_rest() -> None:
    path = begun()
    play(path, np.arange(12) * PANDA.dt, gated(np.tile(PANDA.q_max, (12, 1))), 3.0)
    here, _ = path.sample(3.0)
    with pytest.raises(DriverError, match=r"no target for \d+ ms \(limit 100\)"):
        path.put(here, 3.0)
    with pytest.raises(DriverError, match=r"panda_joint\d: first target .* begin where the arm is"):
        path.put(here + 0.3, 3.05)
    path.put(here, 3.1)
    np.testing.assert_allclose(path.sample(3.1)[0], here, atol=1e-12)


def test_silence_at_rest_is_no_fault() -> None:
    path = begun()
    for k in range(4):
        path.put(PANDA.q_home, k * PANDA.dt)
        path.sample(k * PANDA.dt)
    path.sample(10.0)
    assert path.cut is None
    path.put(PANDA.q_home, 10.0)


def test_a_stalled_thread_makes_no_jump() -> None:
    path = begun()
    for k, target in enumerate(gated(np.tile(PANDA.q_max, (10, 1)))):
        path.put(target, k * PANDA.dt)
        before, _ = path.sample(k * PANDA.dt)
    after, _ = path.sample(10 * PANDA.dt + 0.5)
    assert (np.abs(after - before) <= PANDA.dq_max * 2 / HZ + 1e-12).all()


def test_the_caller_may_change_his_array_afterwards() -> None:
    path, target = begun(), PANDA.q_home + 0.01
    path.put(target, 0.0)
    target[:] = np.nan
    for now in np.arange(0.0, 0.3, 1 / HZ):
        assert np.isfinite(path.sample(now)[0]).all()


def test_rates_that_cannot_notice_silence_in_time_are_refused() -> None:
    slow = dataclasses.replace(PANDA, control_hz=10.0)
    with pytest.raises(DriverError, match=f"{SILENCE * 1000:.0f} ms of silence"):
        ServoPath(slow, HZ)
    with pytest.raises(DriverError, match="servo_hz"):
        ServoPath(PANDA, 10.0)


def test_age_grows_when_the_stamp_stands_still_and_not_by_clocks_running_apart() -> None:
    freshness = StateAge()
    for k in range(1000):  # an hour and more, the arm's clock slow by 100 ppm
        now = 5.0 * k
        assert freshness.age(1e6 + now * (1 - 1e-4), now) < 0.002
    stamp = 1e6 + now * (1 - 1e-4)
    assert freshness.age(stamp, now + 0.2) == pytest.approx(0.2, abs=0.002)
