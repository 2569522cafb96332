"""Names of the entries in a request: the standard ones of each protocol, and changes to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from robots.policy_servers.errors import FieldRefused

PROTOCOLS = ("openpi", "gr00t")
PORTS = {"openpi": 8000, "gr00t": 5555}


@dataclass(frozen=True)
class Keys:
    """Names of the entries. GR00T's nested observation is flattened to `group/name`.

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
        FieldRefused: an unknown protocol or field.
    """
    if protocol not in STANDARD:
        raise FieldRefused(f"protocol {protocol!r}; there are {', '.join(STANDARD)}")
    known = [f.name for f in fields(Keys)]
    chosen = {name: str(key) for name, key in (given or {}).items() if key is not None}
    for name in chosen:
        if name not in known:
            raise FieldRefused(f"keys.{name}: there are {', '.join(known)}")
    return replace(STANDARD[protocol], **chosen)
