"""A logged run, seen again: the same arm and objects in the photo look, at any size, from any side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robots.spec import ArmSpec
from robots.types import Array
from sim.rendering.camera import CAMERAS, Camera, UnknownCamera
from sim.world.owned import Uncopied
from sim.world.scene import Scene
from sim.world.world import World

# from beside the far end of the table: arm, hand and objects in one picture
STAGE = Camera("stage", (1.22, 0.52, 0.80), (0.37, -0.02, 0.17), hfov_deg=48.0, size=(640, 480))
VIEWS = {"stage": STAGE, **CAMERAS}


class ReplayRenderer(Uncopied):
    """Draws frames of a run; nothing is simulated.

    Args:
        scene: as it was at the start: what there is, in which colours and light.
        spec: of the arm; None = the Panda.
        look: "photo" or "fast".
        scale: photos are drawn this much larger, then shrunk: 2 = smooth edges (0.3 s for 640x480),
            1 = three times faster.
    """

    def __init__(
        self, scene: Scene, spec: ArmSpec | None = None, look: str = "photo", scale: int = 2
    ) -> None:
        self.world = World(look, spec)
        self.world.photo_scale = scale
        self.scene = scene
        self.world.place(scene)

    def frame(
        self,
        q: Array,
        gripper: float,
        positions: Array,
        quats_xyzw: Array,
        camera: Camera | str = STAGE,
        size: tuple[int, int] | None = None,
    ) -> NDArray[np.uint8]:
        """One picture (H, W, 3).

        Args:
            q: (n_joints,) joints in [rad]; gripper: opening in [0, 1].
            positions, quats_xyzw: (N, 3) in [m] and (N, 4) of the scene's objects, in its order.
            camera: a `Camera`, or a name in `VIEWS`.
            size: (width, height) in [px]; None = the camera's own.
        """
        n = len(self.scene.objects)
        if not (len(positions) == n and len(quats_xyzw) == n):
            raise ValueError(f"{len(positions)} poses for the {n} objects of the scene")
        self.world.set_arm(q, gripper)
        for i in range(n):
            self.world.set_pose(i, positions[i], quats_xyzw[i])
        if isinstance(camera, str) and camera not in VIEWS:
            raise UnknownCamera(f"no view {camera!r}; there are {list(VIEWS)}")
        view = VIEWS[camera] if isinstance(camera, str) else camera
        return self.world.render(view, size, depth=False).rgb

    def close(self) -> None:
        """Give PyBullet back."""
        self.world.close()
