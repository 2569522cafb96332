"""ArmSpec: names, limits, kinematic chain and hand of an arm, read from configs/robot/*.yaml."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from robots import joints
from robots.errors import SpecError, UnknownRobot
from robots.safety.capsules import Capsules
from robots.types import Array

CONFIG_DIR = Path(__file__).resolve().parent.parent / "configs" / "robot"
JOINT_LIMITS = ("q_min", "q_max", "dq_max", "ddq_max", "jerk_max", "tau_max", "q_home")
POSITIVE = ("dq_max", "ddq_max", "jerk_max", "tau_max")
SCALARS = (
    "control_hz", "first_command_tolerance", "following_error", "following_time", "following_lag",
    "table_margin", "self_margin",
)  # fmt: skip
GRIPPER_SCALARS = (
    "gripper_width", "gripper_speed", "gripper_force", "finger_width", "finger_thickness", "finger_reach",
)  # fmt: skip
GRIPPER = (*GRIPPER_SCALARS, "finger_joints", "hand_link", "finger_capsules")  # all of them, or no hand
CHAIN = ("mdh", "joint_origins")
# Of an arm whose description does not say: figures and their source are in docs/results.md.
DEFAULTS = {"following_error": 0.15, "following_time": 0.25, "following_lag": 0.15}
OPTIONAL = (*GRIPPER, *CHAIN, *DEFAULTS, "urdf", "never_meet")


@dataclass(frozen=True, eq=False)
class ArmSpec:
    """One arm, with or without a hand. Arrays are read-only.

    Attributes:
        joint_names: (n_joints,) of the actuated arm joints, base to tip.
        q_min, q_max, dq_max, ddq_max, jerk_max: (n_joints,) in [rad], [rad/s], [rad/s2], [rad/s3].
        tau_max: (n_joints,) in [Nm].
        q_home: (n_joints,) in [rad], a safe posture with the tool over the workspace.
        joint_origins: (n_joints, 4, 4) pose of each joint frame in the one before it at q = 0;
            every joint then turns about its own z.
        tool: (4, 4) the `ee` frame in the frame of the last joint.
        gripper_width: [m] between the pads at opening 1; this and the next seven are 0 or () without a hand.
        gripper_speed: [m/s] pads relative to one another.
        gripper_force: [N] a finger pushes with.
        finger_width, finger_thickness: [m] footprint of a finger tip, across and along closing.
        finger_reach: [m] of the finger tips beyond the `ee` frame.
        control_hz: commands a second.
        first_command_tolerance: [rad] largest distance of a session's first target from the measured joints.
        following_error: [rad] largest distance of a measured joint from where it was sent.
        following_time: [s] for which it may be larger before the arm is stopped.
        following_lag: [s] by which an arm in motion may lag behind; see `robots.safety.following`.
        workspace_min, workspace_max: (3,) in [m], box the tool may move in, base frame.
        table_z: [m] height of the table in the base frame.
        table_margin: [m] smallest height above the table of every part of the arm but its first link.
        self_margin: [m] smallest distance between capsules of links that are not neighbours.
        capsules, finger_capsules: bodies of links and hand, and of the fingers at any opening.
        never_meet: (link, link) pairs, the lower first, that are not checked for self-collision.
        urdf: path below pybullet_data of the simulated arm's URDF (sim/world/urdf.py); "" = none there.
        finger_joints, hand_link: names of the simulated hand's two joints and its link.
    """

    name: str
    joint_names: tuple[str, ...]
    q_min: Array
    q_max: Array
    dq_max: Array
    ddq_max: Array
    jerk_max: Array
    tau_max: Array
    q_home: Array
    joint_origins: Array
    tool: Array
    gripper_width: float
    gripper_speed: float
    gripper_force: float
    finger_width: float
    finger_thickness: float
    finger_reach: float
    control_hz: float
    first_command_tolerance: float
    following_error: float
    following_time: float
    following_lag: float
    workspace_min: Array
    workspace_max: Array
    table_z: float
    table_margin: float
    self_margin: float
    capsules: Capsules
    finger_capsules: Capsules
    never_meet: frozenset[tuple[int, int]]
    urdf: str
    finger_joints: tuple[str, ...]
    hand_link: str

    def __post_init__(self) -> None:
        """Raises SpecError, also for a description received from another computer."""
        _check_limits(self)
        for key in (*SCALARS, *(GRIPPER_SCALARS if self.has_gripper else ())):
            if not getattr(self, key) > 0:
                raise SpecError(f"{key}: {getattr(self, key)} must be > 0")
        if not (self.workspace_min < self.workspace_max).all():
            raise SpecError("workspace_min must lie below workspace_max on every axis")

    @property
    def n_joints(self) -> int:
        """Number of actuated arm joints."""
        return len(self.joint_names)

    @property
    def has_gripper(self) -> bool:
        """Whether the arm has a hand."""
        return self.gripper_width > 0

    @property
    def dt(self) -> float:
        """Control period in [s]."""
        return 1.0 / self.control_hz

    def outside(self, q: Array) -> str:
        """Says which joint of measured `q` (n_joints,) in [rad] is outside its limits; "" = none is."""
        return joints.outside(self, q)

    @staticmethod
    def available() -> list[str]:
        """Names that `load` accepts."""
        return sorted(p.stem for p in CONFIG_DIR.glob("*.yaml"))

    @classmethod
    def load(cls, name: str) -> ArmSpec:
        """The arm `name`. Raises UnknownRobot, which names the closest match, or SpecError."""
        if name not in (known := cls.available()):
            raise UnknownRobot(f"no robot {name!r}; available: {known}{_nearest(name, known)}")
        return cls.from_dict(yaml.safe_load((CONFIG_DIR / f"{name}.yaml").read_text(encoding="utf-8")))

    @classmethod
    def from_dict(cls, raw: Any) -> ArmSpec:
        """Validate a description read from YAML. Raises SpecError, which names the entry."""
        if not isinstance(raw, dict):
            raise SpecError(f"a robot description is a mapping of names to values, not {type(raw).__name__}")
        derived = {"joint_origins", "tool"}
        known = [f.name for f in fields(cls) if f.name not in derived]
        known += [*CHAIN, "tool_xyz", "tool_rpy"]
        for key in raw:
            if key not in known:
                raise SpecError(f"unknown entry {key!r}{_nearest(str(key), known)}; known: {sorted(known)}")
        chain = [key for key in CHAIN if key in raw]
        if len(chain) != 1:
            raise SpecError(
                "give the chain once: `mdh` rows [a, d, alpha] or `joint_origins` rows [xyz, rpy]"
            )
        needed = [k for k in known if k not in OPTIONAL]
        if any(k in raw for k in GRIPPER):  # all entries of a hand, or none
            needed += GRIPPER
        if missing := [k for k in needed if k not in raw]:
            raise SpecError(f"missing entries {missing}")
        names = tuple(str(n) for n in raw["joint_names"])
        n = len(names)
        values: dict[str, Any] = {k: str(raw.get(k, "")) for k in ("name", "urdf", "hand_link")}
        values["joint_names"] = names
        values["finger_joints"] = tuple(str(j) for j in raw.get("finger_joints", ()))
        for key in JOINT_LIMITS:
            values[key] = _numbers(key, raw[key], (n,))
        for key in (*SCALARS, *(GRIPPER_SCALARS if "gripper_width" in raw else ())):
            values[key] = float(_numbers(key, raw.get(key, DEFAULTS.get(key)), ()))
        if "gripper_width" in raw and not values["gripper_width"] > 0:
            raise SpecError(f"gripper_width: {values['gripper_width']} must be > 0")
        values = dict.fromkeys(GRIPPER_SCALARS, 0.0) | values
        values["table_z"] = float(_numbers("table_z", raw["table_z"], ()))
        for key in ("workspace_min", "workspace_max"):
            values[key] = _numbers(key, raw[key], (3,))
        rows = _numbers(chain[0], raw[chain[0]], (n, 3 if chain == ["mdh"] else 6))
        origins = [_from_mdh(*row) if chain == ["mdh"] else rigid(row[:3], row[3:]) for row in rows]
        values["joint_origins"] = np.stack(origins)
        xyz, rpy = _numbers("tool_xyz", raw["tool_xyz"], (3,)), _numbers("tool_rpy", raw["tool_rpy"], (3,))
        values["tool"] = rigid(xyz, rpy)
        values["capsules"] = _capsules("capsules", raw["capsules"], n + 1)
        fingers = [[n + 1, *row] for row in raw.get("finger_capsules", ())]
        values["finger_capsules"] = _capsules("finger_capsules", fingers, n + 1)
        pairs = _numbers("never_meet", raw["never_meet"], (None, 2)) if raw.get("never_meet") else ()
        values["never_meet"] = frozenset((int(a), int(b)) for a, b in pairs)
        for value in values.values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
        return cls(**values)


def _check_limits(spec: ArmSpec) -> None:
    """Raises SpecError where the limits of the joints are not a range each, in [rad] and [rad/s]."""
    for key in JOINT_LIMITS:
        if (shape := getattr(spec, key).shape) != (spec.n_joints,):
            raise SpecError(f"{key}: shape {shape}, expected ({spec.n_joints},)")
    if text := joints.units_of_limits(spec, spec.dq_max):
        raise SpecError(text)
    for key in POSITIVE:
        if not (getattr(spec, key) > 0).all():
            raise SpecError(f"{key}: {getattr(spec, key)} must be > 0 for every joint")
    if not (spec.q_min < spec.q_max).all():
        raise SpecError("q_min must lie below q_max for every joint")
    if text := joints.outside(spec, spec.q_home, "q_home", 0.0):
        raise SpecError(f"q_home must lie within q_min and q_max: {text}")


def rigid(xyz: Array, rpy: Array) -> Array:
    """(4, 4) from a translation [m] and fixed-axis roll, pitch, yaw [rad] (URDF's order)."""
    (sr, sp, sy), (cr, cp, cy) = np.sin(rpy), np.cos(rpy)
    return np.array([
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr, xyz[0]],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr, xyz[1]],
        [-sp, cp * sr, cp * cr, xyz[2]],
        [0.0, 0.0, 0.0, 1.0],
    ])  # fmt: skip


