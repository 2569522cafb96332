"""The simulated arm is a `Robot`, and no bad number ever reaches PyBullet."""

from __future__ import annotations

import numpy as np
import pytest

from robots.errors import CommandRejected, RobotError
from robots.executor import Executor
from robots.spec import ArmSpec
from robots.types import JointCommand
from sim.rendering.camera import UnknownCamera
from sim.world.arm import SimulatedArm
from sim.world.scene import Scene
from sim.world.world import World
from tests.robot_contract import RobotContract


@pytest.fixture(scope="module")
def world():
    world = World()
    yield world
    world.close()


class TestSimulatedArm(RobotContract):
    @pytest.fixture(autouse=True)
    def _world(self, world: World) -> None:
        world.load(Scene((), ()), q=ArmSpec.load("panda").q_home)
        self.world = world

    def make_robot(self) -> SimulatedArm:
        return SimulatedArm(self.world)

    def test_nan_never_reaches_pybullet(self, robot: SimulatedArm, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[float] = []
        real = self.world.p.setJointMotorControlArray

        def spy(*args, **kwargs):
            seen.extend([*kwargs["targetVelocities"], *kwargs["forces"]])
            return real(*args, **kwargs)

        monkeypatch.setattr(self.world.p, "setJointMotorControlArray", spy)
        rng, q = np.random.default_rng(1), self.start(robot)  # in a session: no first command to refuse it
        accepted = 0
        for seq in range(1, 61):
            target = q + rng.normal(0, 3, len(q))
            target[rng.uniform(size=len(q)) < 0.2] = rng.choice([np.nan, np.inf, -np.inf, 1e308])
            try:
                robot.command(JointCommand(target, rng.choice([0.5, np.nan, 9.0]), seq, robot.time))
                accepted += 1
            except CommandRejected:
                pass
        assert np.isfinite(seen).all() and seen and 0 < accepted < 60
        assert np.isfinite(robot.observe(()).robot.q).all()

    def test_arm_follows_what_was_sent_within_milliradians(self, robot: SimulatedArm) -> None:
        q, executor = robot.observe(()).robot.q, Executor(robot)
        for k in range(40):
            sent = executor.send(q + 0.15 * (1 - np.cos(0.1 * k)), 1.0)
            assert np.abs(robot.state().q - sent.q_target).max() < 3e-3

    def test_a_re_arm_in_the_middle_of_a_motion_brings_it_to_rest_first(self, robot: SimulatedArm) -> None:
        q, sent = robot.observe(()).robot.q, []
        drive = robot._drive
        robot._drive = lambda command: (sent.append(command.q_target), drive(command))  # type: ignore[method-assign]
        for seq in range(12):
            robot.command(JointCommand(q + (0.5 if seq else 0.0), 1.0, seq, robot.time))
        robot.rearm()
        robot.command(JointCommand(robot.q, 1.0, 12, robot.time))
        speed = np.diff(np.array(sent), axis=0) * robot.spec.control_hz
        assert np.abs(speed).max() > 0.2 and np.abs(speed[-2]).max() == 0.0
        acceleration = np.abs(np.diff(speed, axis=0)) * robot.spec.control_hz
        assert (acceleration[:-1] <= robot.spec.ddq_max + 1e-6).all()

    def test_a_tick_is_one_control_period_even_when_refused(self, robot: SimulatedArm) -> None:
        q = robot.observe(()).robot.q
        robot.command(JointCommand(q, 1.0, 0, 0.0))
        with pytest.raises(CommandRejected):
            robot.command(JointCommand(q * np.nan, 1.0, 1, 0.0))
        assert robot.time == pytest.approx(2 * robot.spec.dt)

    def test_a_stamp_from_the_future_is_refused(self, robot: SimulatedArm) -> None:
        with pytest.raises(CommandRejected, match="clock"):
            robot.command(JointCommand(robot.observe(()).robot.q, 1.0, 0, robot.time + 1.0))

    def test_fingers_move_together_at_the_vendor_s_speed(self, robot: SimulatedArm) -> None:
        q, executor, openings = robot.observe(()).robot.q, Executor(robot), [1.0]
        for _ in range(20):
            executor.send(q, 0.0)
            openings.append(robot.gripper)
            assert abs(robot._here[-2] - robot._here[-1]) < 1e-3
        closing = -np.diff(openings) * robot.spec.gripper_width * robot.spec.control_hz
        assert closing.max() <= robot.spec.gripper_speed * 1.05
        assert openings[-1] < 0.01

    def test_unknown_camera_names_those_there_are(self, robot: SimulatedArm) -> None:
        with pytest.raises(UnknownCamera, match="front"):
            robot.observe(["frnt"])

    def test_cameras_give_pictures_of_the_size_asked_for(self) -> None:
        robot = SimulatedArm(self.world, cameras=("front", "wrist"), image_size=(64, 48))
        images = robot.observe().images
        assert set(images) == {"front", "wrist"}
        assert all(frame.rgb.shape == (48, 64, 3) for frame in images.values())

    def test_a_rebuilt_world_starts_a_new_session(self, robot: SimulatedArm) -> None:
        q = robot.observe(()).robot.q
        robot.command(JointCommand(q, 1.0, 7, 0.0))
        self.world.load(Scene((), ()), q=robot.spec.q_home)
        assert robot.command(JointCommand(q, 1.0, 0, 0.0)).seq == 0
        assert robot.time == pytest.approx(robot.spec.dt)


def test_an_arm_without_a_loaded_world_says_what_to_do() -> None:
    with pytest.raises(RobotError, match="load"):
        SimulatedArm(World()).observe(())
