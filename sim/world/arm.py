"""SimulatedArm: the `Robot` that stands in a `World`, behind the same safety gate as a real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from robots.errors import CommandRejected
from robots.motion.kinematics import fk
from robots.robot import HasCameras, HasGate, Rearmable, Robot
from robots.safety.gate import SafetyGate
from robots.types import Array, JointCommand, Observation, RobotState
from sim.rendering.camera import Camera, UnknownCamera, cameras_named, check_size
from sim.world.owned import Uncopied
from sim.world.world import PHYSICS_HZ, World

# A stronger finger never comes to rest against the block in 20 solver iterations: it keeps pressing
# in, one side more than the other, until the block jumps out (8 N did, 4 N gave way by millimetres).
FINGER_FORCE = 2.5  # [N]
SETTLE_TICKS = 200  # for a latched arm to come to rest; a tenth is enough from full speed


class SimulatedArm(Uncopied, Robot, Rearmable, HasCameras, HasGate):
    """The arm of a `World` in PyBullet.

    Time is the simulation's: every command takes one control tick. After `world.load` the arm
    begins a new session by itself.

    Args:
        world: where it stands; `world.spec` says which arm it is.
        cameras: what `observe` looks through when not told otherwise; names of `rendering.camera.CAMERAS`, or
            `Camera`s.
        image_size: (width, height) of all pictures in [px]; None = each camera's own.
        geometry: whether the gate minds walls, table and the arm's own body, as on a real arm.
    """

    def __init__(
        self,
        world: World,
        cameras: Sequence[str | Camera] = ("front", "wrist"),
        image_size: tuple[int, int] | None = None,
        geometry: bool = True,
    ) -> None:
        self.world = world
        self._geometry = geometry
        self.spec = world.spec
        self.image_size = None if image_size is None else check_size(image_size)
        self.cameras: Mapping[str, Camera] = cameras_named(cameras)
        self.gate = SafetyGate(self.spec, self._geometry)
        self.substeps = round(PHYSICS_HZ / self.spec.control_hz)
        self.time = 0.0  # [s] simulated since the world was loaded
        self._here = [0.0] * (self.spec.n_joints + 2)  # measured: joints in [rad], then fingers in [m]
        self._states: Sequence[tuple] = ()  # PyBullet's rows: (position, speed, ...) of each of them
        self._generation = -1
        self._body, self._joints = -1, list[int]()
        self._forces = [*self.spec.tau_max.tolist(), FINGER_FORCE, FINGER_FORCE]
        self._speed_limit = [*self.spec.dq_max.tolist(), *[self.spec.gripper_speed / 2] * 2]

    # -- Robot --------------------------------------------------------------------------------

    def observe(self, cameras: Sequence[str] | None = None) -> Observation:
        """State and pictures now. `cameras`: names to look through; None = all, () = state only.

        Raises UnknownCamera, naming those there are.
        """
        names = tuple(self.cameras) if cameras is None else cameras
        if isinstance(names, str):
            raise UnknownCamera(f"cameras={names!r}: must be a sequence of names of {list(self.cameras)}")
        for name in names:
            if name not in self.cameras:
                raise UnknownCamera(f"no camera {name!r}; there are {list(self.cameras)}")
        images = {name: self.world.render(self.cameras[name], self.image_size) for name in names}
        return Observation(images, self.state(), self.time)

    def command(self, command: JointCommand) -> JointCommand:
        """Send one target through the gate and let one control tick pass; returns what was sent.

        Raises CommandRejected on a bad command: the tick is spent braking. Raises FollowingError where the
        arm is not where it was sent: it comes to rest there.
        """
        self._follow_world()
        try:
            sent = self.gate.filter(command, self._here[:-2], self.gripper, self.time)
        except CommandRejected:
            self._brake()
            if self.gate.latched is not None:
                self._come_to_rest()
            raise
        self._drive(sent)
        return sent

    def stop(self, reason: str) -> None:
        """Decelerate within the limits and hold; latched until `rearm`."""
        self._follow_world()
        self.gate.stop(reason)
        self._brake()
        self._come_to_rest()

    def rearm(self) -> None:
        """Take commands again; the first must lie near where the arm is. What moves comes to rest before."""
        if self.gate.holding:
            self._follow_world()
        self.gate.stop("re-armed")
        self._come_to_rest()
        self.gate.rearm()

    def drive(self, sent: JointCommand) -> None:
        """One control tick towards a target that a gate has passed already: the bridge has its own."""
        self._follow_world()
        self._drive(sent)

    # -- what a simulation knows --------------------------------------------------------------

    def state(self) -> RobotState:
        """Joints, gripper and tool frame, without pictures."""
        self._follow_world()
        dq = np.array([row[1] for row in self._states[: self.spec.n_joints]])
        q = np.array(self._here[:-2])
        return RobotState(q, dq, self.gripper, fk(self.spec, q))

    @property
    def q(self) -> Array:
        """(n_joints,) measured in [rad], without the tool frame that `state` works out."""
        self._follow_world()
        return np.array(self._here[:-2])

    def position(self) -> NDArray[np.float32]:
        """(n_joints + 1,) measured joints in [rad] and gripper opening in [0, 1], at one stroke."""
        self._follow_world()
        return np.array([*self._here[:-2], self.gripper], np.float32)

    @property
    def gripper(self) -> float:
        """Measured opening in [0, 1]."""
        opening = (self._here[-2] + self._here[-1]) / self.spec.gripper_width
        return 0.0 if opening < 0.0 else 1.0 if opening > 1.0 else opening

    def hold(self, ticks: int = 1) -> None:
        """Let time pass at rest, for things to settle. It begins no session."""
        self._follow_world()
        for _ in range(ticks):
            self._brake()

    def _follow_world(self) -> None:
        """After the world was rebuilt: find the joints again, read them, begin a new session."""
        world = self.world
        if self._generation == world.generation and world.body is not None:
            return
        arm = world.arm
        self._body, self._joints = arm.body, [*arm.joints, *arm.fingers]
        self._generation = world.generation
        self.gate = SafetyGate(self.spec, self._geometry)
        self.time = 0.0
        self._read()

    def _read(self) -> None:
        self._states = self.world.p.getJointStates(self._body, self._joints, self.world.client)
        self._here = [row[0] for row in self._states]

    def _brake(self) -> None:
        if not self.gate.holding:
            self.gate.hold(self._here[:-2], self.gripper)
        sent = self.gate.brake(self.time, self._here[:-2])
        if self.gate.gives_way:  # the posture comes to the arm, not the arm to the posture
            sent = sent._replace(q_target=np.array(self._here[:-2]))
        self._drive(sent)

    def _come_to_rest(self) -> None:
        for _ in range(SETTLE_TICKS):
            if self.gate.at_rest:
                return
            self._brake()

    def _drive(self, sent: JointCommand) -> None:
        """One control tick: speeds that lead from where the joints are to the target, then physics.

        PyBullet: a position motor overshoots the speed limits on a step and never quite arrives;
        the speed that takes one tick to get there does neither, and is corrected every tick. An arm of
        which a joint is farther from its target than a tick and a following error lead (pushed aside, or
        placed elsewhere) stays where it is: it would jump back with all its force.
        """
        spec, world = self.spec, self.world
        finger, hz = sent.gripper * spec.gripper_width / 2, spec.control_hz
        target = [*sent.q_target.tolist(), finger, finger]
        speed = []
        for there, now, limit in zip(target, self._here, self._speed_limit, strict=True):
            wanted = (there - now) * hz
            speed.append(limit if wanted > limit else -limit if wanted < -limit else wanted)
        if any(
            not abs(there - now) <= limit / hz + spec.following_error
            for there, now, limit in zip(target[:-2], self._here, self._speed_limit, strict=False)
        ):
            speed[:-2] = [0.0] * spec.n_joints
        p = world.p
        p.setJointMotorControlArray(
            self._body,
            self._joints,
            p.VELOCITY_CONTROL,
            targetVelocities=speed,
            forces=self._forces,
            physicsClientId=world.client,
        )
        world.step(self.substeps)
        self.time += spec.dt
        self._read()
