"""URDriver: Universal Robots' arms by RTDE and servoj (`ur-rtde`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from robots.drivers.gripper_thread import GripperThread
from robots.drivers.robotiq import POS, RobotiqHand
from robots.drivers.state_age import StateAge
from robots.drivers.vendor import VendorDriver, sdk
from robots.errors import DriverError
from robots.spec import ArmSpec
from robots.types import Array, JointCommand

# RTDE guide, fields robot_mode and safety_mode.
ROBOT_MODES = {
    -1: "no controller", 0: "disconnected", 1: "confirm safety", 2: "booting", 3: "power off", 4: "power on",
    5: "idle, brakes on", 6: "backdrive", 7: "running", 8: "updating firmware",
}  # fmt: skip
SAFETY_MODES = {
    1: "normal", 2: "reduced", 3: "protective stop", 4: "recovery", 5: "safeguard stop",
    6: "system emergency stop", 7: "robot emergency stop", 8: "violation", 9: "fault",
    10: "validate joint id", 11: "undefined",
}  # fmt: skip
RUNNING, SAFE = 7, (1, 2)
PROGRAM_RUNNING = 2  # bit of robot_status_bits
WATCHDOG_HZ = 10.0  # the controller ends our program after 100 ms without a kick
KICK_EVERY = 0.02  # [s]
STOP_DECELERATION = 4.0  # [rad/s2] of the vendor's own stop


class URDriver(VendorDriver):
    """A UR (CB3 with servo_hz=125, e-Series 500) by `servoJ`.

    Joints and signs are the vendor's, base to wrist 3, in radians. `connect` uploads ur-rtde's control
    program, which waits: the arm must be powered, its brakes released and, on e-Series, in remote control.
    `enable` sets the payload and the controller's watchdog, which ends that program 100 ms after `stop`; the
    next `enable` uploads it again. A program that was ended at the pendant is not uploaded again.

    RTDE reports no joint ranges. Checked instead: six joints, the dashboard's model name, and that the
    controller's safety settings allow the measured posture and `spec.q_home`.

    Args:
        spec: limits and kinematics.
        address: of the controller.
        servo_hz: set-points a second: the controller's own rate.
        lookahead, gain: of servoj, in [0.03, 0.2] s and [100, 2000]: smoothness against lag.
        gripper: "none" or "robotiq" (by its URCap's socket).
        payload_kg, payload_centre: at the flange, in [kg] and (3,) [m]; None = as set on the pendant.
        dashboard: whether to ask the dashboard server for the model; PolyScope X has none.
        clock: monotonic time in [s].

    Raises:
        DriverError: an unknown gripper, or `lookahead` or `gain` out of range.
    """

    vendor = "UR"

    def __init__(
        self,
        spec: ArmSpec,
        address: str,
        *,
        servo_hz: float = 500.0,
        lookahead: float = 0.1,
        gain: float = 300.0,
        gripper: str = "none",
        payload_kg: float | None = None,
        payload_centre: Sequence[float] = (0.0, 0.0, 0.0),
        dashboard: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(spec, servo_hz=servo_hz, clock=clock)
        if gripper not in ("none", "robotiq"):
            raise DriverError(f"{spec.name}: gripper {gripper!r}; there are 'none' and 'robotiq'")
        if not (0.03 <= lookahead <= 0.2 and 100.0 <= gain <= 2000.0):
            raise DriverError(
                f"{spec.name}: lookahead {lookahead} s must lie in [0.03, 0.2], gain {gain} in [100, 2000]"
            )
        self.address, self.gripper, self.dashboard = address, gripper, dashboard
        self.lookahead, self.gain = lookahead, gain
        self.payload_kg, self.payload_centre = payload_kg, payload_centre
        self._receive: Any = None
        self._control: Any = None
        self._hand: RobotiqHand | None = None
        self._state_age = StateAge()
        self._kicked = 0.0
        self._halted = False  # `stop` was called since `enable`: the watchdog ends the control program then

    def _open(self) -> None:
        self._state_age, self._halted = StateAge(), False
        self._receive = sdk("rtde_receive", "ur", "ur-rtde").RTDEReceiveInterface(self.address)
        if (trouble := self._trouble()) is not None:
            raise DriverError(f"{self.spec.name}: UR is not ready: {trouble}; resolve it at the pendant")
        if self.dashboard:
            self._check_model()
        control = sdk("rtde_control", "ur", "ur-rtde")
        self._control = control.RTDEControlInterface(self.address, frequency=self.servo_hz)
        q = list(self._receive.getActualQ())
        if len(q) != self.spec.n_joints:
            raise DriverError(
                f"the arm has {len(q)} joints, {self.spec.name} {self.spec.n_joints}; choose its own robot="
            )
        for name, posture in (("the measured posture", q), ("q_home", self.spec.q_home.tolist())):
            if not self._control.isJointsWithinSafetyLimits(posture):
                raise DriverError(
                    f"{self.spec.name}: the controller's safety limits do not allow {name} "
                    f"{np.round(posture, 3).tolist()}; check joint limits and planes on the pendant"
                )
        if self.gripper == "robotiq":
            self._hand = RobotiqHand(self.address)
            self._gripper_thread = GripperThread(self._hand, self.spec.name)

    def _check_model(self) -> None:
        client = sdk("dashboard_client", "ur", "ur-rtde").DashboardClient(self.address)
        try:
            client.connect()
            model = str(client.getRobotModel())
        finally:
            client.disconnect()
        # the dashboard reports UR5 for a UR5e as well
        if not self.spec.name.lower().startswith(model.strip().lower()):
            raise DriverError(
                f"the arm reports model {model!r}, not a {self.spec.name}; choose its own robot="
            )

    def _measure(self) -> tuple[Array, Array, float]:
        receive = self._receive
        q, dq, stamp = receive.getActualQ(), receive.getActualQd(), receive.getTimestamp()
        return np.array(q), np.array(dq), self._state_age.age(stamp, self.clock())

    def _trouble(self) -> str | None:
        receive = self._receive
        if not receive.isConnected():
            return "RTDE connection lost"
        safety, mode = receive.getSafetyMode(), receive.getRobotMode()
        if safety not in SAFE:
            return f"safety mode {safety}, {SAFETY_MODES.get(safety, 'unknown')}"
        if mode != RUNNING:
            return f"robot mode {mode}, {ROBOT_MODES.get(mode, 'unknown')}"
        if self._loop is not None and not receive.getRobotStatus() & PROGRAM_RUNNING:
            return "the control program has ended (pendant, remote control lost, or the watchdog)"
        return None

    def _enable(self) -> None:
        if self._halted and not self._receive.getRobotStatus() & PROGRAM_RUNNING:
            self._accepted("reuploadScript", self._control.reuploadScript())
        if self.payload_kg is not None:
            accepted = self._control.setPayload(self.payload_kg, [float(x) for x in self.payload_centre])
            self._accepted("setPayload", accepted)
        self._accepted("setWatchdog", self._control.setWatchdog(WATCHDOG_HZ))
        self._kicked, self._halted = 0.0, False

    def _write(self, q: Array, dq: Array) -> None:
        period = 1.0 / self.servo_hz
        # servoj ignores speed and acceleration (second and third)
        accepted = self._control.servoJ(q.tolist(), 0.0, 0.0, period, self.lookahead, self.gain)
        self._accepted("servoJ", accepted)
        if (now := time.monotonic()) - self._kicked >= KICK_EVERY:
            self._kicked = now
            self._accepted("kickWatchdog", self._control.kickWatchdog())

    def _accepted(self, what: str, accepted: bool) -> None:
        if not accepted:
            raise DriverError(f"{self.spec.name}: UR refused {what}; its control program may have ended")

    def _halt(self) -> None:
        self._halted = True
        self._control.servoStop(STOP_DECELERATION)

    def _release(self) -> None:
        control, receive, hand = self._control, self._receive, self._hand
        self._control = self._receive = self._hand = None
        if hand is not None:
            hand.close()
        if control is not None:
            control.stopScript()
            control.disconnect()
        if receive is not None:
            receive.disconnect()

    def describe(self, command: JointCommand) -> str:
        """The call that `command` becomes, for dry runs."""
        q = np.round(command.q_target, 4).tolist()
        line = f"servoJ({q}, 0, 0, {1 / self.servo_hz:.4f}, {self.lookahead}, {self.gain})"
        if self.gripper == "robotiq":
            line += f"; SET POS {round(POS.value(command.gripper))}"
        return line
