"""ArmBody: an arm of an `ArmSpec` as a PyBullet body at the origin, its fingers geared to one another."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from robots.errors import SpecError
from robots.spec import ArmSpec
from robots.types import Array
from sim.world.owned import Uncopied
from sim.world.urdf import PANDA, urdf_of

PRESS = 0.2  # [N] of a contact from which a finger counts as touching
FRANKA_TOOL = (0.0, 0.0, 0.1034)  # vendor's tool centre in the hand; the URDF's grasptarget says 0.105


@dataclass(frozen=True)
class ArmBody(Uncopied):
    """Where in PyBullet the parts of the arm are.

    Attributes:
        body: PyBullet's body id.
        joints: (n_joints,) joint numbers of `spec.joint_names`.
        fingers: the two of `spec.finger_joints`, which are the fingers' link numbers too.
        hand: link number of `spec.hand_link`.
        tool_in_hand: (3,) origin of the tool frame in the frame of that link, in [m]; axes agree.
    """

    p: ModuleType
    client: int
    spec: ArmSpec
    body: int
    joints: tuple[int, ...]
    fingers: tuple[int, int]
    hand: int
    tool_in_hand: tuple[float, float, float]

    @classmethod
    def load(cls, p: ModuleType, client: int, spec: ArmSpec, photo: bool) -> ArmBody:
        """Put the arm into PyBullet, at q = 0. `photo`: with detailed meshes.

        PyBullet: fingers are not coupled by the URDF's mimic tag; a grasped block slid 5 to 17 mm
        between two independent finger motors until a gear constraint held them together.

        Raises:
            SpecError: the arm has no hand, or a joint or link of `spec` is missing from its URDF.
        """
        with tempfile.TemporaryDirectory(prefix="palme-arm-") as folder:
            path = os.path.join(folder, "arm.urdf")
            with open(path, "w") as file:
                file.write(urdf_of(spec, photo))
            body = p.loadURDF(path, useFixedBase=True, physicsClientId=client)
        rows = [p.getJointInfo(body, j, client) for j in range(p.getNumJoints(body, client))]
        number = {row[1].decode(): row[0] for row in rows}
        link = {row[12].decode(): row[0] for row in rows}
        wanted = (*spec.joint_names, *spec.finger_joints)
        missing = [name for name in wanted if name not in number]
        if missing or spec.hand_link not in link:
            raise SpecError(
                f"{spec.name}: {spec.urdf} lacks joints {missing} or link {spec.hand_link!r}; "
                f"it has joints {sorted(number)} and links {sorted(link)}"
            )
        left, right = (number[name] for name in spec.finger_joints)
        gear = p.createConstraint(
            body, left, body, right, p.JOINT_GEAR, [1, 0, 0], [0, 0, 0], [0, 0, 0], physicsClientId=client
        )
        p.changeConstraint(gear, gearRatio=-1, erp=0.2, maxForce=60, physicsClientId=client)
        for joint in (left, right):
            p.changeDynamics(
                body, joint, lateralFriction=1.2, spinningFriction=0.002, rollingFriction=0.0002,
                physicsClientId=client,
            )  # fmt: skip
        joints = tuple(number[name] for name in spec.joint_names)
        tool = FRANKA_TOOL if spec.urdf == PANDA else (0.0, 0.0, 0.0)
        return cls(p, client, spec, body, joints, (left, right), link[spec.hand_link], tool)

    def put(self, q: Array | Iterable[float], gripper: float) -> None:
        """Teleport to `q` (n_joints,) in [rad], opening `gripper` in [0, 1], at rest."""
        reset, c = self.p.resetJointState, self.client
        for joint, angle in zip(self.joints, q, strict=True):
            reset(self.body, joint, float(angle), physicsClientId=c)
        for joint in self.fingers:
            reset(self.body, joint, float(gripper) * (self.spec.gripper_width / 2), physicsClientId=c)

    def base_from_ee(self) -> Array:
        """Pose (4, 4) of the tool frame now, as PyBullet has it."""
        p = self.p
        state = p.getLinkState(self.body, self.hand, computeForwardKinematics=1, physicsClientId=self.client)
        pose = np.eye(4)
        pose[:3, :3] = np.array(p.getMatrixFromQuaternion(state[5])).reshape(3, 3)
        pose[:3, 3] = state[4] + pose[:3, :3] @ self.tool_in_hand
        return pose

    def squeezed(self) -> set[int]:
        """Bodies that both fingers press on."""
        left, right = (self._touched_by(finger) for finger in self.fingers)
        return left & right

    def _touched_by(self, link: int) -> set[int]:
        points = self.p.getContactPoints(bodyA=self.body, linkIndexA=link, physicsClientId=self.client)
        return {point[2] for point in points if point[9] > PRESS}
