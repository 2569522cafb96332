"""A small table without an arm, for senses: things of any shape, struck, pushed and looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robots.types import Array, CameraFrame
from sim.rendering.camera import FAR, gl_projection, gl_view, intrinsics, meet_table, metric_depth
from sim.sensing.solids import Solid, mesh_of
from sim.world import bodies
from sim.world.appearance import RGB, Light
from sim.world.owned import OwnsClient

SOLVER_ITERATIONS = 20


class Touch(NamedTuple):
    """One point of contact with the table: `position` (3,) in [m], normal `force` in [N]."""

    position: tuple[float, float, float]
    force: float


class Stage(OwnsClient):
    """A table top at z = 0 and things on it; opened when first used.

    Args:
        hz: physics steps a second.
    """

    def __init__(self, hz: float = 240.0) -> None:
        super().__init__()
        self.hz = hz
        self._table = -1

    def reset(self) -> None:
        """An empty table."""
        p, c = self.p, self.client
        p.resetSimulation(physicsClientId=c)
        p.setPhysicsEngineParameter(
            fixedTimeStep=1 / self.hz, numSolverIterations=SOLVER_ITERATIONS, numSubSteps=0,
            deterministicOverlappingPairs=1, physicsClientId=c,
        )  # fmt: skip
        p.setGravity(0, 0, -9.81, physicsClientId=c)
        self._table = bodies.make_table(p, c)
        # PyBullet multiplies the two restitutions of a contact
        p.changeDynamics(self._table, -1, lateralFriction=1.0, restitution=1.0, physicsClientId=c)

    def add(
        self, shape: str, size: Sequence[float], mass: float, friction: float = 0.5, restitution: float = 0.0
    ) -> int:
        """A thing that is felt and not seen. Returns PyBullet's body.

        Args:
            shape: box of edges `size` (3,), cylinder of (radius, height) or sphere of (radius,), in [m].
            size: see `shape`.
            mass: [kg].
            friction, restitution: against the table.
        """
        p, c = self.p, self.client
        if shape == "box":
            made = p.createCollisionShape(p.GEOM_BOX, halfExtents=[x / 2 for x in size], physicsClientId=c)
        elif shape == "cylinder":
            made = p.createCollisionShape(p.GEOM_CYLINDER, radius=size[0], height=size[1], physicsClientId=c)
        else:
            made = p.createCollisionShape(p.GEOM_SPHERE, radius=size[0], physicsClientId=c)
        body: int = p.createMultiBody(mass, made, physicsClientId=c)
        p.changeDynamics(
            body, -1, lateralFriction=friction, restitution=restitution, spinningFriction=0.001,
            rollingFriction=0.0001, physicsClientId=c,
        )  # fmt: skip
        return body

    def show(
        self, solid: Solid, rgb: RGB, mass: float = 0.0, friction: float = 0.5, solid_to_touch: bool = True
    ) -> int:
        """A solid that is seen and, unless told otherwise, felt. `mass` 0 = it never moves."""
        p, c = self.p, self.client
        mesh = mesh_of(solid)
        corners = mesh.vertices[mesh.faces]  # (F, 3, 3)
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        seen = p.createVisualShape(
            p.GEOM_MESH, vertices=corners.reshape(-1, 3).tolist(), indices=list(range(3 * len(corners))),
            normals=np.repeat(normals, 3, axis=0).tolist(), rgbaColor=[*rgb, 1.0], physicsClientId=c,
        )  # fmt: skip
        r, h = solid.width / 2, solid.height
        felt = -1
        if solid_to_touch and solid.kind == "block":
            felt = p.createCollisionShape(p.GEOM_BOX, halfExtents=[r, r, h / 2], physicsClientId=c)
        elif solid_to_touch and solid.kind == "ball":
            felt = p.createCollisionShape(p.GEOM_SPHERE, radius=r, physicsClientId=c)
        elif solid_to_touch:  # the hull of its corners
            felt = p.createCollisionShape(p.GEOM_MESH, vertices=mesh.vertices.tolist(), physicsClientId=c)
        body: int = p.createMultiBody(mass, felt, seen, physicsClientId=c)
        p.changeDynamics(body, -1, lateralFriction=friction, rollingFriction=0.0005, physicsClientId=c)
        return body

    def move(self, body: int, position: Sequence[float], quat_xyzw: Sequence[float]) -> None:
        """Teleport a thing, at rest."""
        self.p.resetBasePositionAndOrientation(body, position, quat_xyzw, physicsClientId=self.client)

    def push(self, body: int, velocity: Sequence[float], spin: Sequence[float] = (0.0, 0.0, 0.0)) -> None:
        """Give a thing a velocity (3,) in [m/s] and a spin (3,) in [rad/s]."""
        self.p.resetBaseVelocity(body, list(velocity), list(spin), physicsClientId=self.client)

    def step(self, n: int = 1) -> None:
        """Advance physics by `n` steps of 1 / `hz` s."""
        for _ in range(n):
            self.p.stepSimulation(self.client)

    def pose(self, body: int) -> tuple[Array, Array]:
        """Position (3,) in [m] and quat_xyzw (4,)."""
        position, quat = self.p.getBasePositionAndOrientation(body, self.client)
        return np.array(position), np.array(quat)

    def rigid(self, body: int) -> Array:
        """`base_from_body` (4, 4)."""
        return bodies.transform(self.p, *self.pose(body))

    def contacts(self, body: int) -> list[Touch]:
        """Where a thing touched the table in the last step."""
        points = self.p.getContactPoints(body, self._table, physicsClientId=self.client)
        return [Touch(point[5], point[9]) for point in points if point[9] > 0]

    def local(self, body: int, position: Sequence[float]) -> Array:
        """A point (3,) of the base frame, in the frame of `body`."""
        pose = self.rigid(body)
        return pose[:3, :3].T @ (np.asarray(position) - pose[:3, 3])

    def slip_speed(self, body: int, position: Sequence[float]) -> float:
        """[m/s] along the table of the point of a thing that is at `position`."""
        (vx, vy, _), (wx, wy, wz) = self.p.getBaseVelocity(body, self.client)
        at, _ = self.p.getBasePositionAndOrientation(body, self.client)
        x, y, z = (there - here for there, here in zip(position, at, strict=True))
        return math.hypot(vx + wy * z - wz * y, vy + wz * x - wx * z)

    # -- pictures -----------------------------------------------------------------------------

    def look(
        self,
        base_from_camera: Array,
        hfov_deg: float,
        size: tuple[int, int],
        rng: np.random.Generator,
        light: Light | None = None,
        table: RGB = (0.62, 0.57, 0.52),
    ) -> tuple[CameraFrame, NDArray[np.int32]]:
        """A frame with 1 mm of noise in its depth, and which body each pixel shows (H, W), -1 = the table."""
        p, (w, h), light = self.p, size, light or Light()
        k = intrinsics(hfov_deg, size)
        _, _, rgba, buffer, seg = p.getCameraImage(
            w, h, gl_view(base_from_camera), gl_projection(k, size), lightDirection=light.direction,
            lightColor=light.colour, lightDistance=3.0, shadow=0, lightAmbientCoeff=light.ambient,
            lightDiffuseCoeff=light.diffuse, lightSpecularCoeff=light.specular,
            renderer=p.ER_TINY_RENDERER, physicsClientId=self.client,
        )  # fmt: skip
        seg = np.reshape(seg, (h, w)).astype(np.int32)
        rgb = np.reshape(np.asarray(rgba, np.uint8), (h, w, 4))[..., :3].copy()
        empty = seg < 0
        below, _, _ = meet_table(k, base_from_camera, size)
        below = np.where((below > 0) & (below < FAR), below, FAR)
        depth = np.where(empty, below, metric_depth(np.reshape(buffer, (h, w)).astype(np.float32)))
        depth += 0.001 * rng.standard_normal((h, w))
        rgb[empty] = (np.array(table) * 255 * min(light.ambient + light.diffuse, 1.0)).astype(np.uint8)
        return CameraFrame(rgb, depth.astype(np.float32), k, base_from_camera), seg


class StageSource:
    """Base of sources whose events happen on a stage of their own."""

    hz: ClassVar[float] = 240.0  # physics steps a second

    def __init__(self) -> None:
        self.stage = Stage(self.hz)

    def close(self) -> None:
        """See `Source`."""
        self.stage.close()
