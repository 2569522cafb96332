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
from robots.spec import ArmSpec
from robots.types import Array, JointCommand

MODES = {
    0: "other (brakes locked, or the research interface off)", 1: "idle", 2: "move", 3: "guiding",
    4: "reflex", 5: "user stopped", 6: "automatic error recovery",
}  # fmt: skip
IDLE, MOVE = 1, 2
AT_HAND = (1, 2, 3, 5)  # no trouble while nothing is driven from here: a human may guide the arm
LOOK_EVERY = 2.0  # [s] between two looks at a hand at rest
WIDTH_ROUNDING = 0.01  # [m] a hand that was homed reports its stroke to this


class FrankaDriver(VendorDriver):
    """A Franka arm held by panda-py's joint impedance controller, whose 1 kHz loop is in C++.

    Set-points reach it from this process at `servo_hz`, position and velocity. Joints and signs are the
    vendor's own, in radians. `connect` reads; the controller starts with the first `send`, and only on an
    idle arm without errors: panda-py's `start_controller` would otherwise clear them by itself.

    The hand knows two wishes, open to a width and close with force, since it comes to rest before it takes
    another.

    Args:
        spec: limits and chain; panda-py knows the limits of FER and FR3 and tells which answers.
        address: of the control box's research interface.
        servo_hz: set-points a second.
        gripper: "none" or "franka".
        stiffness, damping: (7,) in [Nm/rad], [Nms/rad]; None = panda-py's.
        collision_torque, collision_force: [Nm], [N] of external load at which the arm stops itself.
        payload_kg, payload_centre: beyond the hand, in [kg] and (3,) [m] from the flange; None = as set
            in Desk.
        clock: monotonic time in [s].
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
                "lie in (0, 100] Nm, N; an arm that never feels a collision is not driven from here"
            )
        self.address, self.gripper = address, gripper
        self.stiffness, self.damping = stiffness, damping
        self.collision_torque, self.collision_force = collision_torque, collision_force
        self.payload_kg, self.payload_centre = payload_kg, payload_centre
        self._panda: Any = None
        self._controller: Any = None
        self._freshness = StateAge()

    def _open(self) -> None:
        self._freshness = StateAge()
        panda_py = sdk("panda_py", "franka", "panda-python")
        self._panda = panda_py.Panda(self.address)
        self._check_limits(
            np.array(self._panda.get_joint_limits_lower()), np.array(self._panda.get_joint_limits_upper())
        )
        if self.gripper == "franka":
            libfranka = sdk("panda_py.libfranka", "franka", "panda-python")
            hand = _FrankaHand(libfranka.Gripper(self.address), self.spec)
            self._fingers = GripperThread(hand, self.spec.name)

    def _measure(self) -> tuple[Array, Array, float]:
        # a copy of the last state the control loop saw; without a loop the arm is asked
        state = self._panda.get_state()
        age = self._freshness.age(state.time.to_sec(), self.clock())
        return np.array(state.q), np.array(state.dq), age

    def _trouble(self) -> str | None:
        try:
            self._panda.raise_error()  # of a loop that has ended; told once, which is why faults are kept
        except RuntimeError as error:
            return str(error)
        state = self._panda.get_state()
        if state.current_errors:
            return f"errors {state.current_errors}"
        mode = int(state.robot_mode)
        if mode not in (AT_HAND if self._controller is None else (IDLE, MOVE)):
            return f"robot mode {mode}, {MODES.get(mode, 'unknown')}"
        return None

    def _enable(self) -> None:
        state = self._panda.get_state()
        mode = int(state.robot_mode)
        if mode != IDLE or state.current_errors:
            raise DriverError(
                f"{self.spec.name}: Franka arm in robot mode {mode}, {MODES.get(mode, 'unknown')}, errors "
                f"{state.current_errors}; it must be idle: unlock, activate the research interface in Desk"
            )
        robot = self._panda.get_robot()
        torques, forces = [self.collision_torque] * 7, [self.collision_force] * 6
        robot.set_collision_behavior(torques, torques, forces, forces)
        if self.payload_kg is not None:
            inertia = [0.0] * 9  # of a small load about its own centre: left out
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
        line = f"JointPosition.set_control({np.round(command.q_target, 4).tolist()}, velocity)"
        if self.gripper == "franka":
            line += f"; hand towards {command.gripper * self.spec.gripper_width:.3f} m"
        return line


class _FrankaHand:
    """The Franka hand. Raises what libfranka raises, and DriverError before it was homed.

    panda-py's `read_once` waits for a report with the interpreter's lock held, which would stall the
    set-points: the hand is looked at after it has moved, and seldom else.
    """

    def __init__(self, gripper: Any, spec: ArmSpec) -> None:
        self._gripper, self._spec = gripper, spec
        self._closing = False
        self._opening, self._looked = 1.0, -np.inf
        stroke = gripper.read_once().max_width
        if not abs(stroke - spec.gripper_width) <= WIDTH_ROUNDING:
            raise DriverError(
                f"{spec.name}: the hand's stroke is {stroke:.3f} m, the spec's {spec.gripper_width}; home it "
                "in Desk, which moves the fingers, or correct the spec"
            )

    def measure(self) -> float:
        if (now := time.monotonic()) - self._looked >= LOOK_EVERY:
            self._looked = now
            self._opening = float(self._gripper.read_once().width) / self._spec.gripper_width
        return self._opening

    def move(self, opening: float) -> None:
        spec = self._spec
        self._looked = -np.inf
        if opening < self._opening - CLOSE_ENOUGH:
            if not self._closing:  # one grasp, with force, whatever is between the fingers
                any_width = spec.gripper_width
                self._gripper.grasp(0.0, spec.gripper_speed, spec.gripper_force, any_width, any_width)
            self._closing = True
        elif opening > self._opening + CLOSE_ENOUGH:
            self._gripper.move(opening * spec.gripper_width, spec.gripper_speed)
            self._closing = False
