"""An arm that is a safety gate and nothing else, and a clock that the test moves: no flakes by time."""

from __future__ import annotations

import numpy as np

from robots.errors import CommandRejected
from robots.motion.kinematics import fk
from robots.motion.trajectory import joint_motion
from robots.robot import HasCameras, HasGate, Rearmable, Robot
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec
from robots.teleop.shared_robot import SharedArm
from robots.types import CameraFrame, JointCommand, Observation, RobotState


class Clock:
    """[s]; stands still unless told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class GateArm(Robot, Rearmable, HasCameras, HasGate):
    """A `Robot`: at once where its gate lets it be. `sent` is what an arm would be sent, tick by tick."""

    def __init__(self, spec: ArmSpec | None = None, geometry: bool = False) -> None:
        self.spec = spec or ArmSpec.load("panda")
        self.gate = SafetyGate(self.spec, geometry)
        self.gates = 1
        self.q, self.gripper, self.time = np.array(self.spec.q_home), 1.0, 0.0
        self.sent: list[JointCommand] = []
        self.cameras = ("front",)

    def observe(self, cameras=None):
        names = self.cameras if cameras is None else cameras
        images = {name: self.picture() for name in names}
        dq = np.zeros(self.spec.n_joints)
        if len(self.sent) > 1:
            dq = (self.sent[-1].q_target - self.sent[-2].q_target) * self.spec.control_hz
        state = RobotState(self.q.copy(), dq, self.gripper, fk(self.spec, self.q))
        return Observation(images, state, self.time)

    def picture(self):
        depth = np.ones((48, 64), np.float32)
        look_down = np.array([[0, -1.0, 0, 0.45], [-1.0, 0, 0, 0], [0, 0, -1.0, 1.0], [0, 0, 0, 1.0]])
        k = np.array([[80.0, 0, 32], [0, 80.0, 24], [0, 0, 1]])
        return CameraFrame(np.zeros((48, 64, 3), np.uint8), depth, k, look_down)

    def command(self, command: JointCommand) -> JointCommand:
        try:
            sent = self.gate.filter(command, self.q, None, self.time)
        except CommandRejected:
            if self.gate.begun:
                self._be(self.gate.brake(self.time))
            raise
        return self._be(sent)

    def stop(self, reason: str) -> None:
        self.gate.stop(reason)
        while self.gate.begun and not self.gate.at_rest:
            self._be(self.gate.brake(self.time))

    def rearm(self) -> None:
        self.gate.rearm()

    def _be(self, sent: JointCommand) -> JointCommand:
        self.q, self.gripper = sent.q_target.copy(), sent.gripper
        self.time += self.spec.dt
        self.sent.append(sent)
        return sent

    @property
    def path(self) -> np.ndarray:
        """(T, n_joints) of all that was sent."""
        return np.array([c.q_target for c in self.sent]).reshape(-1, self.spec.n_joints)


def shared(arm=None, **more) -> tuple[SharedArm, GateArm, Clock]:
    """A shared arm, what is below it, and the clock it lives by."""
    arm, clock = arm or GateArm(), Clock()
    return SharedArm(arm, clock=clock, **more), arm, clock


def ticks(arm: SharedArm, clock: Clock, n: int) -> None:
    """`n` ticks, time going on with each."""
    for _ in range(n):
        clock.now += arm.spec.dt
        arm.tick()


def worst_change(arm: GateArm) -> float:
    """The largest change of speed between two ticks, as a share of ddq_max * dt."""
    home = arm.spec.q_home[None]  # where it stood, at rest
    speed = np.diff(np.concatenate([home, home, arm.path]), axis=0) * arm.spec.control_hz
    return float((np.abs(np.diff(speed, axis=0)) / (arm.spec.ddq_max * arm.spec.dt)).max())


def somewhere(spec: ArmSpec, rng: np.random.Generator, near: np.ndarray) -> np.ndarray:
    """(n_joints,) within the limits, some way from `near`."""
    return np.clip(near + rng.uniform(-0.6, 0.6, spec.n_joints), spec.q_min + 0.1, spec.q_max - 0.1)


def motion(spec: ArmSpec, q: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """(T, n_joints) as a policy moves."""
    return joint_motion(spec, q, goal)
