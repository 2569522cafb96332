"""The tabletop in PyBullet: load a scene, step it, look at it.

`load` rebuilds the world from nothing, so the same scene and commands give the same result bit
for bit, whatever ran before. `place` only shows a scene (no physics) and is what makes pictures
for training. PyBullet is imported and opened when first needed, so a process that forks before
that is safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from robots.errors import RobotError
from robots.spec import ArmSpec
from robots.types import Array, CameraFrame
from sim.appearances.bodies import Textures
from sim.appearances.registry import appearance_named
from sim.rendering.camera import (
    FAR,
    Camera,
    camera_named,
    check_size,
    gl_projection,
    gl_view,
    intrinsics,
    jittered,
    look_at,
    meet_table,
    metric_depth,
)
from sim.world import bodies
from sim.world.appearance import RGB, Light, nominal_colour
from sim.world.arm_body import ArmBody
from sim.world.owned import OwnsClient
from sim.world.scene import Scene
from sim.world.state import ObjectSpec

PHYSICS_HZ = 120
LOOKS = ("fast", "photo")
SOLVER_ITERATIONS = 20
DEPTH_NOISE = 0.001  # [m], standard deviation
TABLE_EXTENT = (-0.45, 0.95, -0.75, 0.75)  # x, y range that is drawn as table top
PARKED = (0.0, 0.0, -50.0)
FLOOR_RGB = (0.30, 0.31, 0.33)


class World(OwnsClient):
    """One table, with an arm or without. Dropped without `close`, it gives PyBullet back too.

    Args:
        look: "fast" (light meshes, no shadows) or "photo" (full meshes, texture, shadows).
        spec: of the arm that stands there; default `ArmSpec.load("panda")`.
        robot: whether it does.

    Attributes:
        body: the arm in PyBullet; None before `load` or `place`, and without a robot.
    """

    def __init__(self, look: str = "fast", spec: ArmSpec | None = None, robot: bool = True) -> None:
        super().__init__()
        if look not in LOOKS:
            raise ValueError(f"look {look!r} is none of {list(LOOKS)}")
        self.look, self.robot = look, robot
        self.spec = ArmSpec.load("panda") if spec is None else spec
        self.scene: Scene | None = None
        self.specs: tuple[ObjectSpec, ...] = ()
        self.body: ArmBody | None = None
        self.photo_scale = 2  # photos are drawn this much larger, then shrunk, for smooth edges
        self.generation = 0  # counts rebuilds: motors and constraints set before are gone
        self.textures: Textures | None = None
        self._bodies: list[int] = []
        self._pools: dict[tuple[str, str, str], list[int]] = {}  # without physics, used again by `place`
        self._solid = True
        self._backgrounds: dict[tuple[str, tuple[int, int]], tuple] = {}
        self._noise = np.random.default_rng(0)

    # -- life ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Give the PyBullet client back. A closed world opens again when used."""
        super().close()
        self.body, self._bodies, self._pools = None, [], {}
        self.specs, self.scene = (), None

    def load(self, scene: Scene, q: Array | None = None, gripper: float = 1.0) -> None:
        """Rebuild everything from nothing with `scene`, the arm at rest at `q` (n_joints,) in [rad].

        Default `spec.q_home`.
        """
        self._rebuild(solid=True)
        self._furnish(scene)
        if self.robot:
            self.set_arm(self.spec.q_home if q is None else q, gripper)

    def place(self, scene: Scene) -> None:
        """Show `scene` without physics: the same pictures, much cheaper. Move the arm by `set_arm`."""
        if self._solid or self._client < 0 or (self.robot and self.body is None):
            self._rebuild(solid=False)
            if self.robot:
                self.set_arm(self.spec.q_home, 1.0)
        self._furnish(scene)

    def _rebuild(self, solid: bool) -> None:
        p, c = self.p, self.client
        p.resetSimulation(physicsClientId=c)
        p.setPhysicsEngineParameter(
            fixedTimeStep=1 / PHYSICS_HZ, numSolverIterations=SOLVER_ITERATIONS, numSubSteps=0,
            deterministicOverlappingPairs=1, physicsClientId=c,
        )  # fmt: skip
        p.setGravity(0, 0, -9.81, physicsClientId=c)
        self._bodies, self._pools, self._solid = [], {}, solid
        self.textures = Textures(p, c)  # those of before are gone
        if solid:
            bodies.make_table(p, c)
        self.body = ArmBody.load(p, c, self.spec, self.look == "photo") if self.robot else None
        self.generation += 1

    def _furnish(self, scene: Scene) -> None:
        self.scene, self.specs = scene, tuple(o.spec for o in scene.objects)
        for body in self._bodies:  # only after `place`: `load` has just removed everything
            self.p.resetBasePositionAndOrientation(body, PARKED, (0, 0, 0, 1), physicsClientId=self.client)
        spare = {key: list(pool) for key, pool in self._pools.items()}
        self._bodies = [self._body(scene, i, spare) for i in range(len(scene.objects))]
        self._drop({key: bodies for key, bodies in spare.items() if key[2] and bodies})
        self._backgrounds.clear()
        self._noise = np.random.default_rng(scene.seed)

    def _body(self, scene: Scene, i: int, spare: dict[tuple[str, str, str], list[int]]) -> int:
        placed, rgb = scene.objects[i], scene.colour(i)
        spec, quat = placed.spec, bodies.quat_about_z(placed.yaw)
        key = (spec.kind, spec.size, spec.look)
        if spare.get(key):
            body = spare[key].pop()
            self.p.resetBasePositionAndOrientation(body, placed.position, quat, physicsClientId=self.client)
            self.p.changeVisualShape(body, -1, rgbaColor=[*rgb, 1.0], physicsClientId=self.client)
            self._paint(body, spec, rgb)
            return body
        body = bodies.make_object(self.p, self.client, placed.spec, rgb, placed.position, quat, self._solid)
        self._paint(body, spec, rgb)
        if not self._solid:
            self._pools.setdefault(key, []).append(body)
        return body

    def _drop(self, spare: dict[tuple[str, str, str], list[int]]) -> None:
        """Remove bodies that no thing of the scene has the look of: even far away they cost drawing time."""
        for key, unused in spare.items():
            for body in unused:
                self.p.removeBody(body, physicsClientId=self.client)
                self._pools[key].remove(body)

    def _paint(self, body: int, spec: ObjectSpec, rgb: RGB) -> None:
        """The texture of a body that has one; its tile is in the nominal colour, `rgb` says how bright."""
        if spec.look:
            tint = min(1.0, max(rgb) / max(nominal_colour(spec.colour)))
            assert self.textures is not None  # noqa: S101 - made by `_rebuild`
            self.textures.paint(body, appearance_named(spec.look), spec.colour, tint)

    # -- physics ------------------------------------------------------------------------------

    def step(self, n: int = 1) -> None:
        """Advance physics by `n` steps of 1 / 120 s."""
        step, client = self.p.stepSimulation, self.client
        for _ in range(n):
            step(client)

    @property
    def body_ids(self) -> tuple[int, ...]:
        """PyBullet bodies of the objects, in the scene's order."""
        return tuple(self._bodies)

    def poses(self) -> tuple[Array, Array]:
        """Positions (N, 3) in [m] of the objects' middles in the base frame, and quats_xyzw (N, 4)."""
        get, c = self.p.getBasePositionAndOrientation, self.client
        pairs = [get(b, physicsClientId=c) for b in self._bodies]
        return (
            np.array([a for a, _ in pairs], float).reshape(-1, 3),
            np.array([b for _, b in pairs], float).reshape(-1, 4),
        )

    def set_pose(self, i: int, position: Array, quat_xyzw: Array) -> None:
        """Teleport object `i`, at rest."""
        self.p.resetBasePositionAndOrientation(
            self._bodies[i], list(position), list(quat_xyzw), physicsClientId=self.client
        )
        self.wake()

    def wake(self) -> None:
        """Wake all objects: PyBullet lets what lay on a teleported thing hang in the air, asleep."""
        if self._solid:
            for body in self._bodies:
                bodies.set_awake(self.p, self.client, body, True)

    @property
    def arm(self) -> ArmBody:
        """The arm in PyBullet. Raises RobotError before a scene was loaded, and without a robot."""
        if self.body is None:
            raise RobotError("there is no arm in this world yet; call `world.load(scene)` first")
        return self.body

    def set_arm(self, q: Array | Sequence[float], gripper: float) -> None:
        """Teleport the arm to `q` (n_joints,) in [rad], opening `gripper` in [0, 1], at rest."""
        self.arm.put(q, gripper)

    def held(self) -> int | None:
        """Index of the object that both fingers press on, or None."""
        if self.body is None or not self._solid:
            return None
        both = self.body.squeezed()
        return next((i for i, b in enumerate(self._bodies) if b in both), None)

    # -- pictures -----------------------------------------------------------------------------

    def base_from_ee(self) -> Array:
        """Pose (4, 4) of the tool frame now."""
        return self.arm.base_from_ee()

    def base_from_camera(self, camera: Camera) -> Array:
        """True pose (4, 4) of a camera now: with the scene's jitter, or where the hand has it."""
        pose = look_at(camera.position, camera.target, camera.up)
        if camera.on_hand:
            return self.base_from_ee() @ pose
        if self.scene is None:
            return pose
        return jittered(pose, self.scene.camera_shift, self.scene.camera_turn)

    def render(
        self, camera: Camera | str, size: tuple[int, int] | None = None, depth: bool = True
    ) -> CameraFrame:
        """What `camera` sees now.

        Args:
            camera: a `Camera`, or the name of one of `sim.rendering.camera.CAMERAS`.
            size: (width, height) in [px]; None = the camera's own.
            depth: whether to measure depth too (about 1 mm of noise).
        """
        camera = camera_named(camera)
        size = camera.size if size is None else check_size(size)
        if self.look == "photo":
            from sim.rendering.photo import photo

            pose = self.base_from_camera(camera)
            rgb = photo(self, camera, size, pose)
            metres = self._look(camera, size, True)[0].depth if depth else None
            return CameraFrame(rgb, metres, intrinsics(camera.hfov_deg, size), camera.told(pose))
        frame = self._look(camera, size, depth)[0]
        return replace(frame, base_from_camera=camera.told(frame.base_from_camera))

    def masks(
        self, camera: Camera | str, size: tuple[int, int] | None = None
    ) -> tuple[CameraFrame, NDArray[np.int32]]:
        """A frame, and which object each pixel shows (H, W): its index, -1 = none of them."""
        frame, seg = self._look(camera, size, True)
        lookup = np.full(max([*self._bodies, int(seg.max()), 0]) + 2, -1, np.int32)
        for i, b in enumerate(self._bodies):
            lookup[b] = i
        return frame, lookup[seg]  # seg is -1 where nothing is: the last entry

    def _look(
        self, camera: Camera | str, size: tuple[int, int] | None, depth: bool
    ) -> tuple[CameraFrame, NDArray[np.int32]]:
        camera = camera_named(camera)
        size = camera.size if size is None else check_size(size)
        w, h = size
        pose = self.base_from_camera(camera)
        k = intrinsics(camera.hfov_deg, size)
        light = self.light
        p = self.p
        _, _, rgba, buffer, seg = p.getCameraImage(
            w, h, gl_view(pose), gl_projection(k, size), lightDirection=light.direction,
            lightColor=light.colour, lightDistance=3.0, shadow=0, lightAmbientCoeff=light.ambient,
            lightDiffuseCoeff=light.diffuse, lightSpecularCoeff=light.specular,
            renderer=p.ER_TINY_RENDERER, physicsClientId=self.client,
        )  # fmt: skip
        rgb = cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB)
        # the table is computed, not drawn: a table of triangles costs 6 ms a picture, this 0.5 ms
        empty = (seg < 0).view(np.uint8)
        table_rgb, table_depth = self._background(camera, size, k, pose)
        cv2.copyTo(table_rgb, empty, rgb)
        metres = None
        if depth:
            metres = metric_depth(buffer)
            cv2.copyTo(table_depth, empty, metres)
            metres += DEPTH_NOISE * self._noise.standard_normal((h, w), np.float32)
        return CameraFrame(rgb, metres, k, pose), seg

    @property
    def light(self) -> Light:
        """The lamp of the scene."""
        return Light() if self.scene is None else self.scene.light

    @property
    def table_rgb(self) -> RGB:
        """Colour of the table top, in [0, 1]."""
        return Scene.table if self.scene is None else self.scene.table

    def _background(
        self, camera: Camera, size: tuple[int, int], k: Array, pose: Array
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Table top and floor, (H, W, 3) uint8 and depth (H, W), as if nothing stood there."""
        key = (camera.name, size)
        if not camera.on_hand and key in self._backgrounds:
            return self._backgrounds[key]
        light = self.light
        lamp = np.asarray(light.direction) / np.linalg.norm(light.direction)
        shade = light.ambient + light.diffuse * max(lamp[2], 0.0)
        table = np.asarray(self.table_rgb) * light.colour * shade * 255
        depth, x, y = meet_table(k, pose, size)
        x0, x1, y0, y1 = TABLE_EXTENT
        on_table = (depth > 0) & (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
        # brighter towards the lamp, as a lamp at 3 m makes it
        slope = np.float32(0.12 * lamp[0]) * x + np.float32(0.12 * lamp[1]) * y
        slope += np.float32(1 - 0.06 * lamp[0])
        rgb = np.empty((*on_table.shape, 3), np.uint8)
        for channel in range(3):
            rgb[..., channel] = np.minimum(slope * np.float32(table[channel]), 255)
        if not on_table.all():
            rgb[~on_table] = (np.array(FLOOR_RGB) * 255).astype(np.uint8)
            depth[~on_table] = FAR
        self._backgrounds[key] = (rgb, depth)
        return rgb, depth
