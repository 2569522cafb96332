"""What the command line puts before an arm is a wrapper like any other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from palme.cli.evaluation.episode import Blanked
from palme.cli.rig.trajectory_log import TrajectoryLog
from robots.robot import Robot
from robots.spec import ArmSpec
from sim.world.arm import SimulatedArm
from sim.world.scene import Scene
from sim.world.world import World
from tests.robot_contract import WrapperContract
from tests.teleop_rig import GateArm


class TestBlanked(WrapperContract):
    def make_arm(self) -> Robot:
        return GateArm()

    def wrap(self, robot: Robot) -> Robot:
        return Blanked(robot)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


class TestTrajectoryLog(WrapperContract):
    @pytest.fixture(autouse=True)
    def _loaded(self, world: World) -> None:
        world.load(Scene((), ()), q=ArmSpec.load("panda").q_home)
        self.world = world

    def make_arm(self) -> Robot:
        return SimulatedArm(self.world)

    def wrap(self, robot: Robot) -> Robot:
        return TrajectoryLog(robot, self.world, "put it there")
