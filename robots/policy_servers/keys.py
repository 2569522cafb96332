"""Names of the entries in a request: the standard ones of each protocol, and changes to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from robots.policy_servers.errors import FieldRefused

PROTOCOLS = ("openpi", "gr00t")
FLAT_PROMPT = "annotation.human.task_description"  # of GR00T's flat form
PORTS = {"openpi": 8000, "gr00t": 5555}


@dataclass(frozen=True)
class Keys:
    """Names of the entries. Those of GR00T's observations are `group/name` here, whichever form is sent.

    Attributes:
        image: uint8 (H, W, 3) of the camera that the policy uses; wrist_image: of the camera at the hand.
        depth: float32 (H, W) in [m] along the optical axis, or uint16 in [mm], of the same pixels.
        intrinsics: (3, 3) in [px]; base_from_camera: (4, 4), of the same camera.
        joints, joint_speed: (n_joints,) in [rad], [rad/s]. gripper: a number in [0, 1].
        prompt: text of one step, such as "put the red block in the blue bowl".
    """

    image: str
    wrist_image: str
    depth: str
    intrinsics: str
    base_from_camera: str
    joints: str
    joint_speed: str
    gripper: str
    prompt: str

    @property
    def actions(self) -> tuple[str, str]:
        """Names of the groups of an action: those of the joints and of the gripper, without their group."""
        return self.joints.rpartition("/")[2], self.gripper.rpartition("/")[2]


# openpi: the keys of DROID; those of depth and calibration are ours, named in the same way.
STANDARD = {
    "openpi": Keys(
        image="observation/exterior_image_1_left",
        wrist_image="observation/wrist_image_left",
        depth="observation/exterior_depth_1",
        intrinsics="observation/exterior_intrinsics_1",
        base_from_camera="observation/exterior_base_from_camera_1",
        joints="observation/joint_position",
        joint_speed="observation/joint_velocity",
        gripper="observation/gripper_position",
        prompt="prompt",
    ),
    "gr00t": Keys(
        image="video/exterior_image_1_left",
        wrist_image="video/wrist_image_left",
        depth="depth/exterior_depth_1",
        intrinsics="calibration/exterior_intrinsics_1",
        base_from_camera="calibration/exterior_base_from_camera_1",
        joints="state/joint_position",
        joint_speed="state/joint_velocity",
        gripper="state/gripper_position",
        prompt="language/task",
    ),
}


def keys_for(protocol: str, given: Mapping[str, str | None] | None = None) -> Keys:
    """The standard names of `protocol`, changed where `given` holds a name that is not None.

    Raises:
        FieldRefused: an unknown protocol or field, the same name for two fields, or for GR00T names of both
            forms.
    """
    if protocol not in STANDARD:
        raise FieldRefused(f"protocol {protocol!r}; there are {', '.join(STANDARD)}")
    known = [f.name for f in fields(Keys)]
    chosen = {name: str(key) for name, key in (given or {}).items() if key is not None}
    for name in chosen:
        if name not in known:
            raise FieldRefused(f"keys.{name}: there are {', '.join(known)}")
    if protocol == "gr00t":
        if dotted(chosen) and "prompt" not in chosen:
            chosen["prompt"] = FLAT_PROMPT
        chosen = {field: canonical(name) for field, name in chosen.items()}
    keys = replace(STANDARD[protocol], **chosen)
    for field in chosen:
        if same := [f for f in known if f != field and getattr(keys, f) == getattr(keys, field)]:
            raise FieldRefused(f"keys.{field} and keys.{same[0]} are both {getattr(keys, field)!r}")
    return keys


def dotted(given: Mapping[str, str | None]) -> bool:
    """Whether `given` names GR00T's entries in the flat form, as in `video.front`, not `video/front`.

    Raises:
        FieldRefused: names of both forms.
    """
    names = {field: name for field, name in given.items() if name is not None}
    nested = [field for field, name in names.items() if "/" in name]
    flat = [field for field in names if field not in nested]
    if nested and flat:
        a, b = flat[0], nested[0]
        raise FieldRefused(
            f"keys.{a}={names[a]} is GR00T's flat form, keys.{b}={names[b]} the nested one: use one form"
        )
    return bool(flat)


def canonical(name: str) -> str:
    """`group/name` of GR00T's entry `group/name`, `group.name`, `annotation.name` or `task`.

    Raises:
        FieldRefused: a name without a group.
    """
    if name == "task" or name.startswith("annotation."):
        return f"language/{name}"
    group, slash, key = name.partition("/" if "/" in name else ".")
    if not (slash and group and key):
        raise FieldRefused(f"{name!r} has no group: GR00T's names are like video/front or video.front")
    return f"{group}/{key}"
