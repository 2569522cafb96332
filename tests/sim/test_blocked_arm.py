"""A simulated arm that something blocks, moves or weakens is held and named, as a real one is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from robots.errors import ArmLatched, CommandJumps, FollowingError
from robots.executor import Executor
from robots.spec import ArmSpec
from robots.types import JointCommand
from sim.envs.tabletop import TabletopEnv
from sim.world.arm import SimulatedArm
from sim.world.scene import Scene
from sim.world.world import World

ARMS = ArmSpec.available()


@pytest.fixture(params=ARMS)
def arm(request: pytest.FixtureRequest) -> Iterator[SimulatedArm]:
    world = World(spec=ArmSpec.load(request.param))
    world.load(Scene((), ()))
    yield SimulatedArm(world, ())
    world.close()


def wall_beside(arm: SimulatedArm, side: float) -> int:
    """A wall that the tool meets where the first joint turns to `side`; returns its body."""
    p, client = arm.world.p, arm.world.client
    x, y, z = arm.world.base_from_ee()[:3, 3]
    shape = p.createCollisionShape(p.GEOM_BOX, halfExtents=[0.15, 0.02, 0.15], physicsClientId=client)
    return p.createMultiBody(0, shape, basePosition=[x, y + side * 0.20, z], physicsClientId=client)


def sweep(arm: SimulatedArm, executor: Executor, side: float, speed: float) -> int:
    """Turn the first joint to `side` until the arm is stopped; returns the ticks."""
    q = arm.q
    for k in range(1, 400):
        target = q.copy()
        target[0] += side * min(speed * k * arm.spec.dt, 1.2)
        try:
            executor.send(target, 1.0)
        except FollowingError:
            return k
        assert np.abs(arm.gate.q - arm.q).max() < 0.75  # at most: it was at full speed
    raise AssertionError("nothing was noticed")


@pytest.mark.parametrize("arm", ["panda", "xarm6", "iiwa7"], indirect=True)
@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("speed", [0.2, 0.6])  # [rad/s]; PyBullet throws a faster arm off the wall
def test_an_arm_that_meets_a_wall_is_stopped_and_neither_presses_nor_jumps_when_it_is_gone(
    arm: SimulatedArm, side: float, speed: float
) -> None:
    wall, executor = wall_beside(arm, side), Executor(arm)
    sweep(arm, executor, side, speed)
    assert arm.gate.latched is not None and "following error" in arm.gate.latched
    held = arm.q
    assert arm.gate.at_rest and np.abs(arm.gate.q - held).max() < 0.06
    arm.world.p.removeBody(wall, arm.world.client)
    arm.hold(20)
    assert np.abs(arm.q - held).max() < 0.06
    for _ in range(2):
        with pytest.raises(ArmLatched, match="FollowingError"):
            executor.send(arm.q, 1.0)
    arm.rearm()
    with pytest.raises(CommandJumps):
        executor.send(arm.q + 0.3, 1.0)
    q = arm.q
    for _ in range(40):
        executor.send(q + 0.05 * np.sign(arm.spec.q_home - q + 1e-12), 1.0)
    assert arm.gate.latched is None


@pytest.mark.parametrize("share", [0.001, 0.01])
def test_an_arm_without_force_is_stopped_before_it_winds_up(arm: SimulatedArm, share: float) -> None:
    arm._forces = [share * force for force in arm._forces]
    executor, q, lead = Executor(arm), arm.q, 0.0
    with pytest.raises(FollowingError):
        for k in range(200):
            executor.send(np.clip(q + 0.02 * k, arm.spec.q_min + 0.01, arm.spec.q_max - 0.01), 1.0)
            lead = max(lead, float(np.abs(arm.gate.q - arm.q).max()))
    assert lead < 0.6


@pytest.mark.parametrize("away", [-0.6, -0.35, 0.35, 0.6])
def test_an_arm_that_was_put_elsewhere_does_not_jump_back(arm: SimulatedArm, away: float) -> None:
    for joint in range(arm.spec.n_joints):
        arm.world.load(Scene((), ()))
        executor = Executor(arm)
        for _ in range(3):
            executor.send(arm.spec.q_home, 1.0)
        body, p = arm.world.arm, arm.world.p
        there = arm.spec.q_home[joint] + away
        if not arm.spec.q_min[joint] < there < arm.spec.q_max[joint]:
            continue
        p.resetJointState(body.body, body.joints[joint], there, 0.0, arm.world.client)
        arm._read()
        if min(arm.gate.envelope.margins(arm.q).values()) < 0.02:  # type: ignore[union-attr]
            continue  # it would touch the table or itself there
        with pytest.raises(FollowingError, match=arm.spec.joint_names[joint]):
            executor.send(arm.spec.q_home, 1.0)
        assert abs(arm.q[joint] - there) < 0.05
        assert np.abs(arm.gate.q - arm.q).max() < 0.05 and arm.gate.at_rest


@pytest.mark.parametrize("robot", ["panda", "ur5e"])
def test_an_environment_ends_the_episode_of_an_arm_pressed_into_the_table(robot: str) -> None:
    env = TabletopEnv("put_in_bowl", robot=robot, observation="state")
    try:
        env.reset(seed=1)
        down = env.arm.q
        for _ in range(400):
            down = down + 0.03 * np.eye(len(down))[1]
            action = np.append(np.clip(down, env.action_space.low[:-1], env.action_space.high[:-1]), 1.0)
            _, reward, terminated, _, info = env.step(action.astype(np.float32))
            if terminated:
                break
        assert terminated and reward == 0.0 and not info["is_success"]
        assert "following error" in info["fault"]
        env.reset(seed=2)
        _, _, terminated, _, info = env.step(env.action_space.sample())
        assert not terminated and "fault" not in info
    finally:
        env.close()


def test_a_command_that_is_refused_for_another_reason_is_no_fault() -> None:
    world = World()
    try:
        world.load(Scene((), ()))
        arm = SimulatedArm(world, ())
        arm.hold(3)
        with pytest.raises(CommandJumps):
            arm.command(JointCommand(arm.q + 1.0, 1.0, 0, arm.time))
        assert arm.gate.latched is None and not arm.gate.begun
    finally:
        world.close()
