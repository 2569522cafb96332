"""A person for experiments: watches a step, takes the arm when it goes wrong, finishes by hand, hands back.

It sees the simulator's own state, as a person sees the table. It acts through the shared arm alone, as the
holder of a leader arm that the arm follows: buttons, and joints to follow; it never commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from robots.errors import Unreachable
from robots.motion.pick_place import EMPTY, go_to, grip, rise
from robots.skills import Step
from robots.spec import ArmSpec
from robots.teleop.teleop_actions import LeaderJoints, Reading
from robots.types import ActionChunk, Array, RobotState
from sim.geometry.footprints import yaws_of
from sim.geometry.grasps import NoRoom
from sim.geometry.keypoints import Keypoints, find_keypoints
from sim.geometry.shapes import BOWL_INNER, height, width
from sim.tasks.steps import apply_step, indices
from sim.world.scene_state import judge
from sim.world.world import World

NEAR = 0.02  # [m] above a thing, or its place, within which the fingers are about to close, or to let go
BESIDE = 0.009  # [m] sideways that a grasp may be off and still hold
ON_BESIDE = 0.011  # [m] sideways that a thing may be off what it is put on; over a bowl, the wall's inside
SPEED = 0.5  # share of the planned speeds: what `hand.joint_share` lets through
ARRIVED, PATIENCE = 0.002, 12  # [rad] to the end of a stretch, and ticks that are waited for it
REST = 0.02  # [rad/s]
TRIES = 3


@dataclass(frozen=True)
class Habits:
    """How a person watches.

    Attributes:
        reaction: ticks from seeing that it goes wrong to taking the arm; 4 are 0.2 s at 20 Hz.
        attention: share of the steps in which it sees that the fingers are about to close, or to open, beside
            where they should; else it sees only that they have closed on nothing.
    """

    reaction: int = 4
    attention: float = 0.6


class SimulatedOperator:
    """A `Teleoperator`; see the module.

    Args:
        spec: of the arm.
        world: what it sees.

    Attributes:
        corrected: whether it has taken the arm since `watch`.
    """

    name = "person"

    def __init__(self, spec: ArmSpec, world: World, habits: Habits | None = None) -> None:
        self.spec, self.world, self.habits = spec, world, habits or Habits()
        self.corrected = False
        self._watching = False
        self._script: Iterator[Reading] | None = None

    def connect(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to let go of."""

    def watch(self, step: Step, seed: int = 0) -> None:
        """`step` is about to be done. `seed`: draws how closely it watches."""
        self._before = judge(self.world)
        apply_step(self._before, step)  # refuses what cannot be done
        self._i, self._j = indices(self._before, step)
        self._watching = True
        self.corrected, self._wrong, self._script, self._z = False, 0, None, np.inf
        self._close = bool(np.random.default_rng([seed, 7]).uniform() < self.habits.attention)

    def achieved(self) -> bool:
        """Whether the thing rests where the step says, and not in the hand."""
        after = judge(self.world)
        if self._j is not None and self._before.objects[self._j].kind == "bowl":
            return self.world.held() is None and after.container(self._i) == self._j
        return self.world.held() is None and after.holder[self._i] == self._j

    def read(self, follower: RobotState) -> Reading:
        """What the hand says at this tick."""
        self._follower = follower
        if not self._watching:
            return Reading()
        if self._script is None:
            self._wrong = self._wrong + 1 if self._wrong or self._goes_wrong(follower) else 0
            if self._wrong <= self.habits.reaction:
                return Reading()
            self.corrected, self._script = True, self._by_hand()
        return next(self._script, Reading())

    # -- what it sees -------------------------------------------------------------------------

    def _goes_wrong(self, follower: RobotState) -> bool:
        tool = follower.base_from_ee[:3, 3]
        down, self._z = tool[2] < self._z - 1e-4, float(tool[2])
        held = self.world.held()
        if held is None:
            top, xy = self._top(self._i)
            beside = float(np.hypot(*(tool[:2] - xy))) > BESIDE
            below = tool[2] < top + NEAR
            missed = follower.gripper < EMPTY
            return bool(below and (missed or (self._close and beside and down))) and not self.achieved()
        if held != self._i:
            return True
        if self._j is None or not self._close:
            return False
        top, xy = self._top(self._j)
        on = self._before.objects[self._j]
        most = BOWL_INNER[on.size] / 2 if on.kind == "bowl" else ON_BESIDE
        low = tool[2] < top + width(self.world.specs[self._i]) / 2 + NEAR
        return bool(low and down and np.hypot(*(tool[:2] - xy)) > most)

    def _top(self, k: int) -> tuple[float, Array]:
        """Height of the top of thing `k` and (2,) where its middle is, [m]."""
        position = self.world.poses()[0][k]
        return float(position[2] + height(self.world.specs[k]) / 2), position[:2]

    def _keypoints(self, picked: Keypoints | None = None) -> Keypoints:
        positions, quats = self.world.poses()
        specs = self.world.specs
        holder, yaws = judge(self.world).holder, yaws_of(specs, quats)
        q = self._follower.q
        return find_keypoints(self.spec, specs, positions, yaws, holder, self._i, self._j, q, picked)

    # -- what it does -------------------------------------------------------------------------

    def _by_hand(self) -> Iterator[Reading]:
        yield Reading(buttons=("take",))
        yield from self._rest()
        try:
            yield from self._finish()
        except (Unreachable, NoRoom):  # beyond it too: it hands back what it cannot mend
            pass
        yield from self._rest()
        yield Reading(buttons=("hand_back",))

    def _finish(self) -> Iterator[Reading]:
        if self.world.held() not in (None, self._i):  # put the wrong thing down where it is
            yield from self._still(1.0, 8)
        picked: Keypoints | None = None
        for _ in range(TRIES):
            if self.world.held() == self._i:
                break
            picked = k = self._keypoints()
            yield from self._go(k.pick_xyz, k.pick_yaw, k.travel_z, k.pick_opening)
            yield from self._still(0.0, 12)
            yield from self._follow(rise(self.spec, self._follower.q, k.travel_z, 0.0, speed=SPEED))
        else:
            if self.world.held() != self._i:
                return
        k = self._keypoints(picked or self._keypoints())
        yield from self._go(k.place_xyz, k.place_yaw, k.travel_z, 0.0)
        yield from self._still(k.place_opening, 6)
        z = max(k.travel_z, float(k.place_xyz[2]) + 0.05)
        yield from self._follow(rise(self.spec, self._follower.q, z, k.place_opening, home=True, speed=SPEED))

    def _go(self, xyz: Array, yaw: float, travel_z: float, opening: float) -> Iterator[Reading]:
        q = self._follower.q
        yield from self._follow(go_to(self.spec, q, xyz, yaw, travel_z, opening, speed=SPEED))

    def _still(self, opening: float, ticks: int) -> Iterator[Reading]:
        yield from self._follow(grip(self.spec, self._lead, opening, ticks), settle=False)

    def _follow(self, chunk: ActionChunk, settle: bool = True) -> Iterator[Reading]:
        """Lead along `chunk`, and at its end until the arm is there, as the hand sees it."""
        for q, opening in zip(chunk.q_targets, chunk.gripper, strict=True):
            self._lead = q
            yield Reading(LeaderJoints(q, float(opening)))
        goal, opening = chunk.q_targets[-1], float(chunk.gripper[-1])
        for _ in range(PATIENCE if settle else 0):
            gap = goal - self._follower.q
            if np.abs(gap).max() < ARRIVED:
                break
            self._lead = self._lead + 0.5 * gap
            yield Reading(LeaderJoints(self._lead, opening))

    def _rest(self) -> Iterator[Reading]:
        for _ in range(30):
            yield Reading()
            if np.abs(self._follower.dq).max() < REST:
                break
        self._lead = self._follower.q
