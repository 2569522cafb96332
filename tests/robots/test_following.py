"""An arm that is not where it was sent is neither driven on nor pulled back: it is held, by a named fault."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from robots.errors import ArmLatched, CommandJumps, CommandRejected, FollowingError, SpecError
from robots.safety.gate import SafetyGate
from robots.spec import CONFIG_DIR, ArmSpec
from robots.types import Array, JointCommand

ARMS = ArmSpec.available()
JOINTS = [(name, j) for name in ARMS for j in range(ArmSpec.load(name).n_joints)]
NAN = float("nan")


def at_rate(name: str, hz: float = 20.0) -> ArmSpec:
    return dataclasses.replace(ArmSpec.load(name), control_hz=hz)


class Run:
    """Commands through a gate, tick by tick, to an arm that `measure` describes.

    Attributes:
        sent: (n_joints,) of every tick.
        lead: [rad] largest distance of what was sent from what was measured then, over all joints.
    """

    def __init__(self, spec: ArmSpec, measure: Callable[[int, list[Array]], Array]) -> None:
        self.spec, self.measure = spec, measure
        self.gate = SafetyGate(spec, geometry=False)
        self.sent: list[Array] = [spec.q_home.copy()]
        self.gate.filter(JointCommand(spec.q_home, 1.0, 0, 0.0), spec.q_home)
        self.seq = self.tick = 0
        self.lead = 0.0

    def command(self, target: Array) -> Array:
        """Raises what the gate raises; the tick is then spent braking, as arms do."""
        self.seq, self.tick = self.seq + 1, self.tick + 1
        measured = self.measure(self.tick, self.sent)
        try:
            sent = self.gate.filter(JointCommand(target, 1.0, self.seq, 0.0), measured).q_target
        except CommandRejected:
            self.brake(measured)
            raise
        self._note(sent, measured)
        return sent

    def brake(self, measured: Array | None = None) -> None:
        if measured is None:
            self.tick += 1
            measured = self.measure(self.tick, self.sent)
        self._note(self.gate.brake(0.0, measured).q_target, measured)

    def _note(self, sent: Array, measured: Array) -> None:
        self.sent.append(sent)
        known = isinstance(measured, np.ndarray) and measured.shape == sent.shape
        if known and np.isfinite(measured).all():
            self.lead = max(self.lead, float(np.abs(sent - measured).max()))

    def until_fault(self, targets: Callable[[int], Array], ticks: int) -> int:
        """Ticks until FollowingError, at most `ticks`."""
        for k in range(1, ticks + 1):
            try:
                self.command(targets(k))
            except FollowingError as error:
                assert "following error" in str(error) or "not" in str(error)
                return k
        raise AssertionError(f"nothing was noticed in {ticks} ticks")

    def assert_within_limits(self) -> None:
        path, spec = np.array(self.sent), self.spec
        speed = np.diff(path, axis=0) * spec.control_hz
        assert np.isfinite(path).all() and ((spec.q_min <= path) & (path <= spec.q_max)).all()
        assert (np.abs(speed) <= spec.dq_max + 1e-9).all()
        assert (np.abs(np.diff(speed, axis=0)) * spec.control_hz <= spec.ddq_max + 1e-6).all()


def away_from(spec: ArmSpec, joint: int, speed: float) -> Callable[[int], Array]:
    """A ramp of `joint` at a share `speed` of its highest speed, to where there is more room."""
    side = 1.0 if spec.q_max[joint] - spec.q_home[joint] > spec.q_home[joint] - spec.q_min[joint] else -1.0

    def target(k: int) -> Array:
        q = spec.q_home.copy()
        q[joint] += side * speed * spec.dq_max[joint] * spec.dt * k
        return q

    return target


@pytest.mark.parametrize(("name", "joint"), JOINTS)
@pytest.mark.parametrize("speed", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("hz", [20.0, 250.0])
def test_a_blocked_joint_is_held_and_named_and_nothing_winds_up(
    name: str, joint: int, speed: float, hz: float
) -> None:
    spec = at_rate(name, hz)
    home = spec.q_home

    def blocked(k: int, sent: list[Array]) -> Array:
        q = sent[-1].copy()
        q[joint] = home[joint]
        return q

    run = Run(spec, blocked)
    seconds = run.until_fault(away_from(spec, joint, speed), round(20 * hz)) * spec.dt
    limit, lag, last = spec.following_error, spec.following_lag, spec.following_time
    asked, top = speed * spec.dq_max[joint], min(spec.ddq_max[joint], spec.jerk_max[joint] * spec.dt / 2)
    assert seconds <= (limit + 0.1) / asked + np.sqrt(2 * (limit + 0.1) / top) + lag + last + 0.2
    v = np.abs(np.diff(np.array(run.sent)[:, joint])).max() * hz  # catching up with the ramp, it was faster
    assert run.lead <= limit + v * (lag + 3 * spec.dt) + v * v / (2 * top) + 0.001
    assert run.gate.latched is not None and "FollowingError" in run.gate.latched
    assert spec.joint_names[joint] in run.gate.latched
    with pytest.raises(ArmLatched, match="FollowingError"):
        run.command(home)
    for _ in range(round(2 * hz)):
        run.brake()
    assert run.gate.at_rest
    np.testing.assert_allclose(run.sent[-1], run.measure(0, run.sent), atol=1e-6)  # it presses no more
    run.assert_within_limits()
    run.gate.rearm()
    with pytest.raises(CommandJumps):
        run.gate.filter(JointCommand(home + 0.3, 1.0, 10**6, 0.0), home)
    assert run.gate.filter(JointCommand(home, 1.0, 10**6, 0.0), home).q_target == pytest.approx(home)


def guided(k: int, sent: list[Array]) -> Array:
    return sent[0] + 0.4 * np.sin(np.arange(len(sent[0])) + 1) * (1 - math.cos(0.05 * k))


STRANGE: dict[str, Callable[[int, list[Array]], object]] = {
    "drifts slowly": lambda k, sent: sent[-1] + 0.004 * k,
    "drifts back": lambda k, sent: sent[-1] - 0.004 * k,
    "sags": lambda k, sent: sent[-1] + np.array([0, min(0.02 * k, 0.3), *[0] * (len(sent[-1]) - 2)]),
    "is guided by hand": guided,
    "is soft": lambda k, sent: sent[0] + 0.3 * (sent[-1] - sent[0]),
    "reads the same for ever": lambda k, sent: sent[0],
    "reads nan in one joint": lambda k, sent: np.where(np.arange(len(sent[-1])) == 2, NAN, sent[-1]),
    "reads nan": lambda k, sent: sent[-1] * NAN,
    "reads inf": lambda k, sent: sent[-1] + math.inf,
    "reads too few joints": lambda k, sent: sent[-1][:-1],
    "reads too many joints": lambda k, sent: np.append(sent[-1], 0.0),
    "reads nothing": lambda k, sent: None,
    "reads text": lambda k, sent: ["x"] * len(sent[-1]),
    "reads a matrix": lambda k, sent: sent[-1][None],
    "stands 0.16 rad off": lambda k, sent: sent[-1] + 0.16 * np.eye(len(sent[-1]))[0],
    "stands 0.6 rad off": lambda k, sent: sent[-1] - 0.6 * np.eye(len(sent[-1]))[1],
    "stands a turn off": lambda k, sent: sent[-1] + 2 * math.pi * np.eye(len(sent[-1]))[2],
    "reads degrees": lambda k, sent: np.degrees(sent[-1]),
    "follows the other way": lambda k, sent: 2 * sent[0] - sent[-1],
}  # fmt: skip


@pytest.mark.parametrize("name", ARMS)
@pytest.mark.parametrize("hz", [20.0, 100.0, 1000.0])
@pytest.mark.parametrize("kind", STRANGE)
def test_an_arm_that_is_elsewhere_is_noticed_and_held_within_its_limits(
    name: str, hz: float, kind: str
) -> None:
    spec, measure = at_rate(name, hz), STRANGE[kind]
    run = Run(spec, measure)  # type: ignore[arg-type]
    inward = np.sign(spec.q_min + spec.q_max - 2 * spec.q_home + 1e-12)
    run.until_fault(lambda k: spec.q_home + inward * 0.4 * min(k * spec.dt, 2.0), round(20 * hz))
    assert run.gate.latched is not None
    for _ in range(round(0.2 * hz)):
        run.brake()
        with pytest.raises(ArmLatched):
            run.command(spec.q_home)
    run.assert_within_limits()


@pytest.mark.parametrize("name", ARMS)
def test_a_single_command_to_an_arm_that_was_moved_far_is_refused_by_name(name: str) -> None:
    spec = at_rate(name)
    for joint in range(spec.n_joints):
        for away in (0.35, -0.6, 1.0):
            run = Run(spec, lambda k, sent: sent[0] + away * np.eye(spec.n_joints)[joint])  # noqa: B023
            with pytest.raises(
                FollowingError, match=f"{spec.joint_names[joint]}: measured .* limit 0.15 rad"
            ):
                run.command(spec.q_home)
            assert abs(run.sent[-1][joint] - run.measure(0, run.sent)[joint]) < abs(away)  # it gives way


@pytest.mark.parametrize("name", ARMS)
@pytest.mark.parametrize("hz", [20.0, 100.0])
def test_an_error_shorter_than_its_time_is_held_and_the_stream_goes_on(name: str, hz: float) -> None:
    spec = at_rate(name, hz)
    short = round(spec.following_time * hz) - 1
    bump = np.eye(spec.n_joints)[0] * 0.25

    def measure(k: int, sent: list[Array]) -> Array:
        return sent[0] + (bump if 10 < k % 200 <= 10 + short else 0.0)

    run = Run(spec, measure)
    for _ in range(799):
        run.command(spec.q_home)
    assert run.gate.latched is None and run.gate.counts["held"] == 4 * short
    np.testing.assert_allclose(run.sent[-1], spec.q_home, atol=1e-6)
    run.assert_within_limits()


@pytest.mark.parametrize("name", ARMS)
@pytest.mark.parametrize("hz", [20.0, 100.0, 500.0])
@pytest.mark.parametrize("seed", range(3))
def test_an_arm_that_only_lags_is_never_held_even_at_full_speed(name: str, hz: float, seed: int) -> None:
    spec, rng = at_rate(name, hz), np.random.default_rng(seed)
    late = math.floor(0.12 * hz)
    sag = rng.uniform(-0.05, 0.05, spec.n_joints)  # friction, gravity

    def lagging(k: int, sent: list[Array]) -> Array:
        return sent[max(0, len(sent) - 1 - late)] + sag + rng.normal(0, 0.002, spec.n_joints)

    run, goal = Run(spec, lagging), spec.q_home
    for k in range(round(10 * hz)):
        if k % round(0.7 * hz) == 0:
            goal = rng.uniform(spec.q_min, spec.q_max)
        run.command(goal)
    assert run.gate.latched is None and not run.gate.counts["held"]
    speed = np.abs(np.diff(np.array(run.sent), axis=0)) * hz
    assert speed.max() > 0.95  # [rad/s]: 0.11 rad in the time that it is late


def test_ticks_without_a_command_notice_an_arm_that_is_moved_away_as_well() -> None:
    spec = at_rate("panda")
    run = Run(spec, guided)
    while run.gate.latched is None:
        run.brake()
        assert run.tick < 200
    assert "FollowingError" in run.gate.latched


def test_the_first_cause_of_a_stop_stays_the_one_that_is_said() -> None:
    spec = at_rate("panda")
    run = Run(spec, guided)
    run.gate.stop("hand on the button")
    for _ in range(200):
        run.brake()
    assert run.gate.latched == "hand on the button"


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_says_its_own_limit(name: str) -> None:
    text = (CONFIG_DIR / f"{name}.yaml").read_text(encoding="utf-8")
    spec = ArmSpec.load(name)
    for key in ("following_error", "following_time", "following_lag"):
        assert f"\n{key}:" in text and getattr(spec, key) > 0


@pytest.mark.parametrize("value", [0, -1, NAN, math.inf, "wide", None, [0.1]])
@pytest.mark.parametrize("key", ["following_error", "following_time", "following_lag"])
def test_a_limit_that_would_limit_nothing_is_refused(key: str, value: object) -> None:
    import yaml

    raw = yaml.safe_load((CONFIG_DIR / "panda.yaml").read_text(encoding="utf-8"))
    with pytest.raises(SpecError, match=key):
        ArmSpec.from_dict(raw | {key: value})
    del raw[key]
    assert getattr(ArmSpec.from_dict(raw), key) > 0  # an arm that does not say has one all the same
