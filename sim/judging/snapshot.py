"""The table at one moment, as the simulator has it: for judges alone, never for a planner or policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.geometry.shapes import Array
from sim.world.bodies import quat_about_z
from sim.world.scene import Scene
from sim.world.scene_state import holders
from sim.world.state import ObjectSpec, SceneState

if TYPE_CHECKING:
    from sim.world.world import World


@dataclass(frozen=True)
class Snapshot:
    """Where everything is.

    Attributes:
        specs: (N,) the objects.
        positions: (N, 3) their middles in [m], base frame.
        quats_xyzw: (N, 4).
        held: index of the object that the gripper holds, None = it has let go.

    Raises:
        ValueError: numbers are missing or not finite.
    """

    specs: tuple[ObjectSpec, ...]
    positions: Array
    quats_xyzw: Array
    held: int | None = None

    def __post_init__(self) -> None:
        n = len(self.specs)
        for name, shape in (("positions", (n, 3)), ("quats_xyzw", (n, 4))):
            values = np.asarray(getattr(self, name), float).reshape(-1, shape[1])
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(f"{name} has shape {values.shape}; expected {shape}, all finite")
            object.__setattr__(self, name, values)
        if self.held is not None and not 0 <= self.held < n:
            raise ValueError(f"held is {self.held}; expected an index of {n} objects or None")

    @property
    def state(self) -> SceneState:
        """What rests in or on what. What the hand holds rests in and on nothing."""
        state = holders(self.specs, self.positions, self.quats_xyzw)
        return state if self.held is None else state.moved(self.held, None)


def snapshot_of(scene: Scene) -> Snapshot:
    """The table as `scene` lays it, before anything settles."""
    quats = np.array([quat_about_z(placed.yaw) for placed in scene.objects]).reshape(-1, 4)
    positions = np.array([placed.position for placed in scene.objects]).reshape(-1, 3)
    return Snapshot(tuple(placed.spec for placed in scene.objects), positions, quats)


def snapshot(world: World) -> Snapshot:
    """The table of `world` now."""
    positions, quats = world.poses()
    return Snapshot(world.specs, positions, quats, world.held())
