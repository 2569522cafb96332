"""A cabinet with three drawers, one of which may be pulled open: its parts and joints."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from robots.senses import Joint, Part, PartAssembly
from sim.sensing.base import Sensed
from sim.sensing.stage import StageSource
from sim.world.bodies import quat_about_z, transform

DRAWERS = ("bottom", "middle", "top")  # as links are numbered
DEEP, WIDE, HIGH = 0.20, 0.24, 0.07  # [m] of a drawer
GAP = 0.01
STROKE = 0.15  # [m] that a drawer comes out
FRICTION = 2.0  # [N] of its runners
MASS = 0.5  # [kg]
OPEN, SHUT = (
    0.05,
    0.02,
)  # [m]: a drawer farther out than the first is open, less far than the second shut


class Cabinet(StageSource):
    """Fact: `open`, the drawer that was pulled: top, middle, bottom or none."""

    hz = 120.0

    def draw(self, rng: np.random.Generator) -> Sensed:
        """A cabinet anywhere within reach, drawers not quite shut, one pulled by some force for some time."""
        stage = self.stage
        while True:
            stage.reset()
            body = self._build(rng)
            p, c = stage.p, stage.client
            wanted = str(rng.choice([*DRAWERS, "none"]))
            if wanted != "none":
                force, seconds = rng.uniform(5.0, 9.0), rng.uniform(0.15, 0.4)
                for _ in range(round(seconds * stage.hz)):
                    p.applyExternalForce(
                        body, DRAWERS.index(wanted), [force, 0, 0], [0, 0, 0], p.LINK_FRAME, c
                    )
                    stage.step()
            stage.step(round(0.3 * stage.hz))
            assembly = assembly_of(p, c, body, (0.0, STROKE))
            out = [part.value for part in assembly.parts if part.joint == "slide"]
            opened = [name for name, value in zip(DRAWERS, out, strict=True) if value > OPEN]
            if len(opened) <= 1 and all(value > OPEN or value < SHUT for value in out):
                order = rng.permutation(len(assembly))
                shuffled = PartAssembly(tuple(assembly.parts[int(k)] for k in order))
                return Sensed({"joints": shuffled}, {"open": opened[0] if opened else "none"})

    def _build(self, rng: np.random.Generator) -> int:
        p, c = self.stage.p, self.stage.client
        pitch = HIGH + GAP
        drawer = p.createCollisionShape(
            p.GEOM_BOX, halfExtents=[DEEP / 2, WIDE / 2, HIGH / 2], physicsClientId=c
        )
        back = p.createCollisionShape(
            p.GEOM_BOX, halfExtents=[0.005, WIDE / 2, 1.5 * pitch], physicsClientId=c
        )
        yaw, lift = rng.uniform(-0.8, 0.8), rng.uniform(0.0, 0.4)
        place = [rng.uniform(0.4, 0.6), rng.uniform(-0.2, 0.2), 1.5 * pitch + lift]
        n = len(DRAWERS)
        body: int = p.createMultiBody(
            0, back, -1, place, quat_about_z(yaw),
            linkMasses=[MASS] * n, linkCollisionShapeIndices=[drawer] * n, linkVisualShapeIndices=[-1] * n,
            linkPositions=[[DEEP / 2 + 0.01, 0, (k - 1) * pitch] for k in range(n)],
            linkOrientations=[[0, 0, 0, 1]] * n, linkInertialFramePositions=[[0, 0, 0]] * n,
            linkInertialFrameOrientations=[[0, 0, 0, 1]] * n, linkParentIndices=[0] * n,
            linkJointTypes=[p.JOINT_PRISMATIC] * n, linkJointAxis=[[1, 0, 0]] * n, physicsClientId=c,
        )  # fmt: skip
        for k in range(n):
            p.changeDynamics(body, k, jointLowerLimit=0.0, jointUpperLimit=STROKE, physicsClientId=c)
            p.setJointMotorControl2(
                body, k, p.VELOCITY_CONTROL, targetVelocity=0, force=FRICTION, physicsClientId=c
            )
            p.resetJointState(body, k, rng.uniform(0, 0.8 * SHUT), physicsClientId=c)
        return body


def assembly_of(
    p: ModuleType, client: int, body: int, limits: tuple[float, float] | None = None
) -> PartAssembly:
    """The base and every link of a body in PyBullet, an arm as well as a cabinet.

    Args:
        p: the `pybullet` module.
        client: PyBullet's client id.
        body: PyBullet's body id.
        limits: of every joint; None = those of its URDF. PyBullet tells no others.
    """
    kinds: dict[int, Joint] = {p.JOINT_REVOLUTE: "hinge", p.JOINT_PRISMATIC: "slide"}
    position, quat = p.getBasePositionAndOrientation(body, client)
    parts = [Part(transform(p, position, quat))]
    for k in range(p.getNumJoints(body, client)):
        info, state = p.getJointInfo(body, k, client), p.getJointState(body, k, client)
        link = p.getLinkState(body, k, computeForwardKinematics=1, physicsClientId=client)
        joint = kinds.get(info[2], "fixed")
        value, lower, upper = (state[0], *(limits or info[8:10])) if joint != "fixed" else (0.0, 0.0, 0.0)
        parts.append(Part(transform(p, link[4], link[5]), joint, value, lower, upper))
    return PartAssembly(tuple(parts))
