"""LeRobotDriver: any robot of LeRobot's plug-in interface, flat dicts of `joint.pos` floats."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from robots.drivers.vendor import VendorDriver, sdk
from robots.errors import DriverError
from robots.gripper import GripperScale
from robots.joints import numbers
from robots.spec import ArmSpec
from robots.types import Array, CameraFrame, JointCommand

ROUNDING = np.radians(0.5)  # [rad] by which a robot may change a target
GRIPPER_ROUNDING = 0.02  # share of the stroke by which a robot may change the gripper


class LeRobotRobot(Protocol):
    """The part of LeRobot's `Robot` that is used (lerobot/robots/robot.py, 0.4.4)."""

    @property
    def observation_features(self) -> dict[str, Any]:
        """See LeRobot's `Robot.observation_features`."""

    @property
    def action_features(self) -> dict[str, Any]:
        """See LeRobot's `Robot.action_features`."""

    @property
    def is_connected(self) -> bool:
        """See LeRobot's `Robot.is_connected`."""

    @property
    def is_calibrated(self) -> bool:
        """See LeRobot's `Robot.is_calibrated`."""

    def connect(self, calibrate: bool = True) -> None:
        """See LeRobot's `Robot.connect`."""

    def get_observation(self) -> dict[str, Any]:
        """See LeRobot's `Robot.get_observation`."""

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        """See LeRobot's `Robot.send_action`."""

    def disconnect(self) -> None:
        """See LeRobot's `Robot.disconnect`."""


