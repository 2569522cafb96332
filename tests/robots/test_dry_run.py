"""A dry run says what would be sent, and the arm inside hears nothing of it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from robots.drivers.dry_run import DryRunDriver
from robots.drivers.xarm import XArmDriver
from robots.errors import DriverError
from robots.motion.kinematics import fk
from robots.spec import ArmSpec
from robots.types import CameraFrame, JointCommand, RobotState
from tests.driver_contract import PANDA, Clock, DriverContract, shortened


class Statue:
    """An arm that may be looked at and must not be touched."""

    def __init__(self, spec: ArmSpec) -> None:
        self.spec, self.camera_names, self.connected = spec, ("front",), False

    def connect(self) -> None:
        self.connected = True

    def read(self) -> RobotState:
        q = np.array(self.spec.q_home)
        return RobotState(q, np.zeros_like(q), 1.0, fk(self.spec, q))

    def send(self, command: JointCommand) -> None:
        raise AssertionError("a dry run sent something")

    def stop(self) -> None:
        raise AssertionError("a dry run stopped an arm that something else may be driving")

    def picture(self, camera: str) -> CameraFrame:
        return CameraFrame(np.zeros((2, 2, 3), np.uint8), None, np.eye(3), np.eye(4))

    def close(self) -> None:
        self.connected = False


class TestDryRunOfNoArm(DriverContract):
    def make(self) -> DryRunDriver:
        self.made = DryRunDriver(PANDA, echo=None)
        return self.made

    def set_points(self) -> list[np.ndarray]:
        return [np.array(command.q_target) for command in self.made.sent]


class TestDryRunOfAnArm(TestDryRunOfNoArm):
    def make(self) -> DryRunDriver:
        self.made = DryRunDriver(PANDA, Statue(PANDA), echo=None)
        return self.made

    def test_pictures_are_the_arm_s(self) -> None:
        driver = self.make()
        driver.connect()
        assert driver.camera_names == ("front",) and driver.picture("front").rgb.shape == (2, 2, 3)
        driver.stop()
        driver.close()


def test_state_follows_the_commands_and_comes_to_rest() -> None:
    clock = Clock()
    driver = DryRunDriver(PANDA, echo=None, clock=clock)
    driver.connect()
    driver.send(JointCommand(PANDA.q_home + 0.01, 0.5, 0, 0.0))
    state = driver.read()
    np.testing.assert_allclose(state.q, PANDA.q_home + 0.01)
    np.testing.assert_allclose(state.dq, 0.2)
    assert state.gripper == 0.5
    clock.now += 1.0
    np.testing.assert_array_equal(driver.read().dq, 0.0)


def test_it_says_each_change_once_in_the_vendor_s_words_without_arm_or_sdk() -> None:
    said: list[str] = []
    spec = shortened(6, "xarm6")
    inner = XArmDriver(spec, "192.0.2.1", gripper="xarm")
    driver = DryRunDriver(spec, inner, reach=False, echo=said.append)
    driver.connect()
    for seq in range(3):
        driver.send(JointCommand(spec.q_home, 1.0, seq, 0.0))
    driver.send(JointCommand(spec.q_home, 0.5, 3, 0.0))
    assert len(said) == 2 and len(driver.sent) == 4
    assert "set_servo_angle_j([0.0, -0.55" in said[0] and "set_gripper_position(425)" in said[1]
    driver.close()


def test_the_dry_run_of_the_docs_prints_what_would_be_sent() -> None:
    root = Path(__file__).parent.parent.parent
    page = (root / "docs" / "bring-up.md").read_text(encoding="utf-8")
    lines = page.partition("```python\n")[2].partition("```")[0]
    words = [sys.executable, "-c", textwrap.dedent(lines)]
    said = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == 5 and all("set_servo_angle_j([" in line for line in said)


def test_two_specs_in_one_dry_run_are_refused() -> None:
    with pytest.raises(DriverError, match="one spec"):
        DryRunDriver(PANDA, Statue(shortened(6, "xarm6")))
