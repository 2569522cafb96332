"""A simulation as an episode stores it: enough to rebuild it, and to compare its final state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from palme.data.errors import ReplayError
from robots.spec import ArmSpec
from robots.types import Observation
from sim.world.arm import SimulatedArm
from sim.world.scene import Scene, SceneFileError
from sim.world.world import World


@dataclass(frozen=True)
class Setting:
    """The simulation before the first command.

    Attributes:
        scene: YAML of what stood on the table.
        ticks: that passed at rest after it was set.
        robot: the arm's description, as in configs/robot/.
    """

    scene: str
    ticks: int
    robot: Mapping[str, Any]

    def to_json(self) -> str:
        """The text of `Run.world`."""
        return json.dumps({"scene": self.scene, "ticks": self.ticks, "robot": dict(self.robot)})

    @staticmethod
    def from_json(text: str) -> Setting:
        """Raises ReplayError where the episode was not recorded in simulation."""
        if not text:
            raise ReplayError(
                "the episode was recorded on an arm whose world was not ours to set; name the arm to replay "
                "it on, such as robot=panda or robot=bridge"
            )
        try:
            raw = json.loads(text)
            return Setting(str(raw["scene"]), int(raw["ticks"]), raw["robot"])
        except (ValueError, KeyError, TypeError) as error:
            raise ReplayError(f"the stored simulation is unreadable: {error}") from error

    def build(self) -> SimulatedArm:
        """The arm in that world, as it was before the first command."""
        try:
            scene = Scene.from_yaml(self.scene)
        except SceneFileError as error:
            raise ReplayError(str(error)) from error
        world = World("fast", ArmSpec.from_dict(self.robot))
        arm = SimulatedArm(world)
        world.load(scene)
        arm.hold(self.ticks)
        return arm


def final_state(arm: SimulatedArm) -> list[float]:
    """Numbers of the final state: time, joints, their speeds, gripper, objects' poses."""
    state = arm.state()
    positions, quats = arm.world.poses()
    parts = [[arm.time], state.q, state.dq, [state.gripper], positions.ravel(), quats.ravel()]
    return [float(x) for x in np.concatenate([np.asarray(part, float) for part in parts])]


def rgb_look(arm: SimulatedArm) -> tuple[Observation, float]:
    """State and pictures for a recording.

    Without depth: its noise is drawn from the world's generator, so that a run which is recorded would
    otherwise see other noise than one which is not.
    """
    images = {
        name: arm.world.render(camera, arm.image_size, depth=False) for name, camera in arm.cameras.items()
    }
    return Observation(images, arm.state(), arm.time), 0.0
