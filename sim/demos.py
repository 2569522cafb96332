"""Demonstrations of single steps as arrays, to teach policies that map key points to joint targets.

The arm follows its targets within 3 mrad (tests/test_arm.py), so a demonstration needs no physics:
`demonstrate` plans what the oracle would do and plays it on paper, a hundred times faster. It lets
itself be pushed, misses grasps and has its target moved, and shows what to do then.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from robots.errors import Unreachable
from robots.kinematics import fk, reach_down
from robots.pickplace import go_to, grip, rise, ticks_to_move
from robots.spec import ArmSpec
from robots.trajectory import joint_motion
from robots.types import ActionChunk, Array
from sim.grasps import GRIPPER_WIDTH, NoRoom
from sim.keypoints import Keypoints, find_keypoints
from sim.layout import SceneDoesNotFit, layout
from sim.shapes import width
from sim.tasks.steps import parse
from sim.tasks.symbolic import feasible_steps
from sim.tasks.table import random_state

PHASES = ("approach", "grip", "carry", "release", "retreat")
P_MISS, P_MOVED, P_AWAY = 0.1, 0.15, 0.4  # grasps missed, targets moved on the way, starts away from home


@dataclass(frozen=True)
class Demonstration:
    """One step, tick by tick.

    Attributes:
        keypoints: (T, 11) as `Keypoints.as_array`, true at that tick.
        q, gripper: (T, n_joints) in [rad], (T,) in [0, 1], measured before the tick.
        q_target, gripper_target: the same shapes, what to ask for in this tick.
        phase: (T,) index into `PHASES`.
        clean: (T,) False while being pushed: state to recover from, targets not to be imitated.
    """

    keypoints: Array
    q: Array
    gripper: Array
    q_target: Array
    gripper_target: Array
    phase: NDArray[np.int8]
    clean: NDArray[np.bool_]


class _Paper:
    """The arm on paper: joints go where they are told, fingers at their speed until they hold something."""

    def __init__(self, spec: ArmSpec, q: Array, gripper: float) -> None:
        self.spec, self.q, self.gripper = spec, q, gripper
        self.least = 0.0  # opening that what is between the fingers allows
        self.step = spec.gripper_speed / spec.gripper_width * spec.dt
        self.rows: list[tuple[Array, Array, float, Array, float, int, bool]] = []

    def play(self, phase: str, chunk: ActionChunk, points: Keypoints, clean: bool = True) -> None:
        array, number = points.as_array(), PHASES.index(phase)
        for target, opening in zip(chunk.q_targets, chunk.gripper, strict=True):
            self.rows.append((array, self.q, self.gripper, target, float(opening), number, clean))
            self.q = target
            change = float(np.clip(opening - self.gripper, -self.step, self.step))
            self.gripper = max(self.gripper + change, self.least)

    def result(self) -> Demonstration:
        points, q, gripper, q_target, opening, phase, clean = zip(*self.rows, strict=True)
        return Demonstration(
            np.array(points), np.array(q), np.array(gripper), np.array(q_target), np.array(opening),
            np.array(phase, np.int8), np.array(clean),
        )  # fmt: skip


def demonstrate(
    spec: ArmSpec,
    points: Keypoints,
    held: float,
    rng: np.random.Generator,
    noise: float = 0.5,
    q: Array | None = None,
) -> Demonstration:
    """How the oracle carries a step out, on paper.

    Args:
        points: the step's key points.
        held: [m] width of the object.
        noise: how often it is pushed, misses and has its target moved; 0 = never.
        q: (n_joints,) where it starts; None = home, or with noise somewhere above the table.

    Raises:
        Unreachable: no joints within the limits.
    """
    arm = _Paper(spec, spec.q_home if q is None else q, 1.0)
    if q is None and rng.uniform() < noise * P_AWAY:
        xyz = rng.uniform((0.35, -0.28, points.travel_z), (0.65, 0.28, points.travel_z + 0.15))
        arm.q = reach_down(spec, xyz, rng.uniform(-0.8, 0.8))
        arm.gripper = float(rng.uniform(points.pick_opening, 1.0))
    missing = rng.uniform() < noise * P_MISS
    for _ in range(2 if missing else 1):
        _push(arm, "approach", points, points.pick_opening, rng, noise)
        if rng.uniform() < noise * P_MOVED:
            points = _moved(arm, points, rng)
        approach = go_to(spec, arm.q, points.pick_xyz, points.pick_yaw, points.travel_z, points.pick_opening)
        arm.play("approach", approach, points)
        arm.least = 0.0 if missing else held / GRIPPER_WIDTH
        ticks = ticks_to_move(spec, points.pick_opening, held / GRIPPER_WIDTH, 3)
        arm.play("grip", grip(spec, arm.q, 0.0, ticks), points)
        arm.play("carry", rise(spec, arm.q, points.travel_z, 0.0), points)
        if missing:
            arm.play("release", grip(spec, arm.q, points.pick_opening, 3), points)
            missing = False
    _push(arm, "carry", points, 0.0, rng, noise)
    arm.play("carry", go_to(spec, arm.q, points.place_xyz, points.place_yaw, points.travel_z, 0.0), points)
    ticks = ticks_to_move(spec, held / GRIPPER_WIDTH, points.place_opening, 2)
    arm.least = 0.0
    arm.play("release", grip(spec, arm.q, points.place_opening, ticks), points)
    z = max(points.travel_z, float(points.place_xyz[2]) + 0.03)
    arm.play("retreat", rise(spec, arm.q, z, points.place_opening, home=True), points)
    return arm.result()


def demonstrations(
    spec: ArmSpec, seed: int, noise: float = 0.5, per_scene: int = 4
) -> Iterator[Demonstration]:
    """Demonstrations of random steps in random hard scenes, without end; the same for the same seed."""
    rng = np.random.default_rng(seed)
    while True:
        state = random_state(random.Random(int(rng.integers(2**31))))
        steps = feasible_steps(state)
        try:
            scene = layout(state, rng, jitter=False)
        except SceneDoesNotFit:
            continue
        positions = np.array([o.position for o in scene.objects])
        yaws = np.array([o.yaw for o in scene.objects])
        for step in rng.permutation(steps)[:per_scene]:
            name, target = parse(str(step))
            i, j = state.index(name), None if target is None else state.index(target)
            try:
                points = find_keypoints(spec, state.objects, positions, yaws, state.holder, i, j, spec.q_home)
                yield demonstrate(spec, points, width(state.objects[i]), rng, noise)
            except (Unreachable, NoRoom):
                continue


def _moved(arm: _Paper, points: Keypoints, rng: np.random.Generator) -> Keypoints:
    """Part of the approach, then the object is 5 to 9 cm elsewhere."""
    spec = arm.spec
    angle, far = rng.uniform(-np.pi, np.pi), rng.uniform(0.05, 0.09)
    shift = far * np.array([np.cos(angle), np.sin(angle), 0.0])
    new = points.pick_xyz + shift
    new[:2] = np.clip(new[:2], (0.33, -0.30), (0.67, 0.30))
    chunk = go_to(spec, arm.q, points.pick_xyz, points.pick_yaw, points.travel_z, points.pick_opening)
    n = int(rng.integers(1, len(chunk.gripper)))
    arm.play("approach", ActionChunk(chunk.q_targets[:n], chunk.gripper[:n], chunk.control_hz), points)
    return replace(points, pick_xyz=new, pick_yaw=float(rng.uniform(0, np.pi)))


def _push(
    arm: _Paper, phase: str, points: Keypoints, gripper: float, rng: np.random.Generator, noise: float
) -> None:
    """Now and then: pushed somewhere off the way, which is not to be imitated."""
    if not rng.uniform() < noise:
        return
    spec = arm.spec
    goal = points.pick_xyz if phase == "approach" else points.place_xyz
    yaw = points.pick_yaw if phase == "approach" else points.place_yaw
    here = fk(spec, arm.q)[:3, 3]
    there = here + rng.uniform(0.3, 1.1) * (goal - here) + rng.normal(0.0, 0.04 * noise, 3)
    there[2] = max(there[2], points.travel_z)
    try:
        drift = joint_motion(
            spec, arm.q, reach_down(spec, there, yaw + rng.normal(0, 0.3 * noise), arm.q), rng.uniform(0.5, 1)
        )
    except Unreachable:
        return
    n = int(rng.integers(1, len(drift) + 1))
    arm.play(phase, ActionChunk(drift[:n], np.full(n, gripper), spec.control_hz), points, clean=False)