class LeRobotDriver(VendorDriver):
    """A robot of LeRobot, made here from its type's name or given as an object.

    LeRobot's pins (torch, huggingface-hub, ...) exclude those of our training stack, but not of `robots`,
    which needs numpy, pyzmq, msgspec, ruckig and pyyaml. So this driver and the bridge server run in
    LeRobot's environment on the computer next to the arm, and the bridge is the process boundary.

    Args:
        spec: limits and kinematics.
        address: the port of the arm's bus, passed to the robot's config as `port`.
        robot: a ready object; `robot_type`, `address` and `settings` are then unused.
        robot_type: one of LeRobot's types, such as "so101_follower".
        settings: further fields of that type's config.
        joints: names in the dicts, without `.pos`, in the order of the spec; None = the spec's own.
        degrees: whether `.pos` are degrees (`use_degrees=True`), else radians. LeRobot's default of -100 to
            100 depends on each arm's calibration, so postures out of limits are not detected.
        signs, zeros: (n_joints,) so that `.pos = signs * q + zeros`, zeros in the dict's unit.
        gripper: name of the gripper's entry without `.pos`, "" for none.
        gripper_range: `.pos` when closed and when open.
        cameras: (3, 3) intrinsics [px] and (4, 4) base_from_camera of each camera to serve.
        servo_hz: actions a second; a bus of hobby servos reaches 50 to 200.
        clock: monotonic time in [s].

    Raises:
        DriverError: `joints`, `signs`, `zeros` or `gripper_range` do not match the spec, or are not numbers.
    """

    vendor = "LeRobot"

    def __init__(
        self,
        spec: ArmSpec,
        address: str = "",
        *,
        robot: LeRobotRobot | None = None,
        robot_type: str = "so101_follower",
        settings: Mapping[str, Any] | None = None,
        joints: Sequence[str] | None = None,
        degrees: bool = True,
        signs: Sequence[float] | None = None,
        zeros: Sequence[float] | None = None,
        gripper: str = "gripper",
        gripper_range: tuple[float, float] = (0.0, 100.0),
        cameras: Mapping[str, tuple[Array, Array]] | None = None,
        servo_hz: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(spec, servo_hz=servo_hz, clock=clock)
        n = spec.n_joints
        self.address, self.robot_type, self.settings = address, robot_type, dict(settings or {})
        self.keys = [f"{name}.pos" for name in (spec.joint_names if joints is None else joints)]
        self.signs = np.ones(n) if signs is None else np.array(signs, dtype=np.float64)
        self.zeros = np.zeros(n) if zeros is None else np.array(zeros, dtype=np.float64)
        lengths = {len(self.keys), len(set(self.keys)), *self.signs.shape, *self.zeros.shape}
        if not (lengths == {n} and (abs(self.signs) == 1).all() and np.isfinite(self.zeros).all()):
            raise DriverError(
                f"{spec.name}: joints, signs and zeros need {n} entries each: different names, 1 or -1, and "
                "finite numbers"
            )
        self.degrees = degrees
        self.scale = 180.0 / np.pi if degrees else 1.0
        self.gripper = f"{gripper}.pos" if gripper else ""
        try:
            closed, opened = gripper_range
            self.range = GripperScale(float(closed), float(opened))
        except (TypeError, ValueError) as error:
            raise DriverError(f"{spec.name}: gripper_range={gripper_range!r}: {error}") from error
        self.cameras = dict(cameras or {})
        self.camera_names = tuple(self.cameras)
        self._given = robot
        self._robot: Any = None
        self._lock = threading.Lock()  # one bus, two threads
        self._observed: dict[str, Any] = {}
        self._before: tuple[float, Array] | None = None

    def _open(self) -> None:
        robot: LeRobotRobot = self._given if self._given is not None else self._build()
        wanted = {*self.keys, *filter(None, [self.gripper])}
        taken = {key for key in robot.action_features if key.endswith(".pos")}
        if taken != wanted or not wanted <= set(robot.observation_features):
            raise DriverError(
                f"{self.spec.name}: the robot takes {sorted(taken)}, the spec has {sorted(wanted)}; "
                "set `joints` and `gripper`, or choose its own robot="
            )
        if missing := set(self.camera_names) - set(robot.observation_features):
            raise DriverError(f"{self.spec.name}: the robot has no cameras {sorted(missing)}")
        if self.degrees and getattr(getattr(robot, "config", None), "use_degrees", None) is False:
            raise DriverError(
                f"{self.spec.name}: the robot reports -100 to 100, not degrees; make it with use_degrees=True"
            )
        self._robot = robot
        robot.connect(calibrate=False)  # calibration is interactive: run it with LeRobot's own tool
        if not robot.is_calibrated:
            raise DriverError(f"{self.spec.name}: not calibrated; run lerobot-calibrate for it first")
        self._before = None

    def _build(self) -> LeRobotRobot:
        robots = sdk("lerobot.robots", "lerobot", "lerobot")
        try:  # a type is registered when its module is imported
            sdk(f"lerobot.robots.{self.robot_type}", "lerobot", "lerobot")
        except DriverError:
            sdk("lerobot.robots.so_follower", "lerobot", "lerobot")
        config = robots.RobotConfig.get_choice_class(self.robot_type)
        return robots.make_robot_from_config(config(port=self.address, **self.settings))

    def _measure(self) -> tuple[Array, Array, float]:
        asked = self.clock()
        with self._lock:
            self._observed = self._robot.get_observation()
        position = np.array([self._entry(self._observed, key) for key in self.keys])
        q = self.signs * (position - self.zeros) / self.scale
        before, self._before = self._before, (asked, q)
        if before is None or asked <= before[0]:
            dq = np.zeros(self.spec.n_joints)
        else:
            dq = (q - before[1]) / (asked - before[0])  # the interface has no joint speeds
        return q, dq, self.clock() - asked

    def _opening(self) -> float:
        if not self.gripper:
            return self._gripper
        value = self._entry(self._observed, self.gripper)
        return self.range.opening(value, f"{self.spec.name}: {self.gripper}", DriverError)

    def _entry(self, entries: Mapping[str, Any], key: str) -> float:
        """The number `key` of an observation or an action. Raises DriverError, naming it."""
        if key not in entries:
            raise DriverError(f"{self.spec.name}: the robot's answer lacks {key}; it has {sorted(entries)}")
        value = numbers(entries[key], f"{self.spec.name}: {key}", DriverError)
        if value.size != 1:
            raise DriverError(f"{self.spec.name}: {key} has shape {value.shape}, expected one number")
        return float(value.reshape(()))

    def _trouble(self) -> str | None:
        return None if self._robot.is_connected else "no longer connected"  # the interface reports no faults

    def _enable(self) -> None:
        self._gripper = self._opening()

    def _action(self, q: Array, opening: float) -> dict[str, float]:
        action = dict(zip(self.keys, (self.signs * q * self.scale + self.zeros).tolist(), strict=True))
        if self.gripper:
            action[self.gripper] = self.range.value(opening)
        return action

    def _write(self, q: Array, dq: Array) -> None:
        action = self._action(q, self._gripper)
        with self._lock:
            sent = self._robot.send_action(action)
        stroke = abs(self.range.opened - self.range.closed)
        for key, wanted in action.items():
            was = self._entry(sent, key)
            allowed = GRIPPER_ROUNDING * stroke if key == self.gripper else ROUNDING * self.scale
            if not abs(was - wanted) <= allowed:
                raise DriverError(
                    f"{self.spec.name}: {key}: the robot changed {wanted:.2f} to {was:.2f}; "
                    "the gate limits motions: unset max_relative_target"
                )

    def _halt(self) -> None:
        """The interface has no stop: the measured posture becomes the target."""
        q, _, _ = self._measure()
        try:
            opening = self._opening()
        except DriverError:  # a gripper that cannot be read is no reason not to stop the arm
            opening = self._gripper
        with self._lock:
            self._robot.send_action(self._action(q, opening))

    def _release(self) -> None:
        robot, self._robot = self._robot, None
        if robot is not None and robot.is_connected:
            robot.disconnect()

    def picture(self, camera: str) -> CameraFrame:
        """The image read with the newest state. Raises DriverError for a camera without calibration."""
        if camera not in self.cameras:
            return super().picture(camera)
        self.read()
        intrinsics, base_from_camera = self.cameras[camera]
        return CameraFrame(
            np.array(self._observed[camera], dtype=np.uint8), None, intrinsics, base_from_camera
        )

    def describe(self, command: JointCommand) -> str:
        """The call that `command` becomes, for dry runs."""
        action = self._action(command.q_target, command.gripper)
        return f"send_action({ {key: round(value, 3) for key, value in action.items()} })"
