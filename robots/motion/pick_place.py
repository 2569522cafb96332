"""Pick-and-place motions through key points, used by the oracle, the keypose policy and its demonstrations.

Each function plans one motion from the arm's posture and returns targets; nothing is sent.
A tool that points straight down has a `yaw` as in `robots.motion.kinematics.tool_pose`.
"""

from __future__ import annotations

import numpy as np

from robots.errors import Unreachable
from robots.motion.kinematics import fk, postures, tool_pose
from robots.motion.trajectory import join, joint_motion, line_motion
from robots.spec import ArmSpec
from robots.types import ActionChunk, Array

PHASES = ("approach", "grip", "carry", "release", "retreat", "done")
LINE_SPEED = 0.6  # [m/s] of the tool up and down
HOVER = 0.075  # [m] of the tool above the top of what it will grasp
TRAVEL_Z = 0.235  # [m] of the tool while it carries: what it holds clears a tower of four
GRASP_DEPTH = 0.019  # [m] of the tool below the top face: the middle of either size
DROP = 0.004  # [m] above the support at which the object is let go
OPEN_TICKS = 3
RELEASE = 0.20  # opening added to let go: 16 mm
EMPTY = 0.30  # gripper opening below which nothing is held: 24 of 80 mm
SETTLED = 0.004  # change of the gripper opening a tick below which the fingers are at rest


def go_to(
    spec: ArmSpec,
    q: Array,
    xyz: Array,
    yaw: float,
    travel_z: float,
    gripper: float,
    *,
    speed: float = 1.0,
    descend: bool = True,
) -> ActionChunk:
    """Up to `travel_z` if necessary, across, and straight down to `xyz`, with the tool at `yaw` or half a
    turn.

    Args:
        q: (n_joints,) in [rad], the arm's posture at rest.
        xyz: (3,) tool position in base [m].
        yaw: of the tool about base z in [rad].
        travel_z: tool height in [m] that is free of obstacles.
        gripper: opening in [0, 1] during the motion.
        speed: fraction of the planned speeds, in (0, 1].
        descend: False ends above `xyz`, at `travel_z`.

    Raises:
        Unreachable: no joints within the limits.
    """
    start = q = np.asarray(q, dtype=np.float64)
    motions: list[Array] = []
    here = fk(spec, q)
    above = np.array([xyz[0], xyz[1], max(travel_z, xyz[2])])
    sideways = float(np.hypot(*(here[:2, 3] - above[:2])))
    if here[2, 3] < travel_z - 0.005 and sideways > 0.005:
        motions.append(line_motion(spec, q, raised(here, travel_z), LINE_SPEED * speed))
        q = motions[-1][-1]
    failure: Unreachable | None = None
    for q_above in postures(spec, above, yaw, q):
        over = [*motions, joint_motion(spec, q, q_above, speed)]
        if descend and above[2] - xyz[2] > 1e-4:
            down = fk(spec, q_above)
            down[:3, 3] = xyz
            try:
                over.append(line_motion(spec, q_above, down, LINE_SPEED * speed))
            except Unreachable as error:  # the wrist reaches its limit on the way down: try the half turn
                failure = error
                continue
        return _chunk(spec, join(spec, start, over), gripper)
    raise failure or Unreachable(f"{spec.name}: no line down to {np.round(xyz, 3).tolist()} m")


def grip(spec: ArmSpec, q: Array, gripper: float, ticks: int) -> ActionChunk:
    """Hold `q` (n_joints,) in [rad] for `ticks` while the gripper opening goes to `gripper` in [0, 1]."""
    return _chunk(spec, np.repeat(np.asarray(q, dtype=np.float64)[None], ticks, 0), gripper)


def rise(
    spec: ArmSpec, q: Array, z: float, gripper: float, *, home: bool = False, speed: float = 1.0
) -> ActionChunk:
    """Straight up to tool height `z` [m], never down, then to `spec.q_home` if `home`. Raises Unreachable."""
    q = np.asarray(q, dtype=np.float64)
    here = fk(spec, q)
    motions = [line_motion(spec, q, raised(here, max(z, float(here[2, 3]))), LINE_SPEED * speed)]
    if home:
        motions.append(joint_motion(spec, motions[-1][-1], spec.q_home, speed))
    return _chunk(spec, join(spec, q, motions), gripper)


def raised(base_from_ee: Array, z: float) -> Array:
    """`base_from_ee` (4, 4) at height `z` [m], with the tool pointing straight down."""
    forward = base_from_ee[:2, 0]
    return tool_pose(np.array([*base_from_ee[:2, 3], z]), float(np.arctan2(forward[1], forward[0])))


def ticks_to_move(spec: ArmSpec, opening_from: float, opening_to: float, extra: int = 1) -> int:
    """Control ticks that the gripper needs between two openings in [0, 1], plus `extra`."""
    if not spec.has_gripper:
        return extra
    seconds = abs(opening_to - opening_from) * spec.gripper_width / spec.gripper_speed
    return int(np.ceil(seconds * spec.control_hz)) + extra


def _chunk(spec: ArmSpec, targets: Array, gripper: float) -> ActionChunk:
    return ActionChunk(targets, np.full(len(targets), float(gripper)), spec.control_hz)
