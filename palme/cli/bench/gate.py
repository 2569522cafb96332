"""How the gate holds: random, hostile and near-limit commands, judged by what was sent.

The judge shares no code with what it judges where that matters: speeds are differences of sent positions, and
bodies are placed by `robots.motion.kinematics`, posture by posture, not by the gate's own rows.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from palme.cli.bench.gate_following import FollowingBench, bench_following
from palme.cli.bench.gate_streams import Streams
from robots.errors import CommandRejected
from robots.motion.kinematics import joint_frames
from robots.safety.capsules import segment_distance
from robots.safety.clearance import SelfMargins, lowest_finger_points
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec
from robots.types import Array, JointCommand

BLOCK = 2000  # ticks judged together
HOSTILE = 0.08  # share of commands that must be refused


@dataclass
class GateBench:
    """What happened to one arm.

    Attributes:
        commands: offered; `ticks`: positions sent, the braking ones included.
        violations: what went wrong, by name; nothing may stand here.
        foretold: commands whose answer was known before the gate moved.
        refusals: commands refused, by the exception's name; `held`: motions cut short, by constraint.
        control_hz: the rate it was driven at.
        used: largest share of each joint limit that was sent, at most 1.
        room: least margin in [m] to the tool's box, above the table's margin, and beyond the bodies' margin.
        rate: commands a second of process time inside the gate.
        following: an arm that is not where it was sent, and ordinary motion.
    """

    robot: str
    control_hz: float
    commands: int = 0
    ticks: int = 0
    foretold: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    used: dict[str, float] = field(default_factory=dict)
    room: dict[str, float] = field(default_factory=dict)
    rate: float = 0.0
    following: FollowingBench = field(default_factory=FollowingBench)

    def as_dict(self) -> dict[str, Any]:
        """For a JSON file."""
        plain = {k: dict(value) if isinstance(value, Counter) else value for k, value in vars(self).items()}
        return plain | {"following": self.following.as_dict()}


def bench_gate(
    robots: Sequence[str],
    commands: int,
    rates: Sequence[float] = (20.0, 1000.0),
    seed: int = 0,
    faults: int = 0,
    hours: float = 0.0,
) -> list[GateBench]:
    """`commands` shared out evenly among `robots` and `rates`; the same seed offers the same commands.

    Args:
        rates: [Hz]. At low ones speed and acceleration bind, at high ones jerk does.
        faults: of each kind of `gate_following.FAULTS`, for each arm and rate.
        hours: [h] of ordinary motion for each arm, at its first rate.
    """
    out = []
    for name in robots:
        for k, hz in enumerate(rates):
            spec = replace(ArmSpec.load(name), control_hz=float(hz))
            arm = bench_arm(spec, max(1, commands // (len(robots) * len(rates))), seed)
            arm.following = bench_following(spec, faults, hours if k == 0 else 0.0, seed)
            arm.violations += arm.following.violations
            arm.violations["held an arm in ordinary motion"] += arm.following.false_holds
            arm.violations += Counter()  # drops the zeros
            out.append(arm)
    return out


def bench_arm(spec: ArmSpec, commands: int, seed: int = 0) -> GateBench:
    """Offer `commands` to one gate, tick after tick, as a server would, and judge every position sent.

    Every other stream the gate precomputes between two ticks, as a server's does, and what it predicts then
    must be what it sends.
    """
    rng = np.random.default_rng([seed, *spec.name.encode()])
    streams, gate, judge = Streams.of(spec, rng), SafetyGate(spec), _Judge(spec)
    found, spent, clock = judge.found, 0.0, time.process_time
    seq, accepted, now, left, ahead = 0, -1, 0.0, 0, False
    sent: list[Array] = [spec.q_home] * 3
    for _ in range(commands):
        if left == 0:
            targets, left, ahead = streams.draw(gate), streams.ticks(20, 300), not ahead
            if rng.uniform() < 0.3 and gate.begun:  # now and then the session ends, and a new one begins
                gate.stop("the bench's turn")
        left, seq, now = left - 1, seq + int(rng.integers(1, 4)), now + spec.dt
        target = next(targets)
        if not gate.begun:
            target = sent[-1] + rng.uniform(-1.1, 1.1, spec.n_joints) * spec.first_command_tolerance
        ask = JointCommand(target, float(rng.uniform(-0.5, 1.5)), seq, now - rng.uniform(0, 0.1))
        refusal: type[CommandRejected] | None = None
        if rng.uniform() < HOSTILE:
            ask, refusal = streams.hostile(ask, now, accepted)
        measured, latched = sent[-1], gate.latched is not None
        answer: JointCommand | None
        met: type[CommandRejected] | None
        told: float | None = None
        begin = clock()
        if ahead:
            gate.precompute()
            told = _foretold(gate, ask, measured, now)
        try:
            answer = gate.filter(ask, measured, None, now)
            met, accepted = None, ask.seq
        except CommandRejected as error:
            met = type(error)
            answer = gate.brake(now) if gate.begun else None
        spent += clock() - begin
        if met is None:
            if refusal is not None:
                found.violations[f"let through what is {refusal.__name__}"] += 1
        else:
            found.refusals[met.__name__] += 1
            if refusal is not None and met is not refusal and not latched:
                found.violations[f"{met.__name__} instead of {refusal.__name__}"] += 1
        if told is not None:
            found.foretold += 1
            kept = answer is not None and answer.gripper == told and (answer.q_target == ask.q_target).all()
            if met is not None or not kept:
                found.violations["not what was foretold"] += 1
        if latched and gate.at_rest:
            gate.rearm()
        if answer is not None:
            sent.append(answer.q_target)
            if not (np.isfinite(answer.gripper) and 0.0 <= answer.gripper <= 1.0):
                found.violations["gripper out of range"] += 1
        if len(sent) == BLOCK + 3:
            judge.look(np.array(sent))
            sent = sent[-3:]
    if len(sent) > 3:
        judge.look(np.array(sent))
    found.commands = commands
    if gate.envelope is not None:
        found.held = gate.envelope.held
    found.rate = commands / spent
    return found


def _foretold(gate: SafetyGate, ask: JointCommand, measured: Array, now: float) -> float | None:
    """See `SafetyGate.predict`; None for what cannot come over the wire."""
    q, opening = ask.q_target, ask.gripper
    if not (isinstance(q, np.ndarray) and q.ndim == 1 and isinstance(opening, float)):
        return None
    wired: Any = ask._replace(q_target=tuple(q.tolist()))  # type: ignore[arg-type]
    return gate.predict(wired, measured, None, now)


class _Judge:
    """Keeps the worst of what was sent."""

    def __init__(self, spec: ArmSpec) -> None:
        self.spec, self.found = spec, GateBench(spec.name, spec.control_hz)
        self._pairs = SelfMargins(spec)
        low = spec.capsules.links >= 2
        tip, tip_radii = lowest_finger_points(spec)
        self._links = np.concatenate([np.repeat(spec.capsules.links[low], 2), [spec.n_joints + 1] * len(tip)])
        self._points = np.concatenate([spec.capsules.ends[low].reshape(-1, 3), tip])
        self._radii = np.concatenate([np.repeat(spec.capsules.radii[low], 2), tip_radii])

    def look(self, path: Array) -> None:
        """(T + 3, n_joints) sent; the first three are the last of the block before."""
        spec, found = self.spec, self.found
        if not np.isfinite(path).all():
            found.violations["not finite"] += 1
            return
        speed = np.diff(path, axis=0) * spec.control_hz
        acceleration = np.diff(speed, axis=0) * spec.control_hz
        jerk = np.diff(acceleration, axis=0) * spec.control_hz
        centre, half = (spec.q_min + spec.q_max) / 2, (spec.q_max - spec.q_min) / 2
        for name, value, limit in (
            ("position", path - centre, half),
            ("velocity", speed, spec.dq_max),
            ("acceleration", acceleration, spec.ddq_max),
            ("jerk", jerk, spec.jerk_max),
        ):
            used = np.abs(value) / limit
            found.used[name] = max(found.used.get(name, 0.0), float(used.max()))
            found.violations[name] += int((used > 1.0).any(1).sum())
        frames = joint_frames(spec, path[3:])  # (T, n + 1, 4, 4)
        tool = frames[:, -1, :3, 3]
        at = frames[:, self._links - 1]  # (T, P, 4, 4)
        heights = np.einsum("tpj,pj->tp", at[:, :, 2, :3], self._points) + at[:, :, 2, 3] - self._radii
        for name, room in (
            ("workspace", np.minimum(tool - spec.workspace_min, spec.workspace_max - tool)),
            ("table", heights - spec.table_z - spec.table_margin),
            ("self-collision", self._apart(frames) - spec.self_margin),
        ):
            least = float(room.min()) if room.size else np.inf
            found.room[name] = min(found.room.get(name, np.inf), least)
            found.violations[name] += int((room < 0).any(1).sum())
        found.ticks += len(path) - 3
        found.violations += Counter()  # drops the zeros

    def _apart(self, frames: Array) -> Array:
        """(T, K) gaps in [m] between the capsules of every pair."""
        bodies, a, b = self._pairs.capsules, self._pairs.first, self._pairs.second
        base = np.broadcast_to(np.eye(4), (len(frames), 1, 4, 4))
        every = np.concatenate([base, frames], 1)[:, bodies.links]
        ends = np.einsum("tcij,cej->tcei", every[..., :3, :3], bodies.ends) + every[:, :, None, :3, 3]
        start, along = ends[:, :, 0], ends[:, :, 1] - ends[:, :, 0]
        start, along = np.swapaxes(start, 1, 2), np.swapaxes(along, 1, 2)  # (T, 3, C)
        lengths = ((bodies.ends[:, 1] - bodies.ends[:, 0]) ** 2).sum(1)
        between = start[..., a] - start[..., b]
        gap = segment_distance(between, along[..., a], along[..., b], lengths[a], lengths[b])
        return gap - bodies.radii[a] - bodies.radii[b]
