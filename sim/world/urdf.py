"""The URDF of an arm, written from its `ArmSpec`: chain, joint limits, capsules and hand.

PyBullet then has the same joints, limits and bodies as kinematics and safety gate, so one YAML is enough for
an arm in simulation. A URDF below pybullet_data that the YAML names lends its meshes to the photo look.
PyBullet's Panda is the exception: it is loaded as pybullet_data has it, with the changes below, because the
shipped networks were trained on that body.
"""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as ET

import numpy as np

from robots.errors import SpecError
from robots.joints import wider
from robots.safety.capsules import Capsules
from robots.spec import ArmSpec
from robots.types import Array
from sim.geometry.hand import palm_box

PANDA = "franka_panda/panda.urdf"
# The vendor's mesh of the first link averages the normals of its side and underside along its lower rim: a
# black arc around the neck. A collar of 2 mm covers it; it is seen only, never touched.
_COLLAR = """
    <visual>
      <origin xyz="0 0 0.1425" rpy="0 0 0"/>
      <geometry><cylinder radius="0.0572" length="0.025"/></geometry>
      <material name="panda_white"><color rgba="1.0 1.0 1.0 1.0"/></material>
    </visual>"""
DENSITY = 500.0  # [kg/m3] of a capsule: links of 1 to 6 kg, somewhat lighter than the vendors'
HAND_MASS, FINGER_MASS = 0.5, 0.1  # [kg]
LINK_RGBA, HAND_RGBA = (0.88, 0.89, 0.91, 1.0), (0.30, 0.31, 0.33, 1.0)


def urdf_of(spec: ArmSpec, photo: bool) -> str:
    """Text of a URDF with absolute mesh paths.

    Joints and links have the names of `spec.joint_names`, `spec.finger_joints` and `spec.hand_link`.

    Args:
        photo: whether to draw the vendor's detailed meshes, where there are some.

    Raises:
        SpecError: the arm has no hand, or its URDF lacks one of its joints, or does not let it go as far as
            the YAML does, as where one of the two is in degrees.
    """
    if spec.urdf == PANDA:
        _check_limits(spec, {joint.get("name"): joint for joint in ET.parse(_data(PANDA)).iter("joint")})
        return _panda(photo)
    if not spec.has_gripper:
        raise SpecError(
            f"{spec.name}: an arm without a hand cannot be simulated; add the entries of one to its YAML: "
            "gripper_width and what goes with it (see configs/robot/ur5e.yaml)"
        )
    return _built(spec, photo)


def _data(file: str) -> str:
    import pybullet_data

    return os.path.join(pybullet_data.getDataPath(), file)


# -- written from the YAML ----------------------------------------------------------------------


def _built(spec: ArmSpec, photo: bool) -> str:
    robot = ET.Element("robot", name=spec.name)
    meshes = _vendor_visuals(spec) if photo and spec.urdf else {}
    names = ["base", *(f"{joint}_link" for joint in spec.joint_names), spec.hand_link]
    for k, name in enumerate(names):
        hand = k > spec.n_joints
        drawn = meshes.get(k)
        link = _link(robot, name, spec.capsules, k, drawn, HAND_RGBA if hand else LINK_RGBA)
        if hand:
            link.find("inertial/mass").set("value", str(HAND_MASS))  # type: ignore[union-attr]
    limits = zip(spec.q_min, spec.q_max, spec.tau_max, spec.dq_max, strict=True)
    for k, (joint, limit) in enumerate(zip(spec.joint_names, limits, strict=True)):
        made = _joint(robot, joint, "revolute", names[k], names[k + 1], spec.joint_origins[k], limit)
        ET.SubElement(made, "axis", xyz="0 0 1")
    _joint(robot, f"{spec.hand_link}_mount", "fixed", names[spec.n_joints], spec.hand_link, spec.tool)
    _fingers(robot, spec)
    ET.indent(robot)  # PyBullet's parser fails on lines of more than about a kilobyte
    return ET.tostring(robot, encoding="unicode")


