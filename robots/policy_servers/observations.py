"""Decodes the flat dict of a request into an `Observation`; errors name the entry and what it should hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robots.gripper import one_is
from robots.joints import checked, numbers
from robots.motion.kinematics import fk
from robots.policy_servers.errors import FieldMissing, FieldRefused
from robots.policy_servers.keys import Keys
from robots.spec import ArmSpec
from robots.text import text_problem
from robots.types import Array, CameraFrame, Observation, RobotState

SIDES = (16, 2160)  # [px] of an image
MAX_PROMPT = 1000
RIGID = 1e-3  # largest entry of |R R^T - 1|


@dataclass(frozen=True)
class Calibration:
    """Of a fixed camera, for requests without these entries; None = every request must have the entry.

    Attributes:
        intrinsics: (3, 3) in [px], for the images as they are sent.
        base_from_camera: (4, 4) rigid transform.
    """

    intrinsics: Array | None = None
    base_from_camera: Array | None = None


class ObservationReader:
    """Decodes requests for one arm and one camera.

    Args:
        spec: joints and kinematics of the arm.
        camera: the policy's name for its camera.
        keys: names of the entries in a request.
        calibration: used where a request has none.
        one_is_closed: whether a gripper value of 1 means closed, as in DROID. In `RobotState` 1 means open.

    Raises:
        FieldRefused: a malformed calibration.
    """

    def __init__(
        self,
        spec: ArmSpec,
        camera: str,
        keys: Keys,
        calibration: Calibration | None = None,
        one_is_closed: bool = True,
    ) -> None:
        self.spec, self.camera, self.keys, self.one_is_closed = spec, camera, keys, one_is_closed
        self.gripper = one_is(one_is_closed)
        self.calibration = calibration or Calibration()
        for name in ("intrinsics", "base_from_camera"):
            if (value := getattr(self.calibration, name)) is not None:
                _CHECKS[name](f"calibration {name}", value)

    def prompt(self, flat: Mapping[str, object]) -> str:
        """The step's text, in lower case, with single blanks, without a final full stop or exclamation mark.

        Raises FieldMissing, FieldRefused.
        """
        text = self._entry(flat, self.keys.prompt, "text of one step")
        if not isinstance(text, str):
            raise FieldRefused(f"{self.keys.prompt}: {_shown(text)}, expected text of one step")
        if problem := text_problem(text):
            raise FieldRefused(f"{self.keys.prompt}: {problem}")
        words = " ".join(text.lower().split()).rstrip(".! ")
        if not (words and len(text) <= MAX_PROMPT):
            raise FieldRefused(
                f"{self.keys.prompt}: {len(text)} characters, expected 1 to {MAX_PROMPT} that name a step"
            )
        return words

    def state(self, flat: Mapping[str, object]) -> RobotState:
        """Joints and gripper; joint speeds are 0 where a request has none. Raises as `read`."""
        n, keys = self.spec.n_joints, self.keys
        given = self._entry(flat, keys.joints, f"({n},) joint positions in [rad]")
        q = checked(self.spec, given, keys.joints, FieldRefused)
        dq = np.zeros(n)
        if keys.joint_speed in flat:
            dq = _numbers(keys.joint_speed, flat[keys.joint_speed], (n,))
        value = numbers(self._entry(flat, keys.gripper, "the gripper in [0, 1]"), keys.gripper, FieldRefused)
        if value.size != 1:
            raise FieldRefused(f"{keys.gripper}: shape {value.shape}, expected one number")
        opening = self.gripper.opening(float(value.reshape(())), keys.gripper, FieldRefused)
        return RobotState(q, dq, opening, fk(self.spec, q))

    def read(self, flat: Mapping[str, object], cameras: tuple[str, ...]) -> Observation:
        """State and, where `cameras` names the camera, the image with depth and calibration.

        Raises:
            FieldMissing: names every missing entry and what it should hold.
            FieldRefused: an entry is malformed.
        """
        if others := [name for name in cameras if name != self.camera]:
            raise FieldMissing(f"the policy needs cameras {others}; requests carry {self.camera!r} only")
        frame = {self.camera: self._frame(flat)} if cameras else {}
        return Observation(frame, self.state(flat), 0.0)

    def _frame(self, flat: Mapping[str, object]) -> CameraFrame:
        keys, fixed = self.keys, self.calibration
        k = flat.get(keys.intrinsics, fixed.intrinsics)
        pose = flat.get(keys.base_from_camera, fixed.base_from_camera)
        wanted = {
            keys.image: (flat.get(keys.image), "uint8 (H, W, 3)"),
            keys.depth: (flat.get(keys.depth), "float32 (H, W) in [m], or uint16 in [mm]"),
            keys.intrinsics: (k, "(3, 3) in [px], or give the server a calibration"),
            keys.base_from_camera: (pose, "(4, 4), or give the server a calibration"),
        }
        if missing := [f"{key}: {what}" for key, (value, what) in wanted.items() if value is None]:
            raise FieldMissing(
                f"{len(missing)} entries are missing that a policy on calibrated RGB-D needs: "
                + "; ".join(missing)
            )
        rgb = _image(keys.image, flat[keys.image])
        depth = _depth(keys.depth, flat[keys.depth], rgb.shape[:2])
        return CameraFrame(rgb, depth, _intrinsics(keys.intrinsics, k), _rigid(keys.base_from_camera, pose))

    @staticmethod
    def _entry(flat: Mapping[str, object], key: str, what: str) -> object:
        if key not in flat:
            raise FieldMissing(f"{key} is missing: {what}")
        return flat[key]


def _numbers(key: str, value: object, shape: tuple[int, ...]) -> Array:
    array = numbers(value, key, FieldRefused)
    if array.shape != shape:
        raise FieldRefused(f"{key}: shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise FieldRefused(f"{key}: not finite at {np.argwhere(~np.isfinite(array))[0].tolist()}")
    return array


def _image(key: str, value: object) -> NDArray[np.uint8]:
    low, high = SIDES
    if not (
        isinstance(value, np.ndarray)
        and value.dtype == np.uint8
        and value.ndim == 3
        and value.shape[2] == 3
        and all(low <= n <= high for n in value.shape[:2])
    ):
        raise FieldRefused(f"{key}: {_shown(value)}, expected uint8 (H, W, 3) with sides of {low} to {high}")
    return value


def _depth(key: str, value: object, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if not (
        isinstance(value, np.ndarray)
        and (value.dtype.kind == "f" or value.dtype == np.uint16)
        and value.shape == shape
    ):
        raise FieldRefused(f"{key}: {_shown(value)}, expected float32 or uint16 {shape}, as the image")
    depth = value.astype(np.float32) / (1000.0 if value.dtype == np.uint16 else 1.0)
    if not (np.isfinite(depth) & (depth >= 0)).all():
        raise FieldRefused(f"{key}: depth must be finite and >= 0 everywhere; fill holes before sending it")
    return depth


def _intrinsics(key: str, value: object) -> Array:
    k = _numbers(key, value, (3, 3))
    if not (k[0, 0] > 0 and k[1, 1] > 0 and np.array_equal(k[2], [0.0, 0.0, 1.0])):
        raise FieldRefused(f"{key}: expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in [px]")
    return k


def _rigid(key: str, value: object) -> Array:
    pose = _numbers(key, value, (4, 4))
    r = pose[:3, :3]
    rigid = (np.abs(r @ r.T - np.eye(3)) < RIGID).all() and np.linalg.det(r) > 0
    if not (rigid and np.array_equal(pose[3], [0.0, 0.0, 0.0, 1.0])):
        raise FieldRefused(f"{key}: not a rigid transform (a rotation, a translation in [m], 0 0 0 1)")
    return pose


def _shown(value: object) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


_CHECKS = {"intrinsics": _intrinsics, "base_from_camera": _rigid}
