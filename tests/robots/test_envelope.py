"""The tool stays in its box, the arm above the table and off itself, and it can always stop in time."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest

from palme.cli.bench.gate_streams import Streams
from robots.motion.kinematics import fk, ik, reach_down, tool_pose
from robots.safety.clearance import ROUNDING, SAG, LinkRows, SelfDistance, Walls
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec
from robots.types import JointCommand

PANDA = ArmSpec.load("panda")
OPEN = dataclasses.replace(PANDA, workspace_min=np.full(3, -9.0), workspace_max=np.full(3, 9.0))  # no box


def room(spec: ArmSpec, path: np.ndarray) -> tuple[float, float]:
    """Least margin to walls and table, and to itself, along `path` (T, n_joints)."""
    rows = LinkRows(spec).of(path)
    return float(Walls(spec).margins(rows).min()), float(SelfDistance(spec).margins(rows).min())


def drive(gate: SafetyGate, goal: np.ndarray, ticks: int = 100, seq: int = 0) -> np.ndarray:
    return np.array(
        [gate.filter(JointCommand(goal, 1.0, seq + k, 0.0), gate.q).q_target for k in range(ticks)]
    )


def begun(spec: ArmSpec = PANDA, q: np.ndarray | None = None) -> SafetyGate:
    gate = SafetyGate(spec)
    gate.start(spec.q_home if q is None else q, 1.0)
    return gate


@pytest.mark.parametrize(("name", "control_hz"), [(name, 20.0) for name in ArmSpec.available()]
                         + [("panda", 5.0), ("panda", 500.0)])  # fmt: skip
def test_braking_from_anywhere_on_any_stream_stays_clear(name: str, control_hz: float) -> None:
    spec = dataclasses.replace(ArmSpec.load(name), control_hz=control_hz)
    rng, gate = np.random.default_rng(0), begun(spec)
    streams, path, ways, left = Streams.of(spec, rng), [], [], 0
    for k in range(900):
        if left == 0:
            targets, left = streams.draw(gate), streams.ticks(10, 80)
        left -= 1
        braked = rng.uniform() < 0.03
        ask = JointCommand(next(targets), 1.0, k, 0.0)
        path.append((gate.brake() if braked else gate.filter(ask, gate.q)).q_target)
        if k % 9 == 0:
            twin = copy.deepcopy(gate)
            while not twin.at_rest:
                ways.append(twin.brake().q_target)
    walls, itself = room(spec, np.array(path + ways))
    assert walls >= 0 and itself >= 0
    between = np.array(path)  # and between ticks nothing is tunnelled through
    for share in (0.25, 0.5, 0.75):
        walls, itself = room(spec, between[:-1] + share * np.diff(between, axis=0))
        assert walls >= -SAG and itself >= -spec.self_margin


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_the_tool_goes_to_the_wall_and_no_further(axis: int, side: float) -> None:
    spec = dataclasses.replace(
        PANDA, workspace_min=np.array([0.3, -0.2, 0.25]), workspace_max=np.array([0.5, 0.2, 0.5])
    )
    gate, beyond = begun(spec), fk(PANDA, PANDA.q_home)
    wall = (spec.workspace_max if side > 0 else spec.workspace_min)[axis]
    beyond[axis, 3] = wall + side * 0.04
    path = drive(gate, ik(PANDA, beyond, PANDA.q_home))
    tool = fk(PANDA, path)[:, axis, 3]
    assert (side * (wall - tool) >= 0).all()
    assert side * (wall - tool[-1]) < 0.003  # it is the largest part of the motion that is kept
    assert gate.held_by == f"workspace: tool {'xyz'[axis]} at its {'most' if side > 0 else 'least'}"
    assert gate.envelope.held[gate.held_by] > 0
    back = drive(gate, PANDA.q_home, 60, seq=200)  # and it comes away again
    np.testing.assert_allclose(back[-1], PANDA.q_home, atol=1e-6)
    assert gate.held_by is None


def test_the_fingers_reach_the_smallest_block_and_not_the_table() -> None:
    spots = [(0.33, -0.30), (0.33, 0.30), (0.67, -0.30), (0.67, 0.30), (0.5, 0.0)]
    for x, y in spots:
        for yaw in (0.0, 0.8, 1.6):
            q = reach_down(PANDA, np.array([x, y, 0.017]), yaw)  # half of a small block's edge
            walls, itself = room(PANDA, q[None])
            assert walls > 0.002 and itself > 0
    gate = begun(q=reach_down(PANDA, np.array([0.5, 0.0, 0.05]), 0.0))
    path = drive(gate, ik(PANDA, tool_pose(np.array([0.5, 0.0, -0.05]), 0.0), gate.q))
    tips = fk(PANDA, path)[:, 2, 3] - PANDA.finger_reach
    assert (tips >= PANDA.table_margin).all() and tips[-1] < PANDA.table_margin + 0.003
    assert gate.held_by == "table: fingers"


def test_the_elbow_keeps_off_the_table_too() -> None:
    gate = begun(OPEN)
    low = np.array([0.0, 1.75, 0.0, -0.3, 0.0, 2.0, 0.8])  # stretched out over the table's edge and below
    path = drive(gate, low, 150)
    assert room(OPEN, path)[0] >= 0
    assert gate.held_by is not None and gate.held_by.startswith("table")


def test_the_arm_keeps_off_itself() -> None:
    rng, held = np.random.default_rng(1), set()
    gate, streams = begun(OPEN), Streams.of(OPEN, rng)
    path, targets = [], streams.into_itself(gate)
    for k in range(1500):
        path.append(gate.filter(JointCommand(next(targets), 1.0, k, 0.0), gate.q).q_target)
        held.add(gate.held_by)
    assert room(OPEN, np.array(path))[1] >= 0
    assert any(name and name.startswith("self-collision") for name in held)


def test_outside_is_left_and_not_entered_deeper() -> None:
    out = fk(PANDA, PANDA.q_home)
    out[1, 3] = PANDA.workspace_max[1] + 0.05
    q = ik(PANDA, out, PANDA.q_home)
    gate = begun(q=q)
    out[1, 3] += 0.1
    deeper = drive(gate, ik(PANDA, out, q), 40)
    assert fk(PANDA, deeper)[:, 1, 3].max() <= PANDA.workspace_max[1] + 0.05 + 1e-6
    assert gate.held_by == "workspace: tool y at its most"
    inward = drive(gate, PANDA.q_home, 100, seq=100)
    np.testing.assert_allclose(inward[-1], PANDA.q_home, atol=1e-6)
    again = drive(gate, q, 100, seq=300)  # once in, it stays in
    assert fk(PANDA, again)[:, 1, 3].max() <= PANDA.workspace_max[1]


def test_in_the_open_a_far_step_is_not_slowed() -> None:
    nothing = frozenset((a, b) for a in range(9) for b in range(9))
    free = dataclasses.replace(OPEN, never_meet=nothing, table_z=-9.0)
    goal = PANDA.q_home + 0.3
    np.testing.assert_allclose(drive(begun(), goal, 30), drive(begun(free), goal, 30), atol=1e-12)


def test_margins_are_told_by_name() -> None:
    told = begun().envelope.margins(PANDA.q_home)
    assert told["workspace: tool z at its least"] == pytest.approx(fk(PANDA, PANDA.q_home)[2, 3], abs=1e-6)
    assert {"table: fingers", "table: hand", "self-collision: link 5 and hand"} <= set(told)


def test_a_margin_used_up_to_the_last_rounding_is_looked_at() -> None:
    gate = begun()
    envelope, q, dt = gate.envelope, gate.q, PANDA.dt
    speed = np.full(PANDA.n_joints, 0.01)
    far = np.abs(q + speed * dt - envelope._looked_at) + envelope._braking(speed)
    for k in (0, -1):  # a wall, a pair of bodies
        envelope._room, envelope._spare = envelope._reach @ far.ravel() + 1.0, -1.0
        envelope._room[k] -= 1.0 - ROUNDING / 2
        assert envelope.part(q.tolist(), [0.0] * len(q), (q + speed * dt).tolist(), speed.tolist()) == 1.0
