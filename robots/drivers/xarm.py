"""XArmDriver: UFACTORY's xArm 5, 6 and 7 and Lite 6 in servo mode (`xarm-python-sdk`)."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from robots.drivers.gripper_thread import GripperThread
from robots.drivers.vendor import VendorDriver, sdk
from robots.errors import DriverError
from robots.gripper import GripperScale
from robots.spec import ArmSpec
from robots.types import Array, JointCommand

POSITION_MODE, SERVO_MODE = 0, 1
READY, STOP = 0, 4  # of `set_state`
STOPPED = (4, 5)  # of `get_state`: stopped, and stopped by a changed mode or setting
PULSES = GripperScale(0.0, 850.0, "pulses")  # of the xArm gripper; its developer manual
MODE_TIMEOUT = 2.0  # [s] for the box to change mode and state
ANSWER_TIMEOUT = 0.2  # [s] for an answer once enabled; the SDK's default is 2


class XArmDriver(VendorDriver):
    """An xArm in servo mode, which follows each set-point at once, without planning.

    Joints and signs are the vendor's, base to tip, in radians. `enable` switches the motors on and sets mode
    1 and state 0. Errors are never cleared: `clean_error` is for a person to call.

    Args:
        spec: limits and kinematics.
        address: IPv4 address of the control box, as in 192.168.1.5.
        servo_hz: set-points a second; the vendor recommends 250 at most.
        gripper: "none" or "xarm" (the vendor's, 0 to 850 pulses).
        payload_kg, payload_centre: at the flange, in [kg] and (3,) [m]; None = as stored in the box.
        clock: monotonic time in [s].

    Raises:
        DriverError: an unknown gripper, or an address that is not IPv4.
    """

    vendor = "xArm"

    def __init__(
        self,
        spec: ArmSpec,
        address: str,
        *,
        servo_hz: float = 250.0,
        gripper: str = "none",
        payload_kg: float | None = None,
        payload_centre: Sequence[float] = (0.0, 0.0, 0.0),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(spec, servo_hz=servo_hz, clock=clock)
        if gripper not in ("none", "xarm"):
            raise DriverError(f"{spec.name}: gripper {gripper!r}; there are 'none' and 'xarm'")
        self.address, self.gripper = _ip(spec, address), gripper
        self.payload_kg, self.payload_centre = payload_kg, payload_centre
        self._arm: Any = None
        self._state_at = 0.0

    def _open(self) -> None:
        api = sdk("xarm.wrapper", "xarm", "xarm-python-sdk")
        self._arm = api.XArmAPI(self.address, is_radian=True)
        if not self._arm.connected:
            raise DriverError(f"{self.spec.name}: no xArm at {self.address}; check its address and power")
        self._state_at = self.clock()
        self._check_limits(*self._limits())
        if self.gripper == "xarm":
            self._gripper_thread = GripperThread(_XArmHand(self._arm), self.spec.name)

    def _limits(self) -> tuple[Array, Array]:
        """Joint limits [rad] of the connected model, from the vendor's table."""
        table = sdk("xarm.core.config.x_config", "xarm", "xarm-python-sdk").XCONF.Robot.JOINT_LIMITS
        rows = table.get(self._arm.axis, {}).get(self._arm.device_type)
        if rows is None:
            raise DriverError(
                f"{self.spec.name}: xArm reports {self._arm.axis} joints, type {self._arm.device_type}, and "
                "the SDK has no limits for it; update xarm-python-sdk"
            )
        low, high = np.array(rows, dtype=np.float64).T
        return low, high

    def _measure(self) -> tuple[Array, Array, float]:
        asked = self.clock()
        code, states = self._arm.get_joint_states(is_radian=True)
        if code != 0:
            raise DriverError(
                f"{self.spec.name}: xArm sends no state (code {code}), the last is "
                f"{(self.clock() - self._state_at) * 1000:.0f} ms old; check cable, power and control box"
            )
        self._state_at = asked
        n = self.spec.n_joints
        return np.array(states[0][:n]), np.array(states[1][:n]), self.clock() - asked

    def _trouble(self) -> str | None:
        if not self._arm.connected:
            silent = (self.clock() - self._state_at) * 1000
            return f"connection lost, silent for {silent:.0f} ms"
        code, (error, _) = self._arm.get_err_warn_code()
        if code == 0 and error != 0:
            text = sdk("xarm.core.config.x_code", "xarm", "xarm-python-sdk").ControllerError(error)
            return f"error {error}, {text.title['en']}: {text.description['en']}"
        if self._loop is not None:
            code, state = self._arm.get_state()
            if code == 0 and state in STOPPED:
                return f"state {state}, stopped at the box or by another client"
            if (
                self._arm.mode != SERVO_MODE
            ):  # in other modes the SDK accepts set-points with code 0 and nothing moves
                return f"mode {self._arm.mode}, changed at the box or by another client"
        return None

    def _enable(self) -> None:
        self._accepted("motion_enable", self._arm.motion_enable(True))
        if self.payload_kg is not None:  # refused while the box is stopped, as after `_halt`
            self._accepted("set_mode", self._arm.set_mode(POSITION_MODE))
            self._accepted("set_state", self._arm.set_state(READY))
            centre = [1000.0 * x for x in self.payload_centre]  # the SDK's millimetres
            self._accepted("set_tcp_load", self._arm.set_tcp_load(self.payload_kg, centre))
        if self.gripper == "xarm":
            self._accepted("set_gripper_enable", self._arm.set_gripper_enable(True))
            self._accepted("set_gripper_mode", self._arm.set_gripper_mode(0))
        self._accepted("set_mode", self._arm.set_mode(SERVO_MODE))
        self._accepted("set_state", self._arm.set_state(READY))
        deadline = time.monotonic() + MODE_TIMEOUT
        while True:  # takes some 10 ms; set-points before that are errors
            code, state = self._arm.get_state()
            if code == 0 and state not in STOPPED and self._arm.mode == SERVO_MODE:
                self._arm.set_timeout(ANSWER_TIMEOUT)
                return
            if time.monotonic() > deadline:
                raise DriverError(
                    f"{self.spec.name}: xArm is in mode {self._arm.mode} and state {state} after "
                    f"{MODE_TIMEOUT} s, not in servo mode {SERVO_MODE}; see the box's web page"
                )
            time.sleep(0.01)

    def _write(self, q: Array, dq: Array) -> None:
        code = self._arm.set_servo_angle_j(q.tolist(), is_radian=True)
        if code != 0:
            raise DriverError(f"{self.spec.name}: xArm refused a set-point: code {code} of set_servo_angle_j")

    def _halt(self) -> None:
        self._arm.set_state(STOP)

    def _release(self) -> None:
        arm, self._arm = self._arm, None
        if arm is not None:
            arm.disconnect()

    def _accepted(self, what: str, code: int) -> None:
        if code != 0:
            raise DriverError(
                f"{self.spec.name}: xArm refused {what}: code {code}; see the vendor's api codes"
            )

    def describe(self, command: JointCommand) -> str:
        """The call that `command` becomes, for dry runs."""
        line = f"set_servo_angle_j({np.round(command.q_target, 4).tolist()}, is_radian=True)"
        if self.gripper == "xarm":
            line += f"; set_gripper_position({PULSES.value(command.gripper):.0f})"
        return line


def _ip(spec: ArmSpec, address: str) -> str:
    """`address`, checked: the SDK takes anything but an IP for a serial port. Raises DriverError."""
    try:
        return str(ipaddress.IPv4Address(str(address)))
    except ValueError:
        raise DriverError(
            f"{spec.name}: backend.address={address}: expected the control box's IP, as in 192.168.1.5"
        ) from None


class _XArmHand:
    """The vendor's gripper. Raises DriverError with the SDK's code."""

    def __init__(self, arm: Any) -> None:
        self._arm = arm

    def measure(self) -> float:
        code, pulses = self._arm.get_gripper_position()
        if code != 0:
            raise DriverError(f"get_gripper_position: code {code}")
        return PULSES.opening(pulses, "get_gripper_position", DriverError)

    def move(self, opening: float) -> None:
        code = self._arm.set_gripper_position(PULSES.value(opening), wait=False)
        if code != 0:
            raise DriverError(f"set_gripper_position: code {code}")
