"""How the gate takes an arm that is not where it was sent, and that it holds none in ordinary motion.

Faults: an arm that follows with a realistic lag ceases to, in one of the ways of `FAULTS`. It must be noticed
and named, nothing may wind up, and the arm comes to rest where it is. Ordinary motion: an hour of
pick-and-place and of teleoperation through the same gate to an arm with the same lag, where every hold and
refusal is false.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robots.errors import CommandRejected, FollowingError, Unreachable
from robots.motion.pick_place import DROP, GRASP_DEPTH, TRAVEL_Z, go_to, grip, rise
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec
from robots.types import Array, JointCommand

LATE = (0.0, 0.08)  # [s] from a target to the arm's controller and back
TAU = (0.02, 0.05)  # [s] time constant of the arm's servos
SAG = 0.03  # [rad] largest offset at rest: friction, gravity
NOISE = 0.001  # [rad]
NOTICED = 20.0  # [s] within which a fault must be noticed, of which most passes until it shows
SETTLE = 6.0  # [s] to come to rest
STRETCH = 60.0  # [s] of ordinary motion with one lag
CYCLES = 12  # pick-and-place motions planned for each arm, then repeated
REST = 0.35  # share of teleoperated time in which no control is held
SHARE = 0.5  # of the joints' highest speed in teleoperation, as of `TeleopLimits`


class LaggingArm:
    """An arm that follows what it is sent with a delay, a time constant, an offset at rest and noise."""

    def __init__(self, spec: ArmSpec, rng: np.random.Generator) -> None:
        self.spec, self.rng = spec, rng
        self.sag = rng.uniform(-SAG, SAG, spec.n_joints)
        self._late = int(rng.uniform(*LATE) * spec.control_hz)
        self._gain = 1.0 - math.exp(-spec.dt / rng.uniform(*TAU))
        self.start(spec.q_home)

    def start(self, q: Array) -> None:
        """Stand at `q` (n_joints,) in [rad]."""
        self._coming = [q] * (self._late + 1)
        self.q = q.copy()

    def send(self, q_target: Array) -> None:
        """One tick."""
        self._coming.append(q_target)
        self.q = self.q + self._gain * (self._coming.pop(0) - self.q)

    def measured(self) -> Array:
        """(n_joints,) in [rad]."""
        return self.q + self.sag + self.rng.normal(0.0, NOISE, len(self.q))


@dataclass(frozen=True)
class _Since:
    """When a fault began: the tick number since then, and the arm at that time."""

    tick: int
    arm: LaggingArm
    at: Array
    joint: int


def _blocked(now: _Since) -> Array:
    q = now.arm.measured()
    q[now.joint] = now.at[now.joint]
    return q


def _drifting(now: _Since) -> Array:
    q = now.arm.measured()
    q[now.joint] += 0.05 * now.tick * now.arm.spec.dt  # [rad/s]
    return q


def _guided(now: _Since) -> Array:
    t = now.tick * now.arm.spec.dt
    return now.at + 0.5 * (1 - np.cos(t)) * np.sin(1.0 + now.joint + np.arange(len(now.at)))


def _not_finite(now: _Since) -> Array:
    q = now.arm.measured()
    q[now.joint] = np.nan
    return q


FAULTS: dict[str, Callable[[_Since], Array]] = {
    "blocked joint": _blocked,
    "slow drift": _drifting,
    "hand-guided arm": _guided,
    "soft arm": lambda now: now.at + 0.3 * (now.arm.measured() - now.at),
    "frozen reading": lambda now: now.at,
    "reading not finite": _not_finite,
    "displaced arm": lambda now: now.arm.measured() + 0.6 * np.eye(len(now.at))[now.joint],
}


@dataclass
class FollowingBench:
    """What happened to one arm.

    Attributes:
        faults: number of each kind; `noticed_s`: the longest time in [s] until each was named.
        lead: [rad] largest distance of what was sent from what was measured, `blocked joint` only.
        violations: what went wrong, by name.
        ordinary_s: [s] of ordinary motion; `false_holds`: ticks that were held and commands refused in it.
        limited: ticks of it that a limit or constraint changed.
    """

    faults: dict[str, int] = field(default_factory=dict)
    noticed_s: dict[str, float] = field(default_factory=dict)
    lead: float = 0.0
    violations: Counter[str] = field(default_factory=Counter)
    ordinary_s: float = 0.0
    false_holds: int = 0
    limited: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For a JSON file."""
        return {k: dict(value) if isinstance(value, Counter) else value for k, value in vars(self).items()}


def bench_following(spec: ArmSpec, trials: int, hours: float, seed: int = 0) -> FollowingBench:
    """`trials` faults of each kind, and `hours` of ordinary motion; the same seed does the same."""
    rng, found = np.random.default_rng([seed, 7, *spec.name.encode()]), FollowingBench()
    for kind in FAULTS if trials else ():
        found.faults[kind] = trials
        for _ in range(trials):
            _fault(spec, kind, rng, found)
    if hours > 0:
        _ordinary(spec, 3600.0 * hours, rng, found)
    return found


