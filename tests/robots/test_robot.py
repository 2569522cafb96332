"""RobotWrapper delegates everything, and a robot does what it declares."""

from __future__ import annotations

from robots.robot import Rearmable, Robot, RobotWrapper
from tests.robot_contract import Bare, RobotContract, WrapperContract
from tests.teleop_rig import GateArm


class TestGateArm(RobotContract):
    def make_robot(self) -> Robot:
        return GateArm()


class TestRobotWrapper(WrapperContract):
    def make_arm(self) -> Robot:
        return GateArm()

    def wrap(self, robot: Robot) -> Robot:
        return RobotWrapper(robot)


class CountsRearms(RobotWrapper, Rearmable):
    """Takes part in one capability."""

    def __init__(self, robot: Robot) -> None:
        super().__init__(robot)
        self.rearms = 0

    def rearm(self) -> None:
        self.rearms += 1
        wrapped = self.robot.capability(Rearmable)
        assert wrapped is not None
        wrapped.rearm()


class TestAWrapperThatTakesPartInACapability(WrapperContract):
    def make_arm(self) -> Robot:
        return GateArm()

    def wrap(self, robot: Robot) -> Robot:
        return CountsRearms(robot)


def test_a_wrapper_that_takes_part_is_asked_before_the_arm_and_claims_nothing_the_arm_lacks() -> None:
    arm = GateArm()
    counts = CountsRearms(RobotWrapper(arm))
    outer = RobotWrapper(counts)
    arm.stop("test")
    rearmable = outer.capability(Rearmable)
    assert rearmable is counts
    rearmable.rearm()
    assert counts.rearms == 1 and arm.gate.latched is None
    assert RobotWrapper(CountsRearms(Bare(arm))).capability(Rearmable) is None