def _fingers(robot: ET.Element, spec: ArmSpec) -> None:
    """Two boxes from the palm's underside to beyond the tool frame; their pads meet at y = 0."""
    length = spec.finger_reach + palm_box(spec)[0]
    size = (spec.finger_width, spec.finger_thickness, length)
    stroke = (0.0, spec.gripper_width / 2, spec.gripper_force, spec.gripper_speed)
    for joint, side in zip(spec.finger_joints, (1, -1), strict=True):
        link = ET.SubElement(robot, "link", name=f"{joint}_link")
        inertial = ET.SubElement(link, "inertial")
        ET.SubElement(inertial, "mass", value=str(FINGER_MASS))
        ET.SubElement(inertial, "inertia", _no_inertia())
        middle = np.eye(4)
        middle[:3, 3] = 0.0, side * spec.finger_thickness / 2, spec.finger_reach - length / 2
        for kind in ("visual", "collision"):
            part = ET.SubElement(link, kind)
            part.append(_origin(middle))
            ET.SubElement(ET.SubElement(part, "geometry"), "box", size=_text(size))
            if kind == "visual":
                _colour(part, HAND_RGBA)
        made = _joint(robot, joint, "prismatic", spec.hand_link, f"{joint}_link", np.eye(4), stroke)
        ET.SubElement(made, "axis", xyz=f"0 {side} 0")


def _link(
    robot: ET.Element,
    name: str,
    capsules: Capsules,
    k: int,
    drawn: list[ET.Element] | None,
    rgba: tuple[float, ...],
) -> ET.Element:
    """A link with the capsules of link `k` to touch, and to see where `drawn` has nothing better."""
    link = ET.SubElement(robot, "link", name=name)
    rows = np.flatnonzero(capsules.links == k)
    ends, radii = capsules.ends[rows], capsules.radii[rows]
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    volumes = np.pi * radii**2 * (lengths + 4 / 3 * radii)
    centre = np.zeros(3)
    if len(rows):
        centre = (volumes[:, None] * ends.mean(1)).sum(0) / volumes.sum()
    inertial = ET.SubElement(link, "inertial")
    ET.SubElement(inertial, "origin", xyz=_text(centre), rpy="0 0 0")
    # PyBullet works the inertia out from the collision shapes; a link without any is a point
    ET.SubElement(inertial, "mass", value=repr(float(max(DENSITY * volumes.sum(), 0.1))))
    ET.SubElement(inertial, "inertia", _no_inertia())
    for (start, end), radius, length in zip(ends, radii, lengths, strict=True):
        pose = np.eye(4)
        pose[:3, :3] = _z_along(end - start)
        pose[:3, 3] = (start + end) / 2
        for kind in ("visual", "collision") if drawn is None else ("collision",):
            part = ET.SubElement(link, kind)
            part.append(_origin(pose))
            geometry = ET.SubElement(part, "geometry")
            if length > 0:
                ET.SubElement(geometry, "capsule", radius=repr(float(radius)), length=repr(float(length)))
            else:
                ET.SubElement(geometry, "sphere", radius=repr(float(radius)))
            if kind == "visual":
                _colour(part, rgba)
    for visual in drawn or ():
        link.append(visual)
        _colour(visual, rgba)
    return link


def _joint(
    robot: ET.Element,
    name: str,
    kind: str,
    parent: str,
    child: str,
    origin: Array,
    limit: tuple[float, float, float, float] | None = None,
) -> ET.Element:
    """`limit`: lower, upper, effort and velocity."""
    joint = ET.SubElement(robot, "joint", name=name, type=kind)
    ET.SubElement(joint, "parent", link=parent)
    ET.SubElement(joint, "child", link=child)
    joint.append(_origin(origin))
    if limit is not None:
        names = ("lower", "upper", "effort", "velocity")
        ET.SubElement(joint, "limit", {k: repr(float(v)) for k, v in zip(names, limit, strict=True)})
    return joint


def _origin(pose: Array) -> ET.Element:
    return ET.Element("origin", xyz=_text(pose[:3, 3]), rpy=_text(_rpy(pose[:3, :3])))


def _colour(visual: ET.Element, rgba: tuple[float, ...]) -> None:
    for old in visual.findall("material"):
        visual.remove(old)
    name = "rgba_" + "_".join(str(round(255 * c)) for c in rgba)
    ET.SubElement(ET.SubElement(visual, "material", name=name), "color", rgba=_text(rgba))


def _text(values: Array | tuple[float, ...]) -> str:
    return " ".join(repr(float(v)) for v in values)


def _no_inertia() -> dict[str, str]:
    return dict(ixx="0.001", ixy="0", ixz="0", iyy="0.001", iyz="0", izz="0.001")