def _fault(spec: ArmSpec, kind: str, rng: np.random.Generator, found: FollowingBench) -> None:
    gate, arm = SafetyGate(spec, geometry=False), LaggingArm(spec, rng)
    targets, seq = teleoperated(spec, rng), 0
    joint, before = int(rng.integers(spec.n_joints)), int(rng.uniform(1.0, 4.0) * spec.control_hz)
    path: list[Array] = []
    at, name = arm.q, spec.joint_names
    for k in range(before + round(NOTICED * spec.control_hz)):
        since = k - before
        if since == 0:
            at = arm.measured()
        measured = FAULTS[kind](_Since(since, arm, at, joint)) if since >= 0 else arm.measured()
        target, seq = next(targets) if since < 0 or kind != "blocked joint" else at + 0.0, seq + 1
        if since >= 0 and kind == "blocked joint":
            side = 1.0 if spec.q_max[joint] - at[joint] > at[joint] - spec.q_min[joint] else -1.0
            target[joint] += side * 0.5 * spec.dq_max[joint] * spec.dt * since
        try:
            sent = gate.filter(JointCommand(target, 1.0, seq, 0.0), measured).q_target
        except FollowingError as error:
            found.noticed_s[kind] = max(found.noticed_s.get(kind, 0.0), round(since * spec.dt, 3))
            named = any(n in str(error) for n in name) or kind == "reading not finite"
            found.violations[f"{kind}: named without its joint"] += not named
            found.violations[f"{kind}: noticed before it began"] += since < 0
            found.violations[f"{kind}: not latched"] += gate.latched is None
            break
        except CommandRejected as error:
            found.violations[f"{kind}: {type(error).__name__} instead of FollowingError"] += 1
            break
        found.violations["held before a fault began"] += since < 0 and gate.counts["held"] > 0
        arm.send(sent)
        path.append(sent)
        if since > 0 and kind == "blocked joint":
            found.lead = max(found.lead, float(np.abs(sent - measured)[joint]))
    else:
        found.violations[f"{kind}: not noticed"] += 1
    for _ in range(round(SETTLE * spec.control_hz)):
        path.append(gate.brake(0.0).q_target)
    found.violations[f"{kind}: not at rest after the stop"] += not gate.at_rest
    speed = np.diff(np.array(path), axis=0) * spec.control_hz
    change = np.abs(np.diff(speed, axis=0)) * spec.control_hz
    beyond = (np.abs(speed) > spec.dq_max * (1 + 1e-9)).any() or (change > spec.ddq_max * (1 + 1e-6)).any()
    found.violations[f"{kind}: beyond a limit"] += bool(beyond)
    found.violations += Counter()  # drops the zeros


def _ordinary(spec: ArmSpec, seconds: float, rng: np.random.Generator, found: FollowingBench) -> None:
    cycles = _pick_and_place(spec, rng)
    for k in range(max(1, round(seconds / STRETCH))):
        arm = LaggingArm(spec, rng)
        gate, seq = SafetyGate(spec), 0
        stream = _repeated(cycles, rng) if cycles and k % 2 == 0 else teleoperated(spec, rng)
        for _ in range(round(STRETCH * spec.control_hz)):
            seq += 1
            try:
                sent = gate.filter(JointCommand(next(stream), 1.0, seq, 0.0), arm.measured()).q_target
            except CommandRejected:
                sent = gate.brake(0.0, arm.measured()).q_target if gate.holding else arm.q
                found.false_holds += 1
                if gate.latched is not None and gate.at_rest:
                    gate.rearm()
            arm.send(sent)
        found.ordinary_s += STRETCH
        found.false_holds += gate.counts["held"]
        found.limited += gate.counts["limited"]


def teleoperated(spec: ArmSpec, rng: np.random.Generator) -> Iterator[Array]:
    """Targets of an endless teleoperation from home: each joint jogged and let go, about its middle."""
    n, dt = spec.n_joints, spec.dt
    middle, reach = spec.q_home, 0.8 * np.minimum(spec.q_max - spec.q_home, spec.q_home - spec.q_min)
    change = np.minimum(spec.ddq_max, spec.jerk_max * dt / 2) * dt * 0.5
    q, dq = middle.copy(), np.zeros(n)
    while True:
        ticks = max(1, round(rng.uniform(0.1, 2.0) / dt))
        wanted = np.zeros(n) if rng.uniform() < REST else rng.uniform(-SHARE, SHARE, n) * spec.dq_max
        away = q - middle
        wanted = np.where((np.abs(away) > reach / 2) & (away * wanted > 0), -wanted, wanted)
        for _ in range(ticks):
            room = np.abs(q - middle) < reach  # a person lets go before the end of a joint
            goal = np.where(room | ((q - middle) * wanted < 0), wanted, 0.0)
            dq = dq + np.clip(goal - dq, -change, change)
            q = np.clip(q + dq * dt, spec.q_min + 0.01, spec.q_max - 0.01)
            yield q


def _pick_and_place(spec: ArmSpec, rng: np.random.Generator) -> list[Array]:
    """`CYCLES` motions (T, n_joints) from home to home: down to an object, up, across, down, home."""
    cycles: list[Array] = []
    low, high = spec.workspace_min + (0.12, 0.12, 0.0), spec.workspace_max - (0.12, 0.12, 0.0)
    for _ in range(10 * CYCLES):
        if len(cycles) == CYCLES:
            break
        q, parts = spec.q_home, list[Array]()
        try:
            for height in (0.036 - GRASP_DEPTH, 0.06 + DROP):
                xyz = np.array([*rng.uniform(low[:2], high[:2]), spec.table_z + max(height, 0.012)])
                yaw, pace = rng.uniform(-1.5, 1.5), rng.uniform(0.4, 1.0)
                parts.append(go_to(spec, q, xyz, yaw, TRAVEL_Z, 1.0, speed=pace).q_targets)
                parts.append(grip(spec, parts[-1][-1], 0.3, round(0.4 * spec.control_hz)).q_targets)
                q = parts[-1][-1]
            parts.append(rise(spec, q, TRAVEL_Z, 1.0, home=True).q_targets)
        except Unreachable:
            continue
        cycles.append(np.concatenate(parts))
    return cycles


def _repeated(cycles: list[Array], rng: np.random.Generator) -> Iterator[Array]:
    while True:
        yield from cycles[int(rng.integers(len(cycles)))]
