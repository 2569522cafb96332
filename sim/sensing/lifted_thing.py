"""An arm that lifts something, or nothing: force and torque at its wrist, and its own state."""

from __future__ import annotations

import numpy as np

from robots.errors import Unreachable
from robots.motion.kinematics import reach_down
from robots.senses import WrenchSignal
from robots.spec import ArmSpec
from robots.types import Array, JointCommand
from sim.sensing.base import Sensed
from sim.world.arm import SimulatedArm
from sim.world.bodies import quat_about_z
from sim.world.scene import Placed, Scene
from sim.world.state import ObjectSpec
from sim.world.world import World

TICKS = 16  # of the signal, at the arm's control rate
SETTLE = 4  # ticks before it, in which the hand closes
LIFT = 0.04  # [m]
HEIGHT = 0.16  # [m] at which the thing is taken, in the air: the table is not part of the question
WEIGHTS = {"light": (0.05, 0.09), "heavy": (0.18, 0.25)}  # [kg]
NOISE_N, NOISE_NM = 0.08, 0.01  # standard deviation of the sensor
SIDE = 0.10  # [m] from the middle, beyond which the tool is left or right
EDGE = 0.034  # [m] of the block that is held


class LiftedThing:
    """Facts: `held` (nothing, light, heavy), `place` of the tool, `gripper` (open, closed) if empty."""

    def __init__(self) -> None:
        self.spec = ArmSpec.load("panda")
        self.world = World("fast", self.spec)
        self.arm = SimulatedArm(self.world, cameras=(), geometry=False)
        block = ObjectSpec("red", "block", "small")
        self.scene = Scene((Placed(block, (0.5, 0.0, EDGE / 2), 0.0),), (None,))
        self._ready = False

    def close(self) -> None:
        """See `Source`."""
        self.world.close()

    def draw(self, rng: np.random.Generator) -> Sensed:
        """One lift, somewhere over the table."""
        if not self._ready:
            self.world.load(self.scene)
            arm = self.world.arm
            self.world.p.enableJointForceTorqueSensor(arm.body, arm.hand, True, self.world.client)
            self._ready = True
        held = str(rng.choice(["nothing", "light", "heavy"]))
        while True:
            # left, right and centre alike
            side = float(rng.choice([-1, 0, 1]))
            y = side * (SIDE + 0.09) + rng.uniform(-0.07, 0.07)
            xyz, yaw = np.array([rng.uniform(0.38, 0.58), y, HEIGHT]), float(rng.uniform(0, np.pi))
            try:
                q0 = reach_down(self.spec, xyz, yaw)
                q1 = reach_down(self.spec, xyz + [0, 0, LIFT], yaw)
            except Unreachable:
                continue
            if np.abs(q1 - q0).max() > 0.5:
                continue
            signal, slipped = self._lift(q0, q1, held, rng)
            if not slipped:
                break
        state = self.arm.state()
        y = float(state.base_from_ee[1, 3])
        truth = {"held": held, "place": "centre" if abs(y) < SIDE else "left" if y > 0 else "right"}
        if held == "nothing":
            truth["gripper"] = "open" if state.gripper > 0.5 else "closed"
        return Sensed({"wrist": WrenchSignal(signal, self.spec.control_hz), "proprioception": state}, truth)

    def _lift(self, q0: Array, q1: Array, held: str, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
        """The signal (TICKS, 6), and whether the thing fell out of the hand."""
        world, arm = self.world, self.arm
        body, p, c = world.body_ids[0], world.p, world.client
        opening = float(rng.choice([0.0, 1.0])) if held == "nothing" else EDGE / self.spec.gripper_width
        world.set_arm(q0, opening)
        if held == "nothing":
            p.resetBasePositionAndOrientation(body, (0.5, 0.0, -5.0), (0, 0, 0, 1), physicsClientId=c)
        else:
            pose = world.base_from_ee()
            p.changeDynamics(body, -1, mass=rng.uniform(*WEIGHTS[held]), physicsClientId=c)
            upright = quat_about_z(float(np.arctan2(pose[1, 0], pose[0, 0])))  # between the fingers
            p.resetBasePositionAndOrientation(body, pose[:3, 3].tolist(), upright, physicsClientId=c)
        p.resetBaseVelocity(body, [0, 0, 0], [0, 0, 0], physicsClientId=c)
        grip = opening if held == "nothing" else 0.0
        rows = []
        for k in range(SETTLE + TICKS):
            share = float(np.clip((k - SETTLE) / (TICKS - 4), 0, 1))
            share = share * share * (3 - 2 * share)
            arm.drive(JointCommand(q0 + share * (q1 - q0), grip, k, 0.0))
            rows.append(p.getJointState(world.arm.body, world.arm.hand, c)[2])
        signal = np.array(rows[SETTLE:], np.float32)
        signal[:, :3] += rng.normal(0, NOISE_N, (TICKS, 3))
        signal[:, 3:] += rng.normal(0, NOISE_NM, (TICKS, 3))
        slipped = held != "nothing" and world.held() != 0
        return signal, slipped