def _rpy(rotation: Array) -> tuple[float, float, float]:
    """Fixed-axis roll, pitch, yaw in [rad] of a rotation (3, 3): the inverse of `robots.spec.rigid`."""
    across = math.hypot(rotation[0, 0], rotation[1, 0])
    pitch = math.atan2(-rotation[2, 0], across)
    if across > 1e-9:
        roll = math.atan2(rotation[2, 1], rotation[2, 2])
        return (roll, pitch, math.atan2(rotation[1, 0], rotation[0, 0]))
    return (math.atan2(-rotation[1, 2], rotation[1, 1]), pitch, 0.0)  # only roll less or plus yaw is fixed


def _z_along(way: Array) -> Array:
    """(3, 3) rotation whose z axis points along `way` (3,); any turn about it."""
    length = float(np.linalg.norm(way))
    if not length > 0:
        return np.eye(3)
    z = way / length
    x = np.cross(np.eye(3)[int(np.argmin(abs(z)))], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _vendor_visuals(spec: ArmSpec) -> dict[int, list[ET.Element]]:
    """Per link 0 .. n_joints: the `<visual>` elements that the vendor's URDF has for it.

    Its joint frames are those of the YAML (tests/robots/test_arms.py). Raises SpecError where it lacks one.
    """
    path = _data(spec.urdf)
    root = ET.parse(path).getroot()
    joints = {joint.get("name"): joint for joint in root.iter("joint")}
    if missing := [name for name in spec.joint_names if name not in joints]:
        raise SpecError(
            f"{spec.name}: {spec.urdf} has no joints {missing}; it has {sorted(map(str, joints))}"
        )
    _check_limits(spec, joints)
    links = {link.get("name"): link for link in root.iter("link")}
    ends = [joints[spec.joint_names[0]].find("parent"), *(joints[n].find("child") for n in spec.joint_names)]
    found = {}
    for k, end in enumerate(ends):
        link = None if end is None else links.get(end.get("link"))
        found[k] = [] if link is None else list(_absolute(link, os.path.dirname(path)))
    return {k: visuals for k, visuals in found.items() if visuals}


def _check_limits(spec: ArmSpec, joints: Mapping[str | None, ET.Element]) -> None:
    """Raises SpecError where the URDF states limits of a joint that are narrower than those of `spec`.

    PyBullet keeps to the URDF's: the arm would stop short of its targets without a word.
    """
    found = [joints[name].find("limit") if name in joints else None for name in spec.joint_names]
    limits = (
        {}
        if any(limit is None for limit in found)
        else {
            key: np.array([float(limit.get(key, "nan")) for limit in found if limit is not None])
            for key in ("lower", "upper")
        }
    )
    if limits and (text := wider(spec, limits["lower"], limits["upper"], f"{spec.urdf} has")):
        raise SpecError(f"{text}; correct the one that is wrong")


def _absolute(link: ET.Element, folder: str) -> Iterator[ET.Element]:
    for visual in link.iter("visual"):
        for mesh in visual.iter("mesh"):
            mesh.set("filename", os.path.join(folder, mesh.get("filename", "").removeprefix("package://")))
        yield visual


# -- PyBullet's Panda ---------------------------------------------------------------------------

_TIP = """<collision><origin rpy="0 0 0" xyz="0 {y0} 0.036"/><geometry><box size="0.021 0.012 0.0356"/>
</geometry></collision><collision><origin rpy="0 0 0" xyz="0 {y1} 0.010"/><geometry>
<box size="0.021 0.020 0.020"/></geometry></collision>"""


@functools.cache
def _panda(photo: bool) -> str:
    """PyBullet's Panda with flat finger pads and, unless `photo`, light meshes to draw."""
    path = _data(PANDA)
    with open(path) as f:
        text = f.read()
    if photo:
        text = text.replace('<link name="panda_link0">', f'<link name="panda_link0">{_COLLAR}', 1)
    else:
        text = text.replace("meshes/visual", "meshes/collision")
    text = text.replace("package://", os.path.dirname(path) + os.sep)
    # flat pads: the meshes' convex hulls touch a block along an edge, and it turns in the hand
    for side, sign in (("left", 1), ("right", -1)):
        pads = _TIP.format(y0=sign * 0.006, y1=sign * 0.0145)
        text = re.sub(
            rf'(<link name="panda_{side}finger">.*?)<collision>.*?</collision>', r"\1" + pads, text,
            count=1, flags=re.DOTALL,
        )  # fmt: skip
        # the URDF's soft contacts let a grasped block creep
        text = re.sub(
            rf'(<link name="panda_{side}finger">)\s*<contact>.*?</contact>', r"\1", text, flags=re.DOTALL
        )
    return text
