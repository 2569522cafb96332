"""Blocks, cylinders, bowls and the table as PyBullet bodies; the arm is in `sim.world.arm_body`.

Every function takes the `pybullet` module and a client id, so that importing this file opens nothing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from types import ModuleType

import numpy as np

from robots.types import Array
from sim.appearances import bodies as appearances
from sim.appearances.registry import appearance_named
from sim.geometry.shapes import (
    BOWL_FLOOR,
    BOWL_HEIGHT,
    BOWL_INNER,
    BOWL_SIDES,
    EDGE,
    bowl_mesh,
    bowl_walls,
    cylinder_mesh,
)
from sim.world.appearance import RGB
from sim.world.state import ObjectSpec

MASS = {"block": 0.06, "cylinder": 0.055, "bowl": 0.25}  # [kg]
FRICTION = {"block": 0.9, "cylinder": 0.9, "bowl": 0.7}
BOWL_LIFT = 0.001  # [m] of the walls above the table


def quat_about_z(yaw: float) -> tuple[float, float, float, float]:
    """Quaternion (x, y, z, w) of a turn by `yaw` in [rad] about z."""
    return (0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))


def transform(p: ModuleType, position: Sequence[float] | Array, quat_xyzw: Sequence[float] | Array) -> Array:
    """Rigid transform (4, 4) of a pose that PyBullet tells."""
    out = np.eye(4)
    out[:3, :3] = np.array(p.getMatrixFromQuaternion(quat_xyzw)).reshape(3, 3)
    out[:3, 3] = position
    return out


def collision_shape(p: ModuleType, client: int, spec: ObjectSpec) -> int:
    """Collision shape of an object."""
    e = EDGE[spec.size]
    if spec.kind == "block":
        return p.createCollisionShape(p.GEOM_BOX, halfExtents=[e / 2] * 3, physicsClientId=client)
    if spec.kind == "cylinder":
        return p.createCollisionShape(p.GEOM_CYLINDER, radius=e / 2, height=e, physicsClientId=client)
    # Twelve boxes that all touch the table made 48 contacts and cost 300 us a physics step; with the
    # floor as one disc, and the walls ending just above its underside, a bowl costs 15.
    walls = bowl_walls(spec)[:BOWL_SIDES]
    floor_z = (BOWL_FLOOR - BOWL_HEIGHT) / 2
    return p.createCollisionShapeArray(
        shapeTypes=[p.GEOM_BOX] * len(walls) + [p.GEOM_CYLINDER],
        halfExtents=[[half[0], half[1], half[2] - BOWL_LIFT / 2] for _, half, _ in walls] + [[0.0] * 3],
        radii=[0.0] * len(walls) + [BOWL_INNER[spec.size] / 2],
        lengths=[0.0] * len(walls) + [BOWL_FLOOR],
        collisionFramePositions=[
            *([c[0], c[1], c[2] + BOWL_LIFT / 2] for c, _, _ in walls),
            [0.0, 0.0, floor_z],
        ],
        collisionFrameOrientations=[quat_about_z(yaw) for _, _, yaw in walls] + [(0.0, 0.0, 0.0, 1.0)],
        physicsClientId=client,
    )


def visual_shape(p: ModuleType, client: int, spec: ObjectSpec, rgb: RGB, shine: float = 0.0) -> int:
    """Visual shape of an object."""
    look = dict(rgbaColor=[*rgb, 1.0], specularColor=[shine] * 3, physicsClientId=client)
    if spec.look:
        return appearances.visual_shape(p, client, appearance_named(spec.look), spec.size, [*rgb, 1.0])
    e = EDGE[spec.size]
    if spec.kind == "block":
        return p.createVisualShape(p.GEOM_BOX, halfExtents=[e / 2] * 3, **look)
    # PyBullet draws its own cylinder with rounded normals, so that it looks like a capsule
    vertices, indices, normals = _mesh(spec.kind, spec.size)
    return p.createVisualShape(p.GEOM_MESH, vertices=vertices, indices=indices, normals=normals, **look)


@functools.cache
def _mesh(kind: str, size: str) -> tuple[list[list[float]], list[int], list[list[float]]]:
    spec = ObjectSpec("red", kind, size)
    v, i, n = bowl_mesh(spec) if kind == "bowl" else cylinder_mesh(spec)
    return v.tolist(), i, n.tolist()


def make_object(p: ModuleType, client: int, spec: ObjectSpec, rgb: RGB, position, quat, solid: bool) -> int:
    """One object at a pose; without `solid` it is seen but never touched (pictures need no more)."""
    body = p.createMultiBody(
        MASS[spec.kind] if solid else 0.0,
        collision_shape(p, client, spec) if solid else -1,
        visual_shape(p, client, spec, rgb),
        position,
        quat,
        # a rigid body, not a multi-body of one link: half the time of a physics step
        useMaximalCoordinates=int(solid),
        physicsClientId=client,
    )
    if solid:
        p.changeDynamics(
            body, -1, lateralFriction=FRICTION[spec.kind], spinningFriction=0.001, rollingFriction=0.0001,
            restitution=0.0, linearDamping=0.04, angularDamping=0.04, physicsClientId=client,
        )  # fmt: skip
        # Laid out at rest, so asleep until touched: 8 us a physics step less each.
        set_awake(p, client, body, False)
    return body


def set_awake(p: ModuleType, client: int, body: int, awake: bool) -> None:
    """Wake a body, or send it to sleep until something touches it; it may fall asleep by itself."""
    state = p.ACTIVATION_STATE_ENABLE_SLEEPING
    state |= p.ACTIVATION_STATE_WAKE_UP if awake else p.ACTIVATION_STATE_SLEEP
    p.changeDynamics(body, -1, activationState=state, physicsClientId=client)


def make_table(p: ModuleType, client: int) -> int:
    """The table top, z = 0: touched, never drawn (the picture of it is computed, see world.py)."""
    shape = p.createCollisionShape(p.GEOM_BOX, halfExtents=[1.0, 1.0, 0.05], physicsClientId=client)
    # PyBullet draws the collision shape of a body without a visual one: give it a speck far below
    speck = p.createVisualShape(
        p.GEOM_BOX, halfExtents=[1e-4] * 3, visualFramePosition=[0, 0, -50], physicsClientId=client
    )
    body = p.createMultiBody(
        0.0, shape, speck, [0.3, 0.0, -0.05], useMaximalCoordinates=1, physicsClientId=client
    )
    p.changeDynamics(body, -1, lateralFriction=0.8, restitution=0.0, physicsClientId=client)
    return body
