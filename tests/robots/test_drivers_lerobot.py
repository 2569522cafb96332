"""A robot in LeRobot's plug-in format: flat dicts, degrees, signs and zeros of its own."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from robots.drivers.lerobot import LeRobotDriver, LeRobotRobot
from robots.errors import DriverError
from robots.spec import ArmSpec
from robots.types import JointCommand
from tests.driver_contract import Clock, VendorContract, faithful, shortened, wait_for

NAMES = ["pan", "lift", "elbow", "flex", "roll"]
SIGNS, ZEROS = np.array([1.0, -1.0, 1.0, -1.0, 1.0]), np.array([0.0, 90.0, -10.0, 0.0, 5.0])
K = np.eye(3)


class PlugIn:
    """What LeRobot's SO-101 looks like from outside; its bus refuses two threads at once."""

    def __init__(self, q: np.ndarray, clock: Clock) -> None:
        self.joints, self.clock = SIGNS * np.degrees(q) + ZEROS, clock
        self.slow, self.clip, self.calibrated = 0.0, 1e9, True
        self.is_connected = False
        self.actions: list[dict[str, float]] = []
        self.busy = False
        self.gripper = 100.0

    observation_features = {f"{n}.pos": float for n in [*NAMES, "gripper"]} | {"front": (4, 6, 3)}
    action_features = {f"{n}.pos": float for n in [*NAMES, "gripper"]}

    @property
    def is_calibrated(self) -> bool:
        return self.calibrated

    def connect(self, calibrate: bool = True) -> None:
        assert not calibrate  # it would ask at a terminal
        self.is_connected = True

    def get_observation(self) -> dict[str, Any]:
        assert not self.busy
        self.busy = True
        self.clock.now += self.slow
        seen = {f"{n}.pos": float(v) for n, v in zip(NAMES, self.joints, strict=True)}
        self.busy = False
        return seen | {"gripper.pos": self.gripper, "front": np.full((4, 6, 3), 7, np.uint8)}

    def send_action(self, action: dict[str, float]) -> dict[str, float]:
        assert not self.busy and set(action) == set(self.action_features)
        if not self.is_connected:
            raise ConnectionError("bus: no status packet")
        self.busy = True
        self.actions.append(dict(action))
        self.busy = False
        return {key: min(value, self.clip) for key, value in action.items()}

    def disconnect(self) -> None:
        self.is_connected = False


class TestLeRobot(VendorContract):
    extra = "lerobot"
    words = "send_action({'pan.pos': 0.0, 'lift.pos'"
    spec = shortened(5, "so101")

    @pytest.fixture(autouse=True)
    def arm(self) -> None:
        self.clock = Clock()
        self.robot = PlugIn(self.spec.q_home, self.clock)

    def make(self, spec: ArmSpec | None = None, **changes: Any) -> LeRobotDriver:
        settings: dict[str, Any] = {
            "robot": self.robot, "joints": NAMES, "signs": SIGNS, "zeros": ZEROS, "clock": self.clock,
            "cameras": {"front": (K, np.eye(4))},
        }  # fmt: skip
        return LeRobotDriver(spec or self.spec, **(settings | changes))

    def set_points(self) -> list[np.ndarray]:
        told = [np.array([action[f"{n}.pos"] for n in NAMES]) for action in self.robot.actions]
        return [np.radians(SIGNS * (degrees - ZEROS)) for degrees in told]

    def fall_silent(self) -> None:
        self.robot.slow = 1.0

    def stop_itself(self) -> str:
        self.robot.is_connected = False
        return "no longer connected"

    def clear(self) -> None:
        self.robot.is_connected = True

    def stand_at(self, q: np.ndarray) -> None:
        self.robot.joints = SIGNS * np.degrees(q) + ZEROS

    def cleared_by_driver(self) -> bool:
        return False  # the format has nothing that could

    def stopped_by_driver(self) -> bool:
        return bool(np.abs(self.set_points()[-1] - self.spec.q_home).max() < 1e-9)  # told to be where it is

    def test_a_missing_sdk_is_named_with_its_extra(
        self, driver: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        super().test_a_missing_sdk_is_named_with_its_extra(self.make(robot=None), monkeypatch)

    def test_joints_go_by_name_sign_and_zero(self) -> None:
        driver = self.make()
        driver.connect()
        driver.send(JointCommand(self.spec.q_home, 0.25, 0, 0.0))
        wait_for(lambda: len(self.robot.actions) > 3, "actions")
        action = self.robot.actions[-1]
        assert action["lift.pos"] == pytest.approx(90.0 - np.degrees(self.spec.q_home[1]))
        assert action["gripper.pos"] == pytest.approx(25.0)
        driver.close()

    def test_another_robot_s_joints_are_refused(self) -> None:
        with pytest.raises(DriverError, match="the robot takes .*'elbow.pos'"):
            self.make(joints=[*NAMES[:-1], "wrist"]).connect()
        assert not self.robot.is_connected

    def test_an_uncalibrated_robot_is_refused_and_let_go(self) -> None:
        self.robot.calibrated = False
        with pytest.raises(DriverError, match="lerobot-calibrate"):
            self.make().connect()
        assert not self.robot.is_connected

    def test_a_robot_that_changes_actions_is_stopped_with_an_error(self) -> None:
        driver = self.make()
        driver.connect()
        self.robot.clip = 20.0

        def told() -> bool:
            try:
                driver.send(JointCommand(self.spec.q_home, 1.0, 0, 0.0))
            except DriverError as error:
                return "max_relative_target" in str(error)
            return False

        wait_for(told, "the refusal")
        driver.close()

    def test_pictures_come_with_their_calibration(self) -> None:
        driver = self.make()
        driver.connect()
        frame = driver.picture("front")
        assert frame.rgb.shape == (4, 6, 3) and frame.intrinsics is K
        with pytest.raises(DriverError, match=r"no camera 'wrist'; there are \['front'\]"):
            driver.picture("wrist")
        self.robot.slow = 1.0
        with pytest.raises(DriverError, match="ms old"):
            driver.picture("front")
        driver.close()

    def test_speeds_are_differences_of_what_was_read(self) -> None:
        driver = self.make()
        driver.connect()
        driver.read()
        self.robot.joints = self.robot.joints + SIGNS * np.degrees(0.01)
        self.clock.now += 0.05
        np.testing.assert_allclose(driver.read().dq, 0.2, atol=1e-6)
        driver.close()


def test_the_plug_in_format_is_lerobot_s_own() -> None:
    if importlib.util.find_spec("lerobot") is None:
        pytest.skip("lerobot is not installed: its pins exclude our model stack, see docs/bring-up.md")
    from lerobot.robots import Robot

    mock = faithful(Robot, connect=lambda calibrate: None)
    mock.connect(calibrate=False)
    for name in (n for n in vars(LeRobotRobot) if not n.startswith("_")):
        assert hasattr(Robot, name), name
