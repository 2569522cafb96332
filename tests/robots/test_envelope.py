"""The tool stays in its box, the arm above the table and off itself, and it can always stop in time."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest

from palme.cli.bench.gate_streams import Streams
from robots.motion.kinematics import fk, ik, reach_down, tool_pose
from robots.safety.chunk_verdict import ChunkVerdict
from robots.safety.clearance import ROUNDING, SAG, LinkPoses, SelfMargins, WorkspaceMargins
from robots.safety.envelope import SELF, WORKSPACE
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec
from robots.types import JointCommand


@pytest.fixture(params=ArmSpec.available())
def arm(request: pytest.FixtureRequest) -> ArmSpec:
    return ArmSpec.load(request.param)


def unbounded(arm: ArmSpec) -> ArmSpec:
    """The same arm without a box for its tool."""
    return dataclasses.replace(arm, workspace_min=np.full(3, -9.0), workspace_max=np.full(3, 9.0))


def room(spec: ArmSpec, path: np.ndarray) -> tuple[float, float]:
    """Least margin to walls and table, and to itself, along `path` (T, n_joints)."""
    rows = LinkPoses(spec).of(path)
    return float(WorkspaceMargins(spec).margins(rows).min()), float(SelfMargins(spec).margins(rows).min())


def drive(gate: SafetyGate, goal: np.ndarray, ticks: int = 100, seq: int = 0) -> np.ndarray:
    return np.array(
        [gate.filter(JointCommand(goal, 1.0, seq + k, 0.0), gate.q).q_target for k in range(ticks)]
    )


def begun(spec: ArmSpec, q: np.ndarray | None = None) -> SafetyGate:
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
def test_the_tool_goes_to_the_wall_and_no_further(arm: ArmSpec, axis: int, side: float) -> None:
    beyond = fk(arm, arm.q_home)
    box = beyond[:3, 3] + [[-0.03, -0.2, -0.03], [0.13, 0.2, 0.11]]
    spec = dataclasses.replace(arm, workspace_min=box[0], workspace_max=box[1])
    gate, wall = begun(spec), box[1 if side > 0 else 0, axis]
    beyond[axis, 3] = wall + side * 0.02
    path = drive(gate, ik(arm, beyond, arm.q_home))
    tool = fk(arm, path)[:, axis, 3]
    assert (side * (wall - tool) >= 0).all()
    assert side * (wall - tool[-1]) < 0.003  # it is the largest part of the motion that is kept
    assert gate.limited_by == f"workspace: tool {'xyz'[axis]} at its {'most' if side > 0 else 'least'}"
    assert gate.envelope.held[gate.limited_by] > 0
    for seq, target in enumerate(path[::-1]):  # and it comes away again, as it came
        gate.filter(JointCommand(target, 1.0, 200 + seq, 0.0), gate.q)
    back = drive(gate, arm.q_home, 30, seq=400)
    np.testing.assert_allclose(back[-1], arm.q_home, atol=1e-6)
    assert gate.limited_by is None


def test_the_fingers_reach_the_smallest_block_and_not_the_table(arm: ArmSpec) -> None:
    xs, y = ((0.33, 0.67), 0.30) if arm.name == "panda" else ((0.42, 0.62), 0.25)  # within reach of each
    spots = [*((x, side * y) for x in xs for side in (-1, 1)), (0.5, 0.0)]
    for x, y in spots:
        for yaw in (0.0, 0.8, 1.6):
            q = reach_down(arm, np.array([x, y, 0.017]), yaw)  # half of a small block's edge
            walls, itself = room(arm, q[None])
            assert walls > 0.002 and itself > 0
    gate = begun(arm, q=reach_down(arm, np.array([0.5, 0.0, 0.05]), 0.0))
    path = drive(gate, ik(arm, tool_pose(np.array([0.5, 0.0, -0.05]), 0.0), gate.q))
    tips = fk(arm, path)[:, 2, 3] - arm.finger_reach
    assert (tips >= arm.table_margin).all() and tips[-1] < arm.table_margin + 0.003
    assert gate.limited_by == "table: fingers"


def test_the_links_keep_off_the_table_too(arm: ArmSpec) -> None:
    spec, rng = unbounded(arm), np.random.default_rng(0)
    walls = WorkspaceMargins(spec)
    links = np.array([name.startswith("table: link") for name in walls.names])
    hand = np.array([name in ("table: hand", "table: fingers") for name in walls.names])
    goals = np.clip(spec.q_home + rng.uniform(-2, 2, (4000, spec.n_joints)), spec.q_min, spec.q_max)
    goals[:, 0] = spec.q_home[0]
    margins = walls.margins(LinkPoses(spec).of(goals))
    lowest, hand_at = margins[:, links].min(1), margins[:, hand].min(1)
    stopped_by_a_link = False
    for low in goals[(lowest < -0.05) & (hand_at > lowest + 0.05)][:10]:
        gate = begun(spec)
        path = drive(gate, low, 120)
        assert min(room(spec, path)) >= 0
        stopped_by_a_link |= any(name.startswith("table: link") for name in gate.envelope.held)
    assert stopped_by_a_link


def test_the_arm_keeps_off_itself(arm: ArmSpec) -> None:
    rng, held = np.random.default_rng(1), set()
    gate, streams = begun(unbounded(arm)), Streams.of(unbounded(arm), rng)
    path, targets = [], streams.into_itself(gate)
    for k in range(1500):
        path.append(gate.filter(JointCommand(next(targets), 1.0, k, 0.0), gate.q).q_target)
        held.add(gate.limited_by)
    assert room(unbounded(arm), np.array(path))[1] >= 0
    assert any(name and name.startswith("self-collision") for name in held)


def test_outside_is_left_and_not_entered_deeper(arm: ArmSpec) -> None:
    arm = dataclasses.replace(arm, workspace_max=np.array([*arm.workspace_max[[0]], 0.2, 0.7]))
    out = fk(arm, arm.q_home)
    out[1, 3] = arm.workspace_max[1] + 0.05
    q = ik(arm, out, arm.q_home)
    gate = begun(arm, q=q)
    out[1, 3] += 0.1
    deeper = drive(gate, ik(arm, out, q), 40)
    assert fk(arm, deeper)[:, 1, 3].max() <= arm.workspace_max[1] + 0.05 + 1e-6
    assert gate.limited_by == "workspace: tool y at its most"
    inward = drive(gate, arm.q_home, 100, seq=100)
    np.testing.assert_allclose(inward[-1], arm.q_home, atol=1e-6)
    again = drive(gate, q, 100, seq=300)  # once in, it stays in
    assert fk(arm, again)[:, 1, 3].max() <= arm.workspace_max[1]


def test_in_the_open_a_far_step_is_not_slowed(arm: ArmSpec) -> None:
    nothing = frozenset((a, b) for a in range(9) for b in range(9))
    free = dataclasses.replace(unbounded(arm), never_meet=nothing, table_z=-9.0)
    goal = arm.q_home + (0.3 if arm.name == "panda" else 0.2)
    np.testing.assert_allclose(drive(begun(arm), goal, 30), drive(begun(free), goal, 30), atol=1e-12)


def test_margins_are_reported_by_name(arm: ArmSpec) -> None:
    margins = begun(arm).envelope.margins(arm.q_home)
    assert margins["workspace: tool z at its least"] == pytest.approx(fk(arm, arm.q_home)[2, 3], abs=1e-6)
    wrist = f"self-collision: link {arm.n_joints - 2} and hand"
    assert {"table: fingers", "table: hand", wrist} <= set(margins)


def test_a_margin_used_up_to_the_last_rounding_is_computed_again(
    arm: ArmSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = begun(arm)
    checked: list[int] = []
    for kind, method in ((WORKSPACE, "_workspace_bounds"), (SELF, "_check_path")):
        plain = getattr(gate.envelope, method)
        monkeypatch.setattr(
            gate.envelope,
            method,
            lambda *given, plain=plain, kind=kind: checked.append(kind) or plain(*given),
        )
    envelope, q, dt = gate.envelope, gate.q, arm.dt
    speed = np.full(arm.n_joints, 0.01)
    far = np.abs(q + speed * dt - envelope._checked_at) + envelope._braking(speed)
    for k, kind in ((0, WORKSPACE), (-1, SELF)):
        checked.clear()
        envelope._known_margins, envelope._slack = envelope._rate @ far.ravel() + 1.0, -1.0
        envelope._known_margins[k] -= 1.0 - ROUNDING / 2
        assert (
            envelope.feasible_fraction(q.tolist(), [0.0] * len(q), (q + speed * dt).tolist(), speed.tolist())
            == 1.0
        )
        assert checked == [kind]


def test_every_constraint_has_words_for_a_person(arm: ArmSpec) -> None:
    envelope = SafetyGate(arm).envelope
    assert envelope is not None
    names = envelope.margins(arm.q_home)
    assert len(names) >= 7
    for name in names:
        words = ChunkVerdict(causes={name: 3}).obstacle
        assert words and not any(character.isdigit() for character in words)
