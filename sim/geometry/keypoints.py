"""Key points: what a pick and place comes down to, from the true poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robots.errors import Unreachable
from robots.motion.kinematics import reach_down
from robots.spec import ArmSpec
from robots.types import Array
from sim.geometry.grasps import grasp_candidates, place_point
from sim.geometry.hand import hand_of
from sim.geometry.shapes import BOWL_HEIGHT, width
from sim.world.state import ObjectSpec

TRAVEL_MARGIN = 0.025  # [m] kept above everything on the way
RELEASE_LIFT = 0.002  # [m] above where a thing will rest when the fingers let go of it


@dataclass(frozen=True)
class Keypoints:
    """What a step comes down to, in base: tool positions (3,) in [m], yaws in [rad], openings."""

    pick_xyz: Array
    pick_yaw: float
    pick_opening: float
    place_xyz: Array
    place_yaw: float
    place_opening: float
    travel_z: float


def find_keypoints(
    spec: ArmSpec,
    objects: Sequence[ObjectSpec],
    positions: Array,
    yaws: Array,
    holder: Sequence[int | None],
    i: int,
    j: int | None,
    q: Array | None = None,
    picked: Keypoints | None = None,
) -> Keypoints:
    """Where to grasp object `i` and where to put it: in or on `j`, or on the table (None).

    Args:
        positions, yaws: (N, 3) in [m], (N,) in [rad], see `footprints.yaws_of`.
        holder: (N,) what each thing rests in or on.
        q: (n_joints,) where the arm is; a grasp next to it is preferred.
        picked: the key points `i` was grasped by, once it is in the hand.

    Raises:
        Unreachable: no grasp within the joint limits. NoRoom: the table is full.
    """
    held, hand = width(objects[i]), hand_of(spec)
    grasps = grasp_candidates(objects, positions, yaws, i, hand=hand) if picked is None else []
    near = grasps[0].yaw if picked is None else picked.pick_yaw
    place = place_point(objects, positions, yaws, holder, i, j, near, hand)
    opening = (held + float(np.clip(2 * place.clearance, 0.010, 0.026))) / hand.width
    tops = [
        BOWL_HEIGHT if o.kind == "bowl" else float(positions[k, 2]) + 0.71 * width(o)
        for k, o in enumerate(objects)
        if k != i
    ]
    travel_z = max([0.0, *tops]) + max(held / 2, hand.tip_below) + TRAVEL_MARGIN
    put = place.xyz + (0, 0, RELEASE_LIFT), place.yaw, min(opening, 1.0)
    if picked is not None:
        return Keypoints(picked.pick_xyz, picked.pick_yaw, picked.pick_opening, *put, travel_z)
    failure: Unreachable | None = None
    for grasp in grasps[:3]:
        try:
            reach_down(spec, grasp.xyz, grasp.yaw, q)
        except Unreachable as error:
            failure = error
            continue
        return Keypoints(grasp.xyz, grasp.yaw, grasp.opening, *put, travel_z)
    raise failure or Unreachable(f"no way to grasp the {objects[i].name}")
