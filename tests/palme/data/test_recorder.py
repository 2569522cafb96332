"""Recorder and BackgroundCameras keep the contract of a wrapper: the robot behind them is unchanged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from palme.data.recorder import BackgroundCameras, Recorder
from robots.robot import Rearmable, Robot, RobotWrapper
from tests.robot_contract import WrapperContract
from tests.teleop_rig import GateArm


class TestRecorder(WrapperContract):
    def make_arm(self) -> Robot:
        return GateArm()

    def wrap(self, robot: Robot) -> Robot:
        return Recorder(robot, None)  # type: ignore[arg-type]  # nothing is written before `begin`

    def test_a_rearm_through_another_wrapper_passes_the_recorder(self) -> None:
        arm = GateArm()
        recorder = Recorder(arm, None)  # type: ignore[arg-type]
        arm.stop("test")
        rearmable = RobotWrapper(recorder).capability(Rearmable)
        assert rearmable is recorder
        rearmable.rearm()
        assert arm.gate.latched is None


class TestBackgroundCameras(WrapperContract):
    @pytest.fixture(autouse=True)
    def _closed(self) -> Iterator[None]:
        self.opened: list[BackgroundCameras] = []
        yield
        for robot in self.opened:
            robot.close()

    def make_arm(self) -> Robot:
        return GateArm()

    def wrap(self, robot: Robot) -> Robot:
        self.opened.append(BackgroundCameras(robot))
        return self.opened[-1]
