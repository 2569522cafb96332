"""The oracle: carries a step out knowing the true poses, through the same `Robot.command` as a policy.

It shows what the arm can do at best, and its demonstrations teach the learned policies. With
`noise` it lets itself be pushed off its way now and then and shows how to come back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from robots.errors import Unreachable
from robots.executor import Executor
from robots.motion.kinematics import fk, reach_down
from robots.motion.pick_place import go_to, grip, rise, ticks_to_move
from robots.motion.trajectory import joint_motion
from robots.skills import Step
from robots.types import ActionChunk, Array, JointCommand, RobotState
from sim.geometry.footprints import yaws_of
from sim.geometry.grasps import NoRoom
from sim.geometry.keypoints import Keypoints, find_keypoints
from sim.geometry.shapes import width
from sim.tasks.steps import apply_step, indices
from sim.world.arm import SimulatedArm
from sim.world.scene_state import judge
from sim.world.state import SceneState

MISSED = 0.008  # [m] the fingers may close more than the object is wide before it counts as missed
NOISE_REACH = 0.04  # [m] a push at noise 1 moves the tool, one standard deviation


@dataclass(frozen=True)
class Tick:
    """One control tick of a demonstration.

    Attributes:
        phase: "approach", "grip", "carry", "release" or "retreat".
        robot: state before the command.
        q_target, gripper: (n_joints,) what the oracle asked for.
        sent: what the gate let through.
        keypoints: the step's, as the oracle sees them now.
        clean: False while the arm is being pushed off its way: not to be imitated.
    """

    phase: str
    robot: RobotState
    q_target: Array
    gripper: float
    sent: JointCommand
    keypoints: Keypoints
    clean: bool


class Oracle:
    """Executes steps of the skill grammar on a `SimulatedArm`.

    Args:
        arm: in a loaded world.
        noise: how far and how often it is pushed off its way, 0 = never, 1 = strongly.
        rng: for the noise.
        attempts: grasps tried before it gives up.
        home: whether to go back out of the camera's view at the end.
        on_tick: sees every control tick (demonstrations).
    """

    def __init__(
        self,
        arm: SimulatedArm,
        *,
        noise: float = 0.0,
        rng: np.random.Generator | None = None,
        attempts: int = 3,
        home: bool = True,
        on_tick: Callable[[Tick], None] | None = None,
    ) -> None:
        self.arm, self.world, self.spec = arm, arm.world, arm.spec
        self.noise, self.rng = noise, np.random.default_rng(0) if rng is None else rng
        self.attempts, self.home, self.on_tick = attempts, home, on_tick
        self.executor = Executor(arm, blend=0)

    def execute(self, step: Step) -> bool:
        """Carry out `step`; `obj_2` names the second object.

        Returns:
            Whether the thing now rests where the step says.

        Raises:
            BadStep: it names an `obj_k` that is not there.
            IllegalStep: it is not possible as things stand.
        """
        if step.is_done:
            return True
        before = judge(self.world)
        step = step.resolve([spec.name for spec in before.objects])
        apply_step(before, step)  # refuses what cannot be done
        i, j = indices(before, step)
        for _ in range(self.attempts):
            try:
                keypoints = self.keypoints(i, j)
                if not self._pick(i, keypoints):
                    continue
            except (Unreachable, NoRoom):
                return False
            self._place(self.keypoints(i, j, keypoints))
            self.arm.hold(3)
            after = judge(self.world)
            if _achieved(after, i, j):
                return True
            if not after.is_clear(i):
                return False
        return False

    def keypoints(self, i: int, j: int | None, picked: Keypoints | None = None) -> Keypoints:
        """Where to grasp `i` and where to put it (in, on `j`; None = table), from the true poses.

        Args:
            picked: the key points `i` was grasped by, once it is in the hand.

        Raises:
            Unreachable: no grasp within the joint limits. NoRoom: the table is full.
        """
        objects = self.world.specs
        positions, quats = self.world.poses()
        yaws, holder = yaws_of(objects, quats), judge(self.world).holder
        return find_keypoints(self.spec, objects, positions, yaws, holder, i, j, self.q, picked)

    # -- the parts of a step ------------------------------------------------------------------

    def _pick(self, i: int, k: Keypoints) -> bool:
        """Grasp `i` and lift it. Returns whether it is in the hand."""
        spec = self.spec
        self._maybe_pushed("approach", k, k.pick_opening)
        self._send("approach", go_to(spec, self.q, k.pick_xyz, k.pick_yaw, k.travel_z, k.pick_opening), k)
        held = width(self.world.specs[i]) / spec.gripper_width
        self._send("grip", grip(spec, self.q, 0.0, ticks_to_move(spec, k.pick_opening, held, 3)), k)
        self._send("carry", rise(spec, self.q, k.travel_z, 0.0), k)
        if self.arm.gripper > held - MISSED / spec.gripper_width:
            return True
        self._send("release", grip(spec, self.q, k.pick_opening, 3), k)
        return False

    def _place(self, k: Keypoints) -> None:
        """Carry what is in the hand to its place, let go and leave."""
        spec = self.spec
        self._maybe_pushed("carry", k, 0.0)
        self._send("carry", go_to(spec, self.q, k.place_xyz, k.place_yaw, k.travel_z, 0.0), k)
        ticks = ticks_to_move(spec, 0.8 * k.place_opening, k.place_opening, 2)
        self._send("release", grip(spec, self.q, k.place_opening, ticks), k)
        z = max(k.travel_z, float(k.place_xyz[2]) + 0.03)
        self._send("retreat", rise(spec, self.q, z, k.place_opening, home=self.home), k)

    def _maybe_pushed(self, phase: str, k: Keypoints, gripper: float) -> None:
        """With noise: drift to somewhere off the way, which is not to be imitated."""
        if not self.rng.uniform() < min(self.noise, 1.0):
            return
        target = k.pick_xyz if phase == "approach" else k.place_xyz
        here = fk(self.spec, self.q)[:3, 3]
        between = here + self.rng.uniform(0.3, 1.1) * (target - here)
        between += self.rng.normal(0.0, NOISE_REACH * self.noise, 3)
        between[2] = max(between[2], k.travel_z)
        yaw = k.pick_yaw if phase == "approach" else k.place_yaw
        try:
            q = reach_down(self.spec, between, yaw + self.rng.normal(0.0, 0.3 * self.noise), self.q)
        except Unreachable:
            return
        drift = joint_motion(self.spec, self.q, q, self.rng.uniform(0.5, 1.0))
        n = int(self.rng.integers(1, len(drift) + 1))
        chunk = ActionChunk(drift[:n], np.full(n, gripper), self.spec.control_hz)
        self._send(phase, chunk, k, clean=False)

    @property
    def q(self) -> Array:
        """(n_joints,) where the arm was last told to be: planning on from the commanded state."""
        return self.arm.gate.q.copy() if self.arm.gate.holding else self.arm.state().q

    def _send(self, phase: str, chunk: ActionChunk, k: Keypoints, clean: bool = True) -> None:
        for q_target, gripper in zip(chunk.q_targets, chunk.gripper, strict=True):
            robot = self.arm.state() if self.on_tick else None
            sent = self.executor.send(q_target, float(gripper))
            if self.on_tick and robot is not None:
                self.on_tick(Tick(phase, robot, q_target, float(gripper), sent, k, clean))


def _achieved(state: SceneState, i: int, j: int | None) -> bool:
    """True when `i` rests where it was to be put; in a bowl it may lie on something that is in it."""
    if j is not None and state.objects[j].kind == "bowl":
        return state.container(i) == j
    return state.holder[i] == j
