"""An arm in simulation is one YAML: every one in configs/robot, and a sixth that a test writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robots.errors import SpecError
from robots.executor import Executor
from robots.motion.kinematics import fk, joint_frames
from robots.motion.pick_place import go_to
from robots.safety.clearance import LinkPoses, SelfMargins, WorkspaceMargins
from robots.skills import Step
from robots.spec import CONFIG_DIR, ArmSpec
from sim.data.oracle import Oracle, Tick
from sim.geometry.hand import hand_of
from sim.rendering.camera import project
from sim.world.arm import SimulatedArm
from sim.world.driver import SimulatedDriver
from sim.world.scene import Placed, Scene
from sim.world.scene_state import judge
from sim.world.state import ObjectSpec
from sim.world.world import World
from tests.toy_arm import add_toy_arm

ARMS = [*ArmSpec.available(), "toy"]
BUILT = [name for name in ARMS if name != "panda"]  # from their YAML alone
TABLE = Scene(
    (
        Placed(ObjectSpec("red", "block"), (0.48, -0.12, 0.017), 0.4),
        Placed(ObjectSpec("blue", "bowl", "large"), (0.48, 0.12, 0.015), 0.0),
    ),
    (None, None),
)


def spec_named(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ArmSpec:
    add_toy_arm(folder)
    monkeypatch.setattr("robots.spec.CONFIG_DIR", folder if name == "toy" else CONFIG_DIR)
    return ArmSpec.load(name)


@pytest.fixture(params=ARMS)
def arm(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimulatedArm]:
    world = World(spec=spec_named(request.param, tmp_path, monkeypatch))
    world.load(TABLE)
    yield SimulatedArm(world)
    world.close()


def test_it_stands_at_home(arm: SimulatedArm) -> None:
    np.testing.assert_allclose(arm.q, arm.spec.q_home, atol=1e-12)
    assert arm.gripper == pytest.approx(1.0, abs=1e-9)
    arm.hold(10)
    np.testing.assert_allclose(arm.q, arm.spec.q_home, atol=1e-3)


def test_kinematics_are_those_of_pybullet_s_body(arm: SimulatedArm) -> None:
    spec, body = arm.spec, arm.world.arm
    away = 2e-6 if spec.name == "panda" else 1e-6  # its URDF rounds right angles
    for q in np.random.default_rng(0).uniform(spec.q_min, spec.q_max, (10, spec.n_joints)):
        arm.world.set_arm(q, 0.5)
        np.testing.assert_allclose(arm.world.base_from_ee(), fk(spec, q), atol=away)
        for joint, frame in zip(body.joints, joint_frames(spec, q), strict=False):
            state = body.p.getLinkState(body.body, joint, computeForwardKinematics=1)
            np.testing.assert_allclose(state[4], frame[:3, 3], atol=away)


def test_no_limit_of_the_simulator_is_tighter_than_the_arm_s_own(arm: SimulatedArm) -> None:
    spec, body = arm.spec, arm.world.arm
    rows = [body.p.getJointInfo(body.body, joint) for joint in body.joints]
    assert (np.array([row[8] for row in rows]) <= spec.q_min + 1e-12).all()
    assert (np.array([row[9] for row in rows]) >= spec.q_max - 1e-12).all()


def test_a_reach_through_the_gate_arrives(arm: SimulatedArm) -> None:
    executor, q = Executor(arm), arm.q
    for xyz in ((0.45, -0.2, 0.15), (0.60, 0.1, 0.06), (0.45, 0.2, 0.05)):
        for target in go_to(arm.spec, q, np.array(xyz), 0.3, 0.2, 1.0).q_targets:
            sent = executor.send(target, 1.0)
            np.testing.assert_allclose(sent.q_target, target, atol=1e-6)  # the gate has nothing to take away
        arm.hold(3)
        q = arm.gate.q.copy()
        assert np.linalg.norm(arm.world.base_from_ee()[:3, 3] - xyz) < 0.002


def test_a_block_is_grasped_lifted_and_put_in_a_bowl(arm: SimulatedArm) -> None:
    heights: list[float] = []

    def look(tick: Tick) -> None:
        if tick.phase == "carry" and arm.world.held() == 0:
            heights.append(float(arm.world.poses()[0][0, 2]))

    assert Oracle(arm, on_tick=look).execute(Step.put("red block", "blue bowl"))
    assert max(heights) > 0.05
    assert judge(arm.world).holder[0] == 1
    np.testing.assert_allclose(arm.q, arm.spec.q_home, atol=2e-3)


def test_at_home_it_hides_nothing_of_the_table_and_is_clear_of_itself(arm: SimulatedArm) -> None:
    spec, world = arm.spec, arm.world
    frame, segments = world._look("front", None, False)
    x, y = np.meshgrid(np.linspace(0.33, 0.67, 30), np.linspace(-0.3, 0.3, 50))
    for z in (0.0, 0.05):
        points = np.stack([x.ravel(), y.ravel(), np.full(x.size, z)], -1)
        columns, rows = np.round(project(points, frame.intrinsics, frame.base_from_camera)[0]).astype(int).T
        assert not (segments[rows, columns] == world.arm.body).any()
    world.set_arm(fk_over_the_table(spec), 1.0)
    assert (world._look("front", None, False)[1] == world.arm.body).any()  # it is drawn where it does hide
    margins = [
        kind.margins(LinkPoses(spec).of(spec.q_home[None]))
        for kind in (WorkspaceMargins(spec), SelfMargins(spec))
    ]
    assert min(m.min() for m in margins) > 0.005


def fk_over_the_table(spec: ArmSpec) -> np.ndarray:
    return go_to(spec, spec.q_home, np.array((0.55, 0.0, 0.1)), 0.0, 0.2, 1.0).q_targets[-1]


@pytest.mark.parametrize("name", BUILT)
def test_fingers_stay_within_what_the_gate_takes_them_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_named(name, tmp_path, monkeypatch)
    hand = hand_of(spec)
    capsules = spec.finger_capsules
    for opening in (0.0, 0.5, 1.0):
        inner = opening * spec.gripper_width / 2
        corners = np.array([
            (x, side * (inner + y), z)
            for x in (-hand.half_width, hand.half_width)
            for side in (-1, 1)
            for y in (0.0, hand.thickness)
            for z in (hand.tip_below, -hand.palm_above)
        ])  # fmt: skip
        along = capsules.ends[0, 1] - capsules.ends[0, 0]
        share = np.clip((corners - capsules.ends[0, 0]) @ along / (along @ along), 0, 1)
        away = np.linalg.norm(corners - capsules.ends[0, 0] - share[:, None] * along, axis=1)
        assert (away <= capsules.radii[0]).all()


@pytest.mark.parametrize("name", ARMS)
def test_it_is_seen_in_the_photo_look(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World("photo", spec_named(name, tmp_path, monkeypatch))
    world.photo_scale = 1
    world.place(TABLE)
    try:
        world.set_arm(fk_over_the_table(world.spec), 1.0)
        assert world.render("front").rgb.shape == (176, 240, 3)
        assert (world._look("front", None, False)[1] == world.arm.body).sum() > 300
    finally:
        world.close()


def test_it_is_served_like_a_real_one() -> None:
    driver = SimulatedDriver(ArmSpec.load("ur5e"), TABLE)
    driver.connect()
    try:
        np.testing.assert_allclose(driver.read().q, driver.spec.q_home, atol=1e-9)
    finally:
        driver.close()


def test_an_arm_without_a_hand_is_refused_with_the_remedy() -> None:
    bare = replace(ArmSpec.load("ur5e"), gripper_width=0.0)
    with pytest.raises(SpecError, match="ur5e: an arm without a hand .* add .* gripper_width"):
        World(spec=bare).load(Scene((), ()))
