"""A leader arm: any `Robot` moved by hand leads any other.

Where their joints are the same it leads joint by joint, otherwise by its tool. Both start from where they are
when the clutch closes: the follower never jumps to the leader's pose.
"""

from __future__ import annotations

import numpy as np

from robots.errors import DeviceError, RobotError
from robots.robot import Closable, Robot
from robots.spec import ArmSpec
from robots.teleop.teleop_actions import LeaderJoints, LeaderTool, Reading, Teleoperator
from robots.types import RobotState

ALIKE = 0.002  # [m], and in the entries of a rotation: chains nearer to one another than this are the same


def same_joints(leader: ArmSpec, follower: ArmSpec) -> bool:
    """Whether the same angles put both arms in the same posture."""
    return leader.n_joints == follower.n_joints and bool(
        np.abs(leader.joint_origins - follower.joint_origins).max() < ALIKE
    )


class LeaderArm:
    """See the module.

    Args:
        leader: only observed; it is moved by hand. Closed with the device where it is `Closable`.
        follower: what it leads.
        keys: another device for buttons and clutch, which an arm does not have.
    """

    def __init__(
        self, leader: Robot, follower: ArmSpec, keys: Teleoperator | None = None, name: str = "leader"
    ) -> None:
        self.name, self.leader, self.keys = name, leader, keys
        self.by_joints = same_joints(leader.spec, follower)

    def connect(self) -> None:
        """Raises DeviceError where the leader cannot be read."""
        if self.keys is not None:
            self.keys.connect()
        self._look()

    def read(self, follower: RobotState) -> Reading:
        """See `Teleoperator`."""
        state = self._look()
        gripper = state.gripper if self.leader.spec.has_gripper else None
        action: LeaderJoints | LeaderTool = (
            LeaderJoints(state.q, gripper) if self.by_joints else LeaderTool(state.base_from_ee, gripper)
        )
        if self.keys is None:
            return Reading(action)
        said = self.keys.read(follower)
        return Reading(action, 0.0, said.buttons, said.clutch)

    def close(self) -> None:
        """Close the keys, and the leader where it is `Closable`."""
        if self.keys is not None:
            self.keys.close()
        if (closable := self.leader.capability(Closable)) is not None:
            closable.close()

    def _look(self) -> RobotState:
        try:
            return self.leader.observe(()).robot
        except RobotError as error:
            raise DeviceError(f"the leader arm: {type(error).__name__}: {error}") from error
