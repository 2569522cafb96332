"""Pick and place by the arm alone: demonstrations for the learned head of the `chunk` policy.

The head sees key points and joint state, no pictures, so no world is needed either: key points are drawn
over the whole workspace, the oracle's own motions (`robots.motion.pick_place`) lead between them, and
measured joints follow with the simulated arm's lag. Starts off the path, moved targets, misjudged points and
missed grasps are in it, each followed by what the oracle would do from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robots.errors import RobotError
from robots.files import replacing
from robots.motion.kinematics import fk, reach_down
from robots.motion.pick_place import (
    DROP,
    GRASP_DEPTH,
    HOVER,
    LINE_SPEED,
    OPEN_TICKS,
    PHASES,
    RELEASE,
    TRAVEL_Z,
    raised,
)  # fmt: skip
from robots.motion.trajectory import join, joint_motion, line_motion
from robots.spec import ArmSpec
from robots.types import Array
from sim.geometry.grasps import AREA_MAX, AREA_MIN
from sim.geometry.shapes import BOWL_FLOOR, EDGE

SETTLE_TICKS = 2
MISSED = 0.25  # gripper opening that no object leaves: 20 of 80 mm
SQUEEZED = 0.02  # of the opening that what is held may give way, and the fingers mismeasure
HORIZON = 16


@dataclass
class Demonstration:
    """T ticks of one pick and place.

    q, dq (T, n), gripper (T,) measured before each; goals (T, 5, n) joints for hover, grasp, lifted, over the
    place and at the place; openings (T, 2) for approach and release; phase (T,); q_target (T, n), grip (T,)
    sent.
    """

    q: list[Array]
    dq: list[Array]
    gripper: list[float]
    goals: list[Array]
    openings: list[Array]
    phase: list[int]
    q_target: list[Array]
    grip: list[float]


class Demonstrator:
    """Draws demonstrations from one generator."""

    def __init__(self, spec: ArmSpec, rng: np.random.Generator) -> None:
        self.spec, self.rng = spec, rng

    def draw(self) -> Demonstration:
        """One pick and place from a random start. Raises RobotError where a drawn point is out of reach."""
        spec, rng = self.spec, self.rng
        self.out = Demonstration([], [], [], [], [], [], [], [])
        edge = EDGE["large" if rng.uniform() < 0.5 else "small"]
        self.edge = edge / spec.gripper_width
        self.squeezed = float(rng.uniform(0.0, SQUEEZED))
        top = self._point(edge)
        self._aim(top, float(rng.uniform(0, np.pi)))
        self.openings = np.array(
            [min((edge + rng.uniform(0.010, 0.026)) / spec.gripper_width, 1.0), self.edge + RELEASE]
        )
        self._place_at(self._point(0.0), float(rng.uniform(0, np.pi)))
        self.q, self.dq, self.gripper, self.holding = (
            np.array(spec.q_home),
            np.zeros(spec.n_joints),
            1.0,
            False,
        )
        start = rng.uniform()
        if start < 0.5:
            xyz = [*rng.uniform(AREA_MIN, AREA_MAX), rng.uniform(0.10, 0.40)]
            self.q = reach_down(spec, np.array(xyz), float(rng.uniform(0, np.pi)))
            self.gripper = float(rng.uniform(0.4, 1.0))
        if start < 0.15:  # already holding something, somewhere
            self.gripper, self.holding = self.edge, True
        else:
            self._pick()
        self._carry()
        return self.out

    def _point(self, height: float) -> Array:
        rng = self.rng
        level = rng.choice([0.0, BOWL_FLOOR, rng.uniform(0.03, 0.13)], p=[0.4, 0.2, 0.4])
        return np.array([*rng.uniform(AREA_MIN, AREA_MAX), level + height])

    def _aim(self, top: Array, yaw: float) -> None:
        home = self.spec.q_home
        self.top, self.yaw = top, yaw
        self.hover = reach_down(self.spec, top + [0, 0, HOVER], yaw, home)
        self.grasp = reach_down(self.spec, top - [0, 0, GRASP_DEPTH], yaw, self.hover)
        self.lifted = reach_down(self.spec, np.array([*top[:2], TRAVEL_Z]), yaw, self.hover)

    def _place_at(self, support: Array, yaw: float) -> None:
        z = support[2] + self.edge * self.spec.gripper_width - GRASP_DEPTH + DROP
        self.over = reach_down(self.spec, np.array([*support[:2], TRAVEL_Z]), yaw, self.spec.q_home)
        self.place = reach_down(self.spec, np.array([*support[:2], z]), yaw, self.over)
        self.place_xyz, self.place_yaw = np.array([*support[:2], z]), yaw

    def _pick(self) -> None:
        rng = self.rng
        tries = 2 if rng.uniform() < 0.12 else 1
        for k in range(tries):
            for _ in range(rng.choice([0, 1, 2], p=[0.5, 0.4, 0.1])):  # the target is moved on the way
                path = self._approach()
                self._send("approach", path, self.openings[0], int(rng.integers(1, max(2, len(path)))))
                away = rng.uniform(0.01, 0.12) * _direction(rng)
                xy = np.clip(self.top[:2] + away, AREA_MIN, AREA_MAX)
                self._aim(np.array([*xy, self.top[2]]), self.yaw + float(rng.normal(0, 0.5)))
            self._nudged()
            self._send("approach", self._approach(), self.openings[0])
            self.holding = k == tries - 1
            self._send("grip", self._still(self._ticks_to_close()), 0.0)
            if not self.holding:
                self._send("approach", self._rise(self.top[2] + HOVER), self.openings[0])

    def _ticks_to_close(self) -> int:
        """Until the fingers tell what they hold: they have come to rest on it, or closed past any of it."""
        least = self.edge if self.holding else MISSED
        step = self.spec.gripper_speed / self.spec.gripper_width * self.spec.dt
        return int(np.ceil(max(self.gripper - least, 0.0) / step)) + SETTLE_TICKS

    def _approach(self) -> Array:
        here = fk(self.spec, self.q)[:3, 3]
        hover_z = self.top[2] + HOVER
        lift = max(hover_z, min(float(here[2]), TRAVEL_Z))
        return self._over_and_down(self.top, lift, self.hover, self.grasp)

    def _carry(self) -> None:
        rng = self.rng
        if rng.uniform() < 0.3:
            path = self._to_place()
            self._send("carry", path, 0.0, int(rng.integers(1, len(path))))
            away = rng.uniform(0.0, 0.02) * _direction(rng)  # seen better on the way
            xy = np.clip(self.place_xyz[:2] + away, AREA_MIN, AREA_MAX)
            z = self.place_xyz[2] - self.edge * self.spec.gripper_width + GRASP_DEPTH - DROP
            self._place_at(np.array([*xy, z]), self.place_yaw)
        self._nudged()
        self._send("carry", self._to_place(), 0.0)
        self.holding = False
        self._send("release", self._still(OPEN_TICKS), self.openings[1])
        up = self._rise(max(self.place_xyz[2] + 0.05, 0.12))
        back = [up, joint_motion(self.spec, up[-1], self.spec.q_home)]
        self._send("retreat", join(self.spec, self.q, back), self.openings[1])
        self._send("done", self._still(4), self.openings[1])

    def _to_place(self) -> Array:
        return self._over_and_down(self.place_xyz, TRAVEL_Z, self.over, self.place)

    # Paths end exactly at the joint goals that the learner is shown: other joints for the same tool pose
    # (an arm of seven has many) would have to be guessed.

    def _over_and_down(self, xyz: Array, lift: float, over: Array, down: Array) -> Array:
        """(T, n) up if need be, to `over`, and straight to `down`, which holds the tool at `xyz`."""
        spec, q = self.spec, self.q
        here = fk(spec, q)[:3, 3]
        motions: list[Array] = []
        if np.hypot(*(here[:2] - xyz[:2])) > 0.005 or here[2] > fk(spec, over)[2, 3] + 0.005:
            if here[2] < lift - 0.005:
                from_grasp = np.abs(q - self.grasp).max() < 0.05
                motions.append(self._line(q, self.lifted) if from_grasp else self._rise(lift))
            motions.append(joint_motion(spec, motions[-1][-1] if motions else q, over))
        motions.append(self._line(motions[-1][-1] if motions else q, down))
        return join(spec, q, motions)

    def _line(self, q: Array, goal: Array) -> Array:
        """(T, n) with the tool straight to where it is at `goal`, the joints ending there too."""
        path = line_motion(self.spec, q, fk(self.spec, goal), LINE_SPEED)
        gap = goal - path[-1]
        if np.abs(gap).max() > 0.35:  # the wrist would have to unwind
            return joint_motion(self.spec, q, goal)
        return path + np.linspace(0, 1, len(path) + 1)[1:, None] * gap

    def _rise(self, z: float) -> Array:
        """(T, n) straight up to tool height `z` [m], no lower than now."""
        here = fk(self.spec, self.q)
        return line_motion(self.spec, self.q, raised(here, max(z, float(here[2, 3]))), LINE_SPEED)

    def _still(self, ticks: int) -> Array:
        return np.repeat(self.q[None], ticks, 0)

    def _nudged(self) -> None:
        """Now and then the joints are not where they were sent, as after a push."""
        if self.rng.uniform() < 0.3:
            q = self.q + self.rng.normal(0, 0.02, len(self.q))
            self.q = np.clip(q, self.spec.q_min, self.spec.q_max)

    def _send(self, phase: str, path: Array, gripper: float, n: int | None = None) -> None:
        spec, out, rng = self.spec, self.out, self.rng
        step = spec.gripper_speed / spec.gripper_width * spec.dt
        goals = np.stack([self.hover, self.grasp, self.lifted, self.over, self.place])
        for target in path[:n]:
            out.q.append(self.q + rng.normal(0, 0.0015, len(self.q)))
            out.dq.append(self.dq)
            out.gripper.append(self.gripper)
            out.goals.append(goals)
            out.openings.append(self.openings)
            out.phase.append(PHASES.index(phase))
            out.q_target.append(target)
            out.grip.append(float(gripper))
            self.dq, self.q = (target - self.q) * spec.control_hz, np.array(target)
            least = self.edge - self.squeezed if self.holding else 0.0
            moved = self.gripper + np.clip(gripper - self.gripper, -step, step)
            self.gripper = float(max(moved, min(least, self.gripper)))


def _direction(rng: np.random.Generator) -> Array:
    angle = rng.uniform(-np.pi, np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def demonstrations(spec: ArmSpec, seed: int) -> Iterator[Demonstration]:
    """Endless, deterministic in `seed`."""
    drawer = Demonstrator(spec, np.random.default_rng(seed))
    while True:
        try:
            yield drawer.draw()
        except RobotError:
            continue


def write_demonstrations(path: Path, n: int, seed: int) -> None:
    """`n` demonstrations end to end in one npz: the arrays of `Demonstration`, and `start` (n + 1,)."""
    found, start = [], [0]
    for demonstration in demonstrations(ArmSpec.load("panda"), seed):
        found.append(demonstration)
        start.append(start[-1] + len(demonstration.q))
        if len(found) == n:
            break
    arrays: dict[str, Any] = {
        name: np.concatenate([np.asarray(getattr(d, name), np.float32) for d in found])
        for name in ("q", "dq", "gripper", "goals", "openings", "phase", "q_target", "grip")
    }
    arrays["start"] = np.array(start)
    with replacing(path) as file:
        np.savez(file, **arrays)