def _from_mdh(a: float, d: float, alpha: float) -> Array:
    """Craig's modified row without its turn about z: Rx(alpha) Tx(a) Tz(d), (4, 4)."""
    c, s = np.cos(alpha), np.sin(alpha)
    return np.array([[1, 0, 0, a], [0, c, -s, -s * d], [0, s, c, c * d], [0, 0, 0, 1.0]])


def _capsules(key: str, rows: Any, last_link: int) -> Capsules:
    """From rows [link, xyz of one end, xyz of the other, radius]. Raises SpecError."""
    if not len(rows):
        if key == "capsules":
            raise SpecError("capsules: an arm without a body; give one row [link, xyz, xyz, radius] a link")
        return Capsules.of(np.empty((0, 8)))
    table = _numbers(key, rows, (None, 8))
    if not np.isin(table[:, 0], np.arange(last_link + 1)).all():
        raise SpecError(f"{key}: link numbers {table[:, 0].tolist()} must be whole, from 0 to {last_link}")
    if not (table[:, 7] > 0).all():
        raise SpecError(f"{key}: radii {table[:, 7].tolist()} must be > 0")
    return Capsules.of(table)


def _numbers(key: str, value: Any, shape: tuple[int | None, ...]) -> Array:
    """`value` as float64 of `shape` (None = any length), finite. Raises SpecError naming the entry."""
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{key}: {value!r} is not made of numbers") from error
    if len(shape) != array.ndim or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        raise SpecError(f"{key}: shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise SpecError(f"{key}: {value!r} must be finite; no limit may be left open")
    return array


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
