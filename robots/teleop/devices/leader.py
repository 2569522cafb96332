"""A leader arm: any `Robot` moved by hand leads any other.

Where their joints agree it leads joint by joint, otherwise by its tool. Both from where they are when the
clutch closes: the follower never jumps to the leader's pose.
"""

from __future__ import annotations

import numpy as np

from robots.errors import DeviceError, RobotError
from robots.robot import Robot
from robots.spec import ArmSpec
from robots.teleop.teleop_actions import LeaderJoints, LeaderTool, Said, Teleoperator
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
        leader: only looked at; it is moved by hand.
        follower: what it leads.
        keys: another device whose buttons and clutch count, since an arm has none.
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

    def read(self, follower: RobotState) -> Said:
        """See `Teleoperator`."""
        state = self._look()
        gripper = state.gripper if self.leader.spec.has_gripper else None
        wish: LeaderJoints | LeaderTool = (
            LeaderJoints(state.q, gripper) if self.by_joints else LeaderTool(state.base_from_ee, gripper)
        )
        if self.keys is None:
            return Said(wish)
        said = self.keys.read(follower)
        return Said(wish, 0.0, said.buttons, said.clutch)

    def close(self) -> None:
        """Let go of the keys, and of the leader where it can be."""
        if self.keys is not None:
            self.keys.close()
        close = getattr(self.leader, "close", None)
        if close is not None:
            close()

    def _look(self) -> RobotState:
        try:
            return self.leader.observe(()).robot
        except RobotError as error:
            raise DeviceError(f"the leader arm: {type(error).__name__}: {error}") from error
