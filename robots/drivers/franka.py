"""FrankaDriver: Franka's Panda (FER) and FR3 by the research interface (`panda-python`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from robots.drivers.gripper_thread import CLOSE_ENOUGH, GripperThread
from robots.drivers.state_age import StateAge
from robots.drivers.vendor import VendorDriver, sdk
from robots.errors import DriverError
from robots.gripper import SENSOR, GripperScale
from robots.spec import ArmSpec
from robots.types import Array, JointCommand

MODES = {
    0: "other (brakes locked, or the research interface off)", 1: "idle", 2: "move", 3: "guiding",
    4: "reflex", 5: "user stopped", 6: "automatic error recovery",
}  # fmt: skip
IDLE, MOVE = 1, 2
UNDRIVEN = (1, 2, 3, 5)  # modes without a fault while no controller runs: a person may guide the arm
MEASURE_EVERY = 2.0  # [s] between two measurements of a hand at rest
WIDTH_ROUNDING = 0.01  # [m] accuracy of the stroke that a homed hand reports


class FrankaDriver(VendorDriver):
    """A Franka arm held by panda-py's joint impedance controller, whose 1 kHz loop is in C++.

    This process sends it set-points of position and velocity at `servo_hz`. Joints and signs are the
    vendor's, in radians. `connect` only reads; `enable` starts the controller, and only on an idle arm
    without errors: panda-py's `start_controller` would otherwise clear them by itself.

    The hand has two motions, open to a width and close with force; it finishes one before it accepts the
    next.

    Args:
        spec: limits and kinematics, checked against those that panda-py reports for FER and FR3.
        address: of the control box's research interface.
        servo_hz: set-points a second.
        gripper: "none" or "franka".
        stiffness, damping: (7,) in [Nm/rad], [Nms/rad]; None = panda-py's.
        collision_torque, collision_force: external load in [Nm], [N] at which the arm stops itself, in (0,
            100].
        payload_kg, payload_centre: beyond the hand, in [kg] and (3,) [m] from the flange; None = as set
            in Desk.
        clock: monotonic time in [s].

    Raises:
        DriverError: an unknown gripper, or a collision threshold out of range.
    """

    vendor = "Franka"

    def __init__(
        self,
        spec: ArmSpec,
        address: str,
        *,
        servo_hz: float = 1000.0,
        gripper: str = "franka",
        stiffness: Sequence[float] | None = None,
        damping: Sequence[float] | None = None,
        collision_torque: float = 20.0,
        collision_force: float = 20.0,
        payload_kg: float | None = None,
        payload_centre: Sequence[float] = (0.0, 0.0, 0.0),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(spec, servo_hz=servo_hz, clock=clock)
        if gripper not in ("none", "franka"):
            raise DriverError(f"{spec.name}: gripper {gripper!r}; there are 'none' and 'franka'")
        if not (0.0 < collision_torque <= 100.0 and 0.0 < collision_force <= 100.0):
            raise DriverError(
                f"{spec.name}: collision_torque {collision_torque}, collision_force {collision_force} must "
                "lie in (0, 100] Nm, N: collision detection stays on"
            )
        self.address, self.gripper = address, gripper
        self.stiffness, self.damping = stiffness, damping
        self.collision_torque, self.collision_force = collision_torque, collision_force
        self.payload_kg, self.payload_centre = payload_kg, payload_centre
        self._panda: Any = None
        self._controller: Any = None
        self._state_age = StateAge()

    def _open(self) -> None:
        self._state_age = StateAge()
        panda_py = sdk("panda_py", "franka", "panda-python")
        self._panda = panda_py.Panda(self.address)
        self._check_limits(
            np.array(self._panda.get_joint_limits_lower()), np.array(self._panda.get_joint_limits_upper())
        )
        if self.gripper == "franka":
            libfranka = sdk("panda_py.libfranka", "franka", "panda-python")
            hand = _FrankaHand(libfranka.Gripper(self.address), self.spec)
            self._gripper_thread = GripperThread(hand, self.spec.name)

    def _measure(self) -> tuple[Array, Array, float]:
        # a copy of the control loop's last state; without a loop it asks the arm
        state = self._panda.get_state()
        age = self._state_age.age(state.time.to_sec(), self.clock())
        return np.array(state.q), np.array(state.dq), age

    def _trouble(self) -> str | None:
        try:
            self._panda.raise_error()  # of a loop that has ended; raised once, so faults are kept here
        except RuntimeError as error:
            return str(error)
        state = self._panda.get_state()
        if state.current_errors:
            return f"errors {state.current_errors}"
        mode = int(state.robot_mode)
        if mode not in (UNDRIVEN if self._controller is None else (IDLE, MOVE)):
            return f"robot mode {mode}, {MODES.get(mode, 'unknown')}"
        return None

    def _enable(self) -> None:
        state = self._panda.get_state()
        mode = int(state.robot_mode)
        if mode != IDLE or state.current_errors:
            raise DriverError(
                f"{self.spec.name}: Franka arm in robot mode {mode}, {MODES.get(mode, 'unknown')}, errors "
                f"{state.current_errors}; it must be idle: unlock it, activate the research interface"
            )
        robot = self._panda.get_robot()
        torques, forces = [self.collision_torque] * 7, [self.collision_force] * 6
        robot.set_collision_behavior(torques, torques, forces, forces)
        if self.payload_kg is not None:
            inertia = [0.0] * 9  # of a small load about its own centre: negligible
            robot.set_load(self.payload_kg, [float(x) for x in self.payload_centre], inertia)
        gains = {
            name: np.array(value, dtype=np.float64)
            for name, value in (("stiffness", self.stiffness), ("damping", self.damping))
            if value is not None
        }
        controllers = sdk("panda_py.controllers", "franka", "panda-python")
        self._controller = controllers.JointPosition(**gains)  # holds where it starts
        self._panda.start_controller(self._controller)

    def _write(self, q: Array, dq: Array) -> None:
        self._controller.set_control(q, dq)

    def _halt(self) -> None:
        if self._controller is not None:
            self._controller = None
            self._panda.stop_controller()

    def _release(self) -> None:
        self._panda = self._controller = None  # libfranka closes with its objects

    def describe(self, command: JointCommand) -> str:
        """The call that `command` becomes, for dry runs."""
        line = f"JointPosition.set_control({np.round(command.q_target, 4).tolist()}, velocity)"
        if self.gripper == "franka":
            line += f"; hand towards {command.gripper * self.spec.gripper_width:.3f} m"
        return line


class _FrankaHand:
    """The Franka hand. Raises libfranka's exceptions, and DriverError before it was homed.

    panda-py's `read_once` waits for a report while it holds the interpreter's lock, which stalls the
    set-points. So the opening is measured after a motion, and otherwise every `MEASURE_EVERY`.
    """

    def __init__(self, gripper: Any, spec: ArmSpec) -> None:
        self._gripper, self._spec = gripper, spec
        self._closing = False
        self._opening, self._measured_at = 1.0, -np.inf
        stroke = gripper.read_once().max_width
        if not abs(stroke - spec.gripper_width) <= WIDTH_ROUNDING:
            raise DriverError(
                f"{spec.name}: the hand's stroke is {stroke:.3f} m, the spec's {spec.gripper_width}; home it "
                "in Desk, which moves the fingers, or correct the spec"
            )
        # The hand may open a little wider than the spec says: see `WIDTH_ROUNDING`.
        margin = SENSOR + WIDTH_ROUNDING / spec.gripper_width
        self._width = GripperScale(0.0, spec.gripper_width, "m", margin)

    def measure(self) -> float:
        if (now := time.monotonic()) - self._measured_at >= MEASURE_EVERY:
            self._measured_at = now
            width = self._gripper.read_once().width
            self._opening = self._width.opening(width, f"{self._spec.name}: width of the hand", DriverError)
        return self._opening

    def move(self, opening: float) -> None:
        spec = self._spec
        self._measured_at = -np.inf
        if opening < self._opening - CLOSE_ENOUGH:
            if not self._closing:  # one grasp, with force, whatever is between the fingers
                any_width = spec.gripper_width
                self._gripper.grasp(0.0, spec.gripper_speed, spec.gripper_force, any_width, any_width)
            self._closing = True
        elif opening > self._opening + CLOSE_ENOUGH:
            self._gripper.move(self._width.value(opening), spec.gripper_speed)
            self._closing = False
