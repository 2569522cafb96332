"""Streams of commands that try to get an arm beyond its limits: what the gate is measured with.

Each stream is an endless row of targets made from where the arm is; `hostile` spoils a good command in one of
the ways that must be refused, and says how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from robots.errors import (
    CommandFromFuture,
    CommandNotFinite,
    CommandOutOfOrder,
    CommandRejected,
    CommandShape,
)
from robots.motion.kinematics import jacobian
from robots.safety.clearance import LinkPoses, SelfMargins
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec
from robots.types import Array, JointCommand

Targets = Iterator[Array]


@dataclass(frozen=True)
class Streams:
    """All streams for one arm; `folded` (K, n_joints) are postures in which it would meet itself."""

    spec: ArmSpec
    rng: np.random.Generator
    folded: Array

    @classmethod
    def of(cls, spec: ArmSpec, rng: np.random.Generator) -> Streams:
        """For an arm; postures in which it meets itself are drawn from `rng`."""
        postures = rng.uniform(spec.q_min, spec.q_max, (4000, spec.n_joints))
        meets = (SelfMargins(spec).margins(LinkPoses(spec).of(postures)) < 0).any(1)
        return cls(spec, rng, postures[meets])

    def ticks(self, low: int, high: int) -> int:
        """A number of ticks that means the same stretch of time at any rate, or a short one."""
        span = self.rng.choice([1.0, max(1.0, self.spec.control_hz / 40)])
        return int(self.rng.integers(low, high) * span)

    def draw(self, gate: SafetyGate) -> Targets:
        """One of the streams, from where `gate`'s arm is."""
        makers: list[Callable[[SafetyGate], Targets]] = [
            self.far_points, self.wander, self.bang_bang, self.reversals, self.sawtooth, self.at_the_walls,
            self.into_itself, self.absurd, self.homewards,
        ]  # fmt: skip
        return makers[int(self.rng.integers(len(makers)))](gate)

    def far_points(self, gate: SafetyGate) -> Targets:
        """Anywhere within the joints' range and a radian beyond, new each few ticks."""
        spec, rng = self.spec, self.rng
        while True:
            target = rng.uniform(spec.q_min - 1, spec.q_max + 1)
            for _ in range(self.ticks(1, 40)):
                yield target

    def wander(self, gate: SafetyGate) -> Targets:
        """A walk by random steps, small and large."""
        target, size = gate.q.copy(), self.rng.choice([1e-6, 1e-3, 0.05, 0.5])
        while True:
            target = target + self.rng.normal(0, size, len(target))
            yield target

    def bang_bang(self, gate: SafetyGate) -> Targets:
        """From one end of every joint to the other, at the very limits or a hair off them."""
        spec, rng = self.spec, self.rng
        period = self.ticks(1, 60)
        while True:
            ends = np.where(rng.uniform(size=spec.n_joints) < 0.5, spec.q_min, spec.q_max)
            ends = ends + rng.choice([0.0, 1e-12, -1e-12, 1e-6, -1e-6])
            for _ in range(period):
                yield ends

    def reversals(self, gate: SafetyGate) -> Targets:
        """Back and forth about where the arm is, with the period that swings speed and acceleration most."""
        spec, rng = self.spec, self.rng
        period, size = self.ticks(1, 14), rng.choice([0.05, 0.5, 5.0])
        sign = rng.choice([-1.0, 1.0], spec.n_joints)
        while True:
            for side in (sign, -sign):
                for _ in range(period):
                    yield gate.q + size * side

    def sawtooth(self, gate: SafetyGate) -> Targets:
        """Ramps a little faster than the arm across the end of a joint's range, then a jump back."""
        spec, rng = self.spec, self.rng
        while True:
            target, joint = gate.q.copy(), int(rng.integers(spec.n_joints))
            step = rng.uniform(0.2, 1.3) * spec.dq_max[joint] * spec.dt * rng.choice([-1.0, 1.0])
            for _ in range(self.ticks(5, 80)):
                target[joint] += step
                yield target.copy()

    def at_the_walls(self, gate: SafetyGate) -> Targets:
        """The tool straight at a wall of its box or at the table, and back now and then."""
        while True:
            way = np.zeros(3)
            way[int(self.rng.integers(3))] = self.rng.choice([-1.0, 1.0])
            size = self.rng.choice([0.01, 0.1, 1.0])
            for k in range(self.ticks(10, 80)):
                push = np.linalg.pinv(jacobian(self.spec, gate.q)[:3], rcond=1e-2) @ way
                yield gate.q + size * push * (-1.0 if k % 13 == 12 else 1.0)

    def into_itself(self, gate: SafetyGate) -> Targets:
        """Postures in which links meet, as near as they can be had."""
        if not len(self.folded):
            yield from self.far_points(gate)
        while True:
            target = self.folded[int(self.rng.integers(len(self.folded)))]
            for _ in range(self.ticks(5, 60)):
                yield target

    def absurd(self, gate: SafetyGate) -> Targets:
        """Finite, and far beyond anything."""
        while True:
            yield self.rng.choice([1e300, -1e300, 1e-300, 0.0, 1e9, -7.0], self.spec.n_joints)

    def homewards(self, gate: SafetyGate) -> Targets:
        """Home, so that the next stream starts in the open."""
        while True:
            yield self.spec.q_home

    def hostile(
        self, good: JointCommand, now: float, accepted: int
    ) -> tuple[JointCommand, type[CommandRejected]]:
        """`good` spoilt in one way, and the refusal it must meet. `accepted`: the last accepted `seq`."""
        rng, n = self.rng, self.spec.n_joints
        poisoned = good.q_target.copy()
        poisoned[int(rng.integers(n))] = rng.choice([np.nan, np.inf, -np.inf])
        wrong: list[Any] = [
            good.q_target[:-1], good.q_target[None], np.append(good.q_target, 0.0), np.float64(0.0),
            ["a"] * n, None, {}, np.empty(0), [[0.0]] * n,
        ]  # fmt: skip
        old = accepted - int(rng.choice([0, 1, 5, 1000]))
        ways: list[tuple[dict[str, Any], type[CommandRejected]]] = [
            ({"q_target": poisoned}, CommandNotFinite),
            ({"gripper": float(rng.choice([np.nan, np.inf, -np.inf]))}, CommandNotFinite),
            ({"gripper": "open"}, CommandNotFinite),
            ({"q_target": wrong[int(rng.integers(len(wrong)))]}, CommandShape),
            ({"seq": old}, CommandOutOfOrder),
            ({"t_mono": now + float(rng.choice([0.006, 1.0, 1e9, np.inf]))}, CommandFromFuture),
            ({"t_mono": np.nan}, CommandFromFuture),
        ]
        change, refusal = ways[int(rng.integers(len(ways)))]
        return good._replace(**change), refusal
