"""Drivers of real arms against the vendors' real SDK classes, autospec'd: a changed signature fails here."""

from __future__ import annotations

import subprocess
import sys
import time
import types
from typing import Any

import numpy as np
import pytest

from robots.drivers.franka import FrankaDriver
from robots.drivers.ur import URDriver
from robots.drivers.xarm import XArmDriver
from robots.errors import DriverError
from robots.spec import ArmSpec
from robots.types import JointCommand
from tests.driver_contract import PANDA, Clock, VendorContract, faithful, shortened, wait_for


def test_no_sdk_opens_with_the_drivers() -> None:
    names = ("xarm", "ur", "franka", "lerobot", "dry_run")
    code = (
        f"import sys\nfor n in {names}: __import__('robots.drivers.' + n)\n"
        "print([m for m in ('xarm', 'rtde_control', 'panda_py', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class TestXArm(VendorContract):
    extra = "xarm"
    words = "set_servo_angle_j"
    spec = shortened(
        6,
        "xarm6",
        q_min=np.array([-2.9, -1.7, -2.9, -3.0, -1.6, -0.01]),
        q_max=np.array([2.9, 1.7, 0.19, -0.07, 2.9, 3.7]),
        q_home=np.array([0.0, -0.55, -0.5, -2.4, 0.1, 1.9]),
    )

    @pytest.fixture(autouse=True)
    def arm(self, monkeypatch: pytest.MonkeyPatch) -> None:
        wrapper = pytest.importorskip("xarm.wrapper", reason="xarm-python-sdk is not installed: [xarm]")
        self.clock = Clock()
        self.q, self.error, self.state, self.code = np.array(self.spec.q_home), 0, 2, 0
        self.written: list[np.ndarray] = []
        self.pulses = 850.0
        self.api = faithful(
            wrapper.XArmAPI,
            get_joint_states=lambda is_radian, num=3: self.states(is_radian),
            get_err_warn_code=lambda: (0, [self.error, 0]),
            get_state=lambda: (0, self.state),
            set_state=self.set_state,
            set_mode=self.set_mode,
            motion_enable=lambda enable: 0,
            set_servo_angle_j=self.servo,
            set_tcp_load=lambda weight, centre: 9 if self.state == 4 else 0,  # STATE_NOT_READY
            set_gripper_enable=lambda enable: 0,
            set_gripper_mode=lambda mode: 0,
            get_gripper_position=lambda: (0, self.pulses),
            set_gripper_position=self.grip,
        )
        self.api.connected, self.api.axis, self.api.device_type, self.api.mode = True, 6, 6, 0
        monkeypatch.setattr(wrapper, "XArmAPI", lambda address, is_radian: self.api)

    def make(self, spec: ArmSpec | None = None) -> XArmDriver:
        return XArmDriver(
            spec or self.spec, "192.0.2.1", servo_hz=125.0, gripper="xarm", payload_kg=0.8, clock=self.clock
        )

    def states(self, is_radian: bool) -> tuple[int, list[list[float]]]:
        assert is_radian
        return self.code, [[*self.q.tolist(), 0.0], [0.0] * 7, [0.0] * 7]

    def set_state(self, state: int) -> int:
        self.state = {0: 2, 4: 4}[state]
        return 0

    def set_mode(self, mode: int) -> int:
        self.api.mode = mode
        return 0

    def servo(self, angles: list[float], is_radian: bool) -> int:
        assert is_radian
        if self.error or self.state == 4 or self.api.mode != 1:
            return 1
        self.written.append(np.array(angles))
        return 0

    def grip(self, pos: float, wait: bool) -> int:
        assert not wait
        self.pulses = pos
        return 0

    def set_points(self) -> list[np.ndarray]:
        return list(self.written)

    def fall_silent(self) -> None:
        self.code = 3
        self.clock.now += 1.0

    def stop_itself(self) -> str:
        self.error = 31
        return "error 31, Collision Caused Abnormal Current"

    def clear(self) -> None:
        self.error = 0

    def stand_at(self, q: np.ndarray) -> None:
        self.q = q

    def cleared_by_driver(self) -> bool:
        return bool(self.api.clean_error.called or self.api.clean_warn.called)

    def stopped_by_driver(self) -> bool:
        return self.state == 4

    def test_it_is_enabled_by_the_first_command_and_not_before(self) -> None:
        driver = self.make()
        driver.connect()
        assert not (self.api.motion_enable.called or self.api.set_mode.called or self.api.set_state.called)
        driver.send(JointCommand(self.spec.q_home, 1.0, 0, 0.0))
        order = [
            name
            for name, _, _ in self.api.mock_calls
            if name in ("motion_enable", "set_tcp_load", "set_mode", "set_state", "set_servo_angle_j")
        ]
        modes = ["set_mode", "set_state"]
        assert order[:6] == ["motion_enable", *modes, "set_tcp_load", *modes]
        self.api.set_tcp_load.assert_called_once_with(0.8, [0.0, 0.0, 0.0])
        driver.close()

    def test_a_mode_that_another_client_has_set_is_a_fault(self) -> None:
        driver = self.make()
        driver.connect()
        driver.send(JointCommand(self.spec.q_home, 1.0, 0, 0.0))
        self.api.set_servo_angle_j.side_effect = lambda angles, is_radian: 0  # what the SDK says all the same
        self.api.mode = 0
        with pytest.raises(DriverError, match="mode 0, changed at the box or by another client"):
            driver.read()
        self.api.mode = 1
        with pytest.raises(DriverError, match="mode 0"):
            driver.read()
        count = len(self.set_points())
        time.sleep(0.05)
        assert len(self.set_points()) == count and not driver.enabled
        driver.close()

    def test_another_xarm_is_refused_by_the_joint_that_differs(self) -> None:
        self.api.axis, self.api.device_type = 7, 7
        with pytest.raises(DriverError, match="the arm has 7 joints, xarm6 has 6"):
            self.make().connect()
        self.api.axis, self.api.device_type = 6, 8  # the third joint turns the other way
        with pytest.raises(DriverError, match="panda_joint3: xarm6 allows .* the arm reports"):
            self.make().connect()

    def test_the_gripper_moves_by_pulses(self) -> None:
        driver = self.make()
        driver.connect()
        for k in range(3):
            driver.send(JointCommand(self.spec.q_home, 0.0, k, 0.0))
        wait_for(lambda: self.pulses == 0.0, "a closed gripper")
        wait_for(lambda: driver.read().gripper == 0.0, "the measured opening")
        driver.close()

    def test_a_refused_set_point_names_the_vendor_s_code(self) -> None:
        driver = self.make()
        driver.connect()
        driver.send(JointCommand(self.spec.q_home, 1.0, 0, 0.0))
        self.api.set_servo_angle_j.side_effect = lambda angles, is_radian: -8

        def told() -> bool:
            try:
                driver.read()
            except DriverError as error:
                return "code -8 of set_servo_angle_j" in str(error)
            return False

        wait_for(told, "the refusal")
        assert self.state == 4  # and the arm was stopped
        driver.close()


class TestUR(VendorContract):
    extra = "ur"
    words = "servoJ"
    spec = shortened(6, "ur5e")

    @pytest.fixture(autouse=True)
    def arm(self, monkeypatch: pytest.MonkeyPatch) -> None:
        why = "ur-rtde is not installed: [ur]"
        control = pytest.importorskip("rtde_control", reason=why)
        receive = pytest.importorskip("rtde_receive", reason=why)
        dashboard = pytest.importorskip("dashboard_client", reason=why)
        self.clock = Clock()
        self.q, self.safety, self.mode, self.model = np.array(self.spec.q_home), 1, 7, "UR5"
        self.stamp_of_silence: float | None = None
        self.allowed, self.running = True, True
        self.written: list[np.ndarray] = []
        self.receive = faithful(
            receive.RTDEReceiveInterface,
            getActualQ=lambda: self.q.tolist(),
            getActualQd=lambda: [0.0] * 6,
            getTimestamp=lambda: 5000.0 + (self.stamp_of_silence or self.clock.now),
            isConnected=lambda: True,
            getSafetyMode=lambda: self.safety,
            getRobotMode=lambda: self.mode,
            getRobotStatus=lambda: 1 | 2 * self.running,
        )
        self.control = faithful(
            control.RTDEControlInterface,
            isJointsWithinSafetyLimits=lambda q: self.allowed,
            servoJ=self.servo,
            servoStop=self.servo_stop,
            setWatchdog=lambda hz: self.running,
            reuploadScript=self.reupload,
            kickWatchdog=lambda: self.running,
            setPayload=lambda mass, cog: True,
            stopScript=lambda: None,
            disconnect=lambda: None,
        )
        self.dashboard = faithful(
            dashboard.DashboardClient,
            connect=lambda: None,
            disconnect=lambda: None,
            getRobotModel=lambda: self.model,
        )
        monkeypatch.setattr(control, "RTDEControlInterface", lambda host, frequency: self.control)
        monkeypatch.setattr(receive, "RTDEReceiveInterface", lambda host: self.receive)
        monkeypatch.setattr(dashboard, "DashboardClient", lambda host: self.dashboard)

    def make(self, spec: ArmSpec | None = None) -> URDriver:
        return URDriver(spec or self.spec, "192.0.2.1", servo_hz=125.0, clock=self.clock)

    def servo(self, q: list[float], speed: float, acc: float, t: float, ahead: float, gain: float) -> bool:
        assert (speed, acc, t, ahead, gain) == (0.0, 0.0, 1 / 125.0, 0.1, 300.0)
        if self.safety != 1 or not self.running:
            return False
        self.written.append(np.array(q))
        return True

    def set_points(self) -> list[np.ndarray]:
        return list(self.written)

    def fall_silent(self) -> None:
        self.stamp_of_silence = self.clock.now
        self.clock.now += 1.0

    def stop_itself(self) -> str:
        self.safety = 3
        return "safety mode 3, protective stop"

    def clear(self) -> None:
        self.safety = 1

    def stand_at(self, q: np.ndarray) -> None:
        self.q = q

    def cleared_by_driver(self) -> bool:
        return bool(self.dashboard.unlockProtectiveStop.called or self.control.reuploadScript.called)

    def stopped_by_driver(self) -> bool:
        return bool(self.control.servoStop.called)

    def servo_stop(self, a: float) -> bool:
        self.running = False  # 100 ms later: nobody kicks the watchdog any more
        return True

    def reupload(self) -> bool:
        self.running = True
        return True

    def test_a_program_that_somebody_else_has_ended_is_not_started_again(self) -> None:
        driver = self.make()
        driver.connect()
        self.running = False
        with pytest.raises(DriverError, match="refused setWatchdog; its control program may have ended"):
            driver.enable()
        assert not self.control.reuploadScript.called
        driver.close()

    def test_the_controller_s_own_watchdog_is_set_and_kicked(self) -> None:
        driver = self.make()
        driver.connect()
        assert not self.control.setWatchdog.called
        driver.send(JointCommand(self.spec.q_home, 1.0, 0, 0.0))
        self.control.setWatchdog.assert_called_once_with(10.0)
        wait_for(lambda: self.control.kickWatchdog.call_count > 3, "kicks")
        driver.close()

    def test_an_arm_that_is_not_running_is_not_woken(self) -> None:
        self.mode = 5
        with pytest.raises(DriverError, match="robot mode 5, idle, brakes on"):
            self.make().connect()

    def test_another_model_or_forbidden_postures_are_refused(self) -> None:
        self.model = "UR10"
        with pytest.raises(DriverError, match="'UR10', not a ur5e"):
            self.make().connect()
        self.model, self.allowed = "UR5", False
        with pytest.raises(DriverError, match="safety limits do not allow"):
            self.make().connect()

    def test_an_ended_control_program_is_a_fault(self) -> None:
        driver = self.make()
        driver.connect()
        driver.send(JointCommand(self.spec.q_home, 1.0, 0, 0.0))
        self.running = False
        with pytest.raises(DriverError, match="control program has ended"):
            driver.read()
        driver.close()


class TestFranka(VendorContract):
    extra = "franka"
    words = "set_control"
    spec = PANDA

    @pytest.fixture(autouse=True)
    def arm(self, monkeypatch: pytest.MonkeyPatch) -> None:
        why = "panda-python is not installed: [franka]"
        panda_py = pytest.importorskip("panda_py", reason=why)
        controllers = pytest.importorskip("panda_py.controllers", reason=why)
        libfranka = pytest.importorskip("panda_py.libfranka", reason=why)
        self.clock = Clock()
        self.q, self.mode, self.errors, self.pending = np.array(PANDA.q_home), 1, "", ""
        self.stamp_of_silence: float | None = None
        self.low, self.high = np.array(PANDA.q_min), np.array(PANDA.q_max)
        self.written: list[np.ndarray] = []
        self.width, self.stroke = 0.08, 0.08
        self.state_class = libfranka.RobotState
        self.controller = faithful(controllers.JointPosition, set_control=self.set_control)
        self.robot = faithful(libfranka.Robot, set_collision_behavior=lambda *a: None)
        self.panda = faithful(
            panda_py.Panda,
            get_joint_limits_lower=lambda: self.low,
            get_joint_limits_upper=lambda: self.high,
            get_state=self.state,
            raise_error=self.raise_error,
            get_robot=lambda: self.robot,
            start_controller=self.start_controller,
            stop_controller=self.stop_controller,
        )
        self.hand = faithful(
            libfranka.Gripper, read_once=self.hand_state, move=self.hand_move, grasp=self.hand_grasp
        )
        self.hand_class = libfranka.GripperState
        monkeypatch.setattr(panda_py, "Panda", lambda address: self.panda)
        monkeypatch.setattr(controllers, "JointPosition", lambda: self.controller)
        monkeypatch.setattr(libfranka, "Gripper", lambda address: self.hand)

    def make(self, spec: ArmSpec | None = None) -> FrankaDriver:
        return FrankaDriver(spec or PANDA, "192.0.2.1", servo_hz=125.0, clock=self.clock)

    def state(self) -> Any:
        """A state with no field the vendor's has not."""
        stamp = self.stamp_of_silence or self.clock.now
        state = types.SimpleNamespace(
            q=self.q.tolist(),
            dq=[0.0] * 7,
            time=types.SimpleNamespace(to_sec=lambda: 7.0 + stamp),
            current_errors=self.errors,
            robot_mode=self.mode,
        )
        assert all(hasattr(self.state_class, field) for field in vars(state))
        return state

    def raise_error(self) -> None:
        told, self.pending = self.pending, ""  # the SDK tells it once
        if told:
            raise RuntimeError(told)

    def start_controller(self, controller: Any) -> None:
        assert controller is self.controller and not self.errors and self.mode == 1
        self.mode = 2

    def stop_controller(self) -> None:
        self.mode = 1 if self.mode == 2 else self.mode

    def set_control(self, position: np.ndarray, velocity: np.ndarray) -> None:
        assert position.shape == velocity.shape == (7,)
        self.written.append(position.copy())

    def hand_state(self) -> Any:
        state = types.SimpleNamespace(width=self.width, max_width=self.stroke)
        assert all(hasattr(self.hand_class, field) for field in vars(state))
        return state

    def hand_move(self, width: float, speed: float) -> bool:
        assert speed == PANDA.gripper_speed
        self.width = width
        return True

    def hand_grasp(self, width: float, speed: float, force: float, inner: float, outer: float) -> bool:
        assert force == PANDA.gripper_force and inner == outer == PANDA.gripper_width
        self.width = 0.03  # something is between the fingers
        return True

    def set_points(self) -> list[np.ndarray]:
        return list(self.written)

    def fall_silent(self) -> None:
        self.stamp_of_silence = self.clock.now
        self.clock.now += 1.0

    def stop_itself(self) -> str:
        self.mode, self.errors, self.pending = 4, "joint_reflex", "motion aborted by reflex: joint_reflex"
        return "joint_reflex"

    def clear(self) -> None:
        self.mode, self.errors = 1, ""

    def stand_at(self, q: np.ndarray) -> None:
        self.q = q

    def cleared_by_driver(self) -> bool:
        return bool(
            self.panda.recover.called
            or self.panda.set_default_behavior.called
            or self.robot.automatic_error_recovery.called
        )

    def stopped_by_driver(self) -> bool:
        return bool(self.panda.stop_controller.called)

    def test_no_controller_is_started_on_an_arm_with_an_error(self) -> None:
        driver = self.make()
        driver.connect()
        self.mode, self.errors = 4, "joint_reflex"
        with pytest.raises(DriverError, match="joint_reflex"):
            driver.send(JointCommand(PANDA.q_home, 1.0, 0, 0.0))
        assert not self.panda.start_controller.called  # which would clear it
        driver.close()

    def test_a_hand_guided_arm_can_be_read_and_is_not_driven(self) -> None:
        driver = self.make()
        driver.connect()
        self.mode = 3
        driver.read()
        with pytest.raises(DriverError, match="robot mode 3, guiding"):
            driver.send(JointCommand(PANDA.q_home, 1.0, 0, 0.0))
        driver.close()

    def test_an_fr3_is_no_panda(self) -> None:
        self.low = self.low.copy()
        self.low[5] = 0.5445
        with pytest.raises(DriverError, match="panda_joint6: panda allows"):
            self.make().connect()

    def test_the_hand_grasps_with_force_and_opens_again(self) -> None:
        driver = self.make()
        driver.connect()
        driver.send(JointCommand(PANDA.q_home, 0.9, 0, 0.0))
        wait_for(lambda: self.hand.grasp.called, "a grasp")
        wait_for(lambda: abs(driver.read().gripper - 0.375) < 0.01, "the width of what is held")
        assert self.hand.grasp.call_count == 1
        driver.send(JointCommand(PANDA.q_home, 0.99, 1, 0.0))
        wait_for(lambda: abs(self.width - 0.08) < 1e-9, "an open hand")
        driver.close()

    def test_a_hand_that_was_not_homed_is_refused(self) -> None:
        self.stroke = 0.0
        with pytest.raises(DriverError, match="home it"):
            self.make().connect()


@pytest.mark.parametrize("driver", [XArmDriver, URDriver, FrankaDriver])
def test_an_absent_arm_is_an_error_with_the_real_sdk(driver: Any) -> None:
    absent = driver(PANDA, "127.0.0.1")
    try:
        told = f"{driver.vendor} arm not reached at backend.address=127.0.0.1: |is missing"
        with pytest.raises(DriverError, match=told):
            absent.connect()
    finally:
        absent.close()


@pytest.mark.parametrize("address", ["arm.lan", "/dev/ttyUSB0", "192.168.1", "", "::1"])
def test_an_xarm_s_address_that_is_no_ip_is_refused_before_the_sdk_takes_it_for_a_port(address: str) -> None:
    with pytest.raises(DriverError, match="expected the control box's IP, as in 192.168.1.5"):
        XArmDriver(TestXArm.spec, address)


def test_a_call_that_the_vendor_s_class_would_not_take_fails_here_too() -> None:
    control = pytest.importorskip("rtde_control", reason="ur-rtde is not installed: [ur]")
    mock = faithful(control.RTDEControlInterface, servoJ=lambda *args: True)
    assert mock.servoJ([0.0] * 6, 0.0, 0.0, 0.002, 0.1, 300.0)
    with pytest.raises(TypeError):
        mock.servoJ([0.0] * 6, 0.0)
    with pytest.raises(AttributeError):
        faithful(control.RTDEControlInterface, servoZ=lambda: True)
