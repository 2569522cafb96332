"""VendorDriver: the common part of the drivers of real arms; a vendor's file implements the hooks."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TypeVar

import numpy as np

from robots import joints
from robots.drivers.gripper_thread import GripperThread
from robots.drivers.servo import ServoLoop
from robots.errors import DriverError
from robots.motion.kinematics import fk
from robots.spec import ArmSpec
from robots.types import Array, CameraFrame, JointCommand, RobotState

T = TypeVar("T")


def sdk(module: str, extra: str, package: str) -> ModuleType:
    """Imports a vendor's module on first use. Raises DriverError, naming what to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DriverError(
            f"{module} is missing: {error}; install the extra: pip install 'palme-stack[{extra}]' "
            f"(which brings {package})"
        ) from error


def gated(spec: ArmSpec, command: JointCommand) -> Array:
    """The target of `command`, (n_joints,) in [rad]: the last check before an arm.

    Raises:
        DriverError: the target or the opening is not within the limits, so no gate has made it.
    """
    target = f"target of command seq {command.seq}"
    q = joints.checked(spec, command.q_target, target, DriverError, tolerance=0.0)
    if not 0.0 <= command.gripper <= 1.0:  # False for NaN as well
        raise DriverError(f"{spec.name}: {target}: gripper {command.gripper} is not an opening in [0, 1]")
    return q


class VendorDriver:
    """One arm behind a vendor's SDK; see `robots.drivers.base.Driver` for the contract.

    States and faults are read in the caller's thread. Set-points are written at `servo_hz` from a thread that
    starts with `enable`, or else with the first `send`. A vendor's fault persists: every `read` and `send`
    raises until `close` and `connect`, and no driver clears it on the arm.

    Args:
        spec: limits and kinematics; an arm that reports narrower ones is refused.
        servo_hz: set-points a second.
        clock: monotonic time in [s], by which ages are measured.

    Attributes:
        vendor: name of the vendor, for messages.
        camera_names: names that `picture` accepts.
    """

    vendor = "vendor"

    def __init__(
        self, spec: ArmSpec, *, servo_hz: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.spec = spec
        self.camera_names: Sequence[str] = ()
        self.servo_hz = servo_hz
        self.clock = clock
        self._connected = False
        self._fault: DriverError | None = None
        self._loop: ServoLoop | None = None
        self._gripper_thread: GripperThread | None = None
        self._gripper = 1.0  # last commanded opening, for grippers that measure none

    # -- hooks of a vendor's file ---------------------------------------------------------------

    def _open(self) -> None:
        """Connect; nothing moves. Raises DriverError, also for an arm with other joints or limits."""
        raise NotImplementedError

    def _measure(self) -> tuple[Array, Array, float]:
        """(n_joints,) in [rad], (n_joints,) in [rad/s], and their age in [s]."""
        raise NotImplementedError

    def _trouble(self) -> str | None:
        """The vendor's code and text when the arm has stopped itself, else None."""
        raise NotImplementedError

    def _enable(self) -> None:
        """Prepare the arm for set-points. It has no fault."""
        raise NotImplementedError

    def _write(self, q: Array, dq: Array) -> None:
        """One set-point, from the servo thread."""
        raise NotImplementedError

    def _halt(self) -> None:
        """The vendor's controlled stop; set-points have ended."""
        raise NotImplementedError

    def _release(self) -> None:
        """Close the connection; called at rest, also after an `_open` that failed half way."""
        raise NotImplementedError

    def _opening(self) -> float:
        """Measured opening in [0, 1]; the commanded one where there is nothing to measure."""
        return self._gripper if self._gripper_thread is None else self._gripper_thread.opening()

    def describe(self, command: JointCommand) -> str:
        """What would be sent for `command`, in the vendor's words and units."""
        raise NotImplementedError

    # -- Driver ---------------------------------------------------------------------------------

    def connect(self) -> None:
        """Reach the arm, check it against the spec, read it once; nothing moves. See `Driver.connect`."""
        if self._connected:
            return
        self._fault = None
        try:
            self._open()
            self._connected = True
            self._check_pose(self.read().q)
        except DriverError:
            self._drop()
            raise
        except Exception as error:  # SDKs raise RuntimeError, OSError and bare Exception alike
            self._drop()
            address = getattr(self, "address", "")
            at = f" at backend.address={address}" if address else ""
            raise DriverError(
                f"{self.spec.name}: {self.vendor} arm not reached{at}: {type(error).__name__}: {error}; "
                "check its address, cable and power"
            ) from error

    def read(self) -> RobotState:
        """The measured state. Raises DriverError if it is older than one tick or the arm has a fault."""
        self._check_alive()
        q, dq, age = self._call(self._measure)
        if not age <= self.spec.dt:
            raise DriverError(
                f"{self.spec.name}: state is {age * 1000:.0f} ms old, limit {self.spec.dt * 1000:.0f} (one "
                "control tick); the arm is silent: check cable, power and controller"
            )
        n = self.spec.n_joints
        if not (q.shape == dq.shape == (n,) and np.isfinite(q).all() and np.isfinite(dq).all()):
            raise DriverError(f"{self.spec.name}: read {q} and {dq}, not {n} finite joints and speeds")
        # An arm at rest may be guided out of its limits by hand; `enable` checks where it stands.
        if self._loop is not None and (outside := joints.outside(self.spec, q, "measured", joints.DRIVEN)):
            raise DriverError(f"{outside}; stop it, and find out why")
        return RobotState(q, dq, self._opening(), fk(self.spec, q))

    @property
    def enabled(self) -> bool:
        """See `Enabled`."""
        return self._loop is not None

    def enable(self) -> None:
        """Set motors, mode and payload, then hold the measured posture. Nothing moves.

        Takes some tenths of a second, seconds for a slow controller.

        Raises:
            DriverError: the arm is outside its limits, has a fault, or refuses.
        """
        self._check_alive()
        if self._loop is None:
            measured = self.read().q
            self._check_pose(measured)  # it may have been moved by hand since `connect`
            self._call(self._enable)
            loop = ServoLoop(self.spec, self.servo_hz, self._write, self._halt)
            loop.start(measured)
            self._loop = loop

    def send(self, command: JointCommand) -> None:
        """Send one gated target; the first one calls `enable` where that was not done. See `Driver.send`."""
        self._check_alive()
        q = gated(self.spec, command)
        if self._loop is None:
            self.enable()
        assert self._loop is not None
        self._loop.put(q)
        self._gripper = float(command.gripper)
        if self._gripper_thread is not None:
            self._gripper_thread.set_target(self._gripper)

    def picture(self, camera: str) -> CameraFrame:
        """Raises DriverError: these arms have no cameras of their own."""
        raise DriverError(f"{self.spec.name}: no camera {camera!r}; there are {list(self.camera_names)}")

    def stop(self) -> None:
        """The vendor's own stop, at once. The arm must be enabled again before it moves."""
        if not self._connected:
            return
        self._end_loop()
        self._call(self._halt)

    def close(self) -> None:
        """Wait for a motion to end, then disconnect. Idempotent."""
        if self._connected and self._loop is not None:
            self._loop.settle(timeout=3.0)
        self._drop()

    # -- the rest -------------------------------------------------------------------------------

    def _drop(self) -> None:
        moved = self._loop is not None
        self._end_loop()
        if self._gripper_thread is not None:
            self._gripper_thread.halt()
            self._gripper_thread = None
        was, self._connected = self._connected, False
        try:
            if moved and was:
                self._halt()
        finally:
            self._release()

    def _end_loop(self) -> None:
        if self._loop is not None:
            self._loop.halt()
            self._loop = None

    def _check_alive(self) -> None:
        if not self._connected:
            raise DriverError(f"{self.spec.name}: not connected; call `connect` first")
        if self._fault is None:
            refused = None if self._loop is None else self._loop.error
            if (trouble := self._call(self._trouble)) is not None:
                cause = trouble if refused is None else f"{trouble} ({refused})"
                self._fault = DriverError(
                    f"{self.spec.name}: {self.vendor} arm stopped itself: {cause}; find the cause, clear it "
                    "at the arm, then close and connect again"
                )
            else:
                self._fault = refused
        if self._fault is not None:
            self._end_loop()
            raise self._fault

    def _call(self, function: Callable[[], T]) -> T:
        """`function()`; any exception of the SDK becomes a DriverError."""
        try:
            return function()
        except DriverError:
            raise
        except Exception as error:  # SDKs raise RuntimeError, OSError and bare Exception alike
            raise DriverError(f"{self.spec.name}: {self.vendor}: {type(error).__name__}: {error}") from error

    def _check_pose(self, q: Array) -> None:
        if outside := self.spec.outside(q):
            raise DriverError(f"{outside}; another arm, another zero, or move it inside by hand")

    def _check_limits(self, low: Array, high: Array) -> None:
        """Raises DriverError where the spec allows a joint more than the arm reports, [rad]."""
        spec = self.spec
        if not len(low) == len(high) == spec.n_joints:
            raise DriverError(
                f"the arm has {len(low)} joints, {spec.name} has {spec.n_joints}; choose its own robot="
            )
        if text := joints.wider(spec, low, high):
            raise DriverError(f"{text}; another arm, or narrow the spec")
