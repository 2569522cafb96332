"""One task family as a gymnasium environment: joint targets in, pictures and joint positions out."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from robots.errors import CommandRejected, FollowingError
from robots.spec import ArmSpec
from robots.types import JointCommand
from sim.data.scene_sampler import SceneDoesNotFit, layout
from sim.envs import options as check
from sim.envs.actions import ActionReader
from sim.envs.features import SIZE, Features
from sim.envs.options import UnknownOption
from sim.envs.register import MAX_EPISODE_STEPS
from sim.tasks import SPLITS, Task, family_named, sample
from sim.world.arm import SimulatedArm
from sim.world.scene import Scene
from sim.world.scene_state import judge
from sim.world.world import LOOKS, World

__all__ = ["NotRepeated", "TabletopEnv", "UnknownOption"]

MOVED = 0.002  # [m] an object moves before success is looked at again
RENDER_SIZE = (480, 352)
OBSERVATIONS = ("pixels", "state")
_OF_THE_WORLD = ("world", "arm", "current", "task_description", "_scene", "_sent", "_features", "_rows")
Row = tuple[tuple[float, float, float], tuple[float, float, float, float]]  # position, quat_xyzw


@dataclass(frozen=True)
class _Episode:
    """How an episode came about: what stood there, each command (q_target, gripper, seq, t_mono) since."""

    task: Task
    scene: Scene
    sent: list[Any]
    reached: NDArray[np.float64]


class NotRepeated(gymnasium.error.ResetNeeded):
    """The running episode of a copied environment cannot be brought about again: `reset` the copy."""


class TabletopEnv(gymnasium.Env):
    """An arm at a table with blocks, cylinders and bowls, and a sentence to fulfil.

    Observation: `agent_pos` float32 (n_joints + 1,), joints in [rad] and gripper opening in [0, 1];
    with `observation="pixels"` also `pixels`, uint8 (H, W, 3) for each camera; with
    `observation="state"` (no pictures: the fast path) `environment_state` float32 (288,), see
    `sim.envs.features`.

    Action: (n_joints + 1,) numbers, joint targets in [rad] and gripper opening, each tick through the arm's
    safety gate: a far target is approached within the limits; one outside the action space by less than the
    slack of `sim.envs.actions` is clamped to it; any other, NaN too, raises `CommandRejected`.

    Reward: 1 when the task is done (which ends the episode), else 0. `info` holds `is_success`,
    `success` and `task_description`. An arm that is blocked (pressed against the table, say) for longer than
    its `ArmSpec` allows is stopped, which ends the episode too; `info["fault"]` then names joint and limit.

    An environment dropped without `close` gives its world back too. A copy (`copy.deepcopy`, pickle) has a
    world of its own; at the first use other than `reset` it repeats the commands of its original's episode
    there, which ends in the same state to the bit.

    Args:
        family: name in `sim.tasks.TASKS`.
        robot: name of an arm in configs/robot.
        render_mode: None or "rgb_array".
        observation: "pixels" or "state".
        cameras: names of `sim.rendering.camera.CAMERAS`.
        image_size: of all pictures in [px], one number or (width, height).
        control_hz: commands a second; a divisor of 120.
        split: phrasings and colour pairs, see `sim.tasks.SPLITS`.
        n_distractors: objects that the sentence does not name, in [0, 10], fewer where the table is full (12
            objects in all); None = drawn.
        look: "fast" or "photo", for `render`.
        geometry: whether the gate also keeps the arm in its box, above the table and off itself, as on a real
            arm; the joints' limits are kept in any case.
        unknown: refused, naming the closest keyword.

    Raises:
        UnknownOption: a keyword or value that does not exist, naming the legal ones.
        UnknownTask, UnknownRobot: no such family or arm.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012 (gymnasium's)

    def __init__(
        self,
        family: str,
        robot: str = "panda",
        render_mode: str | None = None,
        observation: str = "pixels",
        cameras: Sequence[str] = ("front", "wrist"),
        image_size: int | tuple[int, int] = 128,
        control_hz: float = 20,
        split: str = "train",
        n_distractors: int | None = None,
        look: str = "fast",
        geometry: bool = False,
        **unknown: Any,
    ) -> None:
        check.closest("keyword", unknown, _KEYWORDS)
        family_named(family)
        self.family = self.task = family
        self.split = check.one_of("split", split, SPLITS)
        self.n_distractors = check.distractors(n_distractors)
        self.render_mode = check.one_of("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        self.observation = check.one_of("observation", observation, OBSERVATIONS)
        self.cameras = check.names_of_cameras(cameras, observation == "pixels")
        self.image_size = width, height = check.picture_size(image_size)
        self.look = check.one_of("look", look, LOOKS)
        self.geometry = check.flag("geometry", geometry)
        if not isinstance(robot, str):
            check.one_of("robot", robot, ArmSpec.available())
        hz = check.rate(control_hz)
        self.metadata = {**self.metadata, "render_fps": control_hz}
        self._max_episode_steps = round(MAX_EPISODE_STEPS[family] * hz / 20)
        spec = self._arm_spec = replace(ArmSpec.load(robot), control_hz=hz)
        self.action_space = spaces.Box(
            np.append(spec.q_min, 0.0).astype(np.float32), np.append(spec.q_max, 1.0).astype(np.float32)
        )
        shown: dict[str, spaces.Space] = {
            "agent_pos": spaces.Box(-np.inf, np.inf, (spec.n_joints + 1,), np.float32)
        }
        if observation == "state":
            shown["environment_state"] = spaces.Box(-np.inf, np.inf, (SIZE,), np.float32)
        else:
            picture = spaces.Box(0, 255, (height, width, 3), np.uint8)
            shown["pixels"] = spaces.Dict({name: picture for name in self.cameras})
        self.observation_space = spaces.Dict(shown)
        self._actions = ActionReader(spec)
        self._closed = False
        self._stand()

    def _stand(self) -> None:
        """A world of its own, without an episode."""
        self.world = World(self.look, self._arm_spec)
        self.arm = SimulatedArm(self.world, self.cameras, self.image_size, self.geometry)
        self.task_description = ""
        self.current: Task | None = None
        self._scene: Scene | None = None
        self._sent: list[JointCommand] = []  # since `reset`
        self._to_repeat: _Episode | None = None  # of a copy's original
        self._features: Features | None = None
        self._seq = 0
        self._rows: list[Row] = []  # poses of the objects now
        self._judged: NDArray[np.float64] = np.zeros((0, 7))  # and when success was last looked at
        self._gripped, self._success = False, False

    # -- gymnasium ----------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A new sentence and scene; on one machine the same seed gives the same ones, bit by bit.

        Args:
            seed: a whole number of at least 0.
            options: `{"task": Task, "scene": Scene}` to play those.

        Raises:
            UnknownOption: `options` with another key or value, naming the legal ones.
            BadSeed: a negative seed, or not a whole number.
            ClosedEnvironmentError: after `close`.
        """
        self._check_open("reset")
        given = check.episode_of(options, self.family)
        super().reset(seed=check.seed_of(seed))
        self._to_repeat = None
        self._begin(*(self._draw() if given is None else given))
        return self._observe(), self._info()

    def _begin(self, task: Task, scene: Scene) -> None:
        self.current, self.task_description, self._scene = task, task.instruction, scene
        self._features = Features(task, scene.state)
        self.world.load(scene)
        self._seq, self._sent = 0, []
        # The session begins with the arm staying where it is: any target may come next.
        self.arm.command(JointCommand(self.arm.q, self.arm.gripper, self._seq, self.arm.time))
        self._rows = self._read_poses()
        self._judge()

    def step(self, action: NDArray[np.float32]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """One control tick; truncated after as much time as its family has, whatever `control_hz`.

        Raises:
            CommandRejected: `action` is not finite, of another shape or type, or far outside the limits: no
                time passes, and the episode can go on. The gate refuses (the arm is latched, as after a
                `fault`): one tick of braking passes.
            ResetNeeded: before `reset`.
            ClosedEnvironmentError: after `close`.
        """
        self._check_running("step")
        values = self._actions.read(action)
        self._seq += 1
        command = JointCommand(values[:-1], float(values[-1]), self._seq, self.arm.time)
        self._sent.append(command)
        fault = ""
        try:
            self.arm.command(command)
        except FollowingError as error:  # an action may well lead into the table: that is no caller's mistake
            fault = str(error)
        self._follow()
        late, info = self._seq >= self._max_episode_steps, self._info()
        if fault:
            info["fault"] = fault
        return self._observe(), float(self._success), self._success or bool(fault), late, info

    def render(self) -> NDArray[np.uint8] | None:
        """The front camera's picture (352, 480, 3), or None without a render mode.

        Raises:
            ResetNeeded: before `reset`.
            ClosedEnvironmentError: after `close`.
        """
        if self.render_mode is None:
            self._check_open("render")
            return None
        self._check_running("render")
        return self.world.render("front", RENDER_SIZE, depth=False).rgb

    def close(self) -> None:
        """Give PyBullet back. Idempotent."""
        self._closed, self.current, self._to_repeat = True, None, None
        self.world.close()

    # -- copies -------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Settings and generators, and in place of the world how its state came about."""
        kept = {k: v for k, v in self.__dict__.items() if k not in _OF_THE_WORLD}
        for name in ("_np_random", "action_space", "observation_space"):  # they hold generators
            kept[name] = copy.deepcopy(kept[name]) if name in kept else None
        repeat = self._to_repeat
        if self.current is not None and self._scene is not None:
            sent = [(c.q_target.tolist(), c.gripper, c.seq, c.t_mono) for c in self._sent]
            repeat = _Episode(self.current, self._scene, sent, self._reached())
        return {**kept, "_to_repeat": repeat}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A world of its own: PyBullet opens when it is used."""
        self.__dict__.update(state)
        self._stand()
        self._to_repeat = state["_to_repeat"]

    def _reached(self) -> NDArray[np.float64]:
        """Joints, fingers and objects as they are now."""
        return np.concatenate([self.arm.q, [self.arm.gripper], _matrix(self._read_poses()).ravel()])

    def _repeat(self, episode: _Episode) -> None:
        self._to_repeat = None
        self._begin(episode.task, episode.scene)
        for q_target, *rest in episode.sent:
            command = JointCommand(np.array(q_target), *rest)
            self._seq = command.seq
            self._sent.append(command)
            with suppress(CommandRejected):  # as it was then
                self.arm.command(command)
            self._follow()
        if not np.array_equal(self._reached(), episode.reached):
            self.current = None
            raise NotRepeated(
                "this copied environment cannot continue the episode of its original, whose world was also "
                "moved other than by step(), or on another machine; call reset() on the copy"
            )

    def _check_open(self, verb: str) -> None:
        if self._closed:
            raise gymnasium.error.ClosedEnvironmentError(
                f"{verb}() after close(): this environment has given its world back; make another one"
            )

    def _check_running(self, verb: str) -> None:
        self._check_open(verb)
        if self._to_repeat is not None:
            self._repeat(self._to_repeat)
        if self.current is None:
            raise gymnasium.error.ResetNeeded(f"call reset() before {verb}()")

    # -- inside -------------------------------------------------------------------------------

    def _draw(self) -> tuple[Task, Scene]:
        while True:
            task, state = sample(self.family, self.np_random, self.split, self.n_distractors)
            try:
                return task, layout(state, self.np_random)
            except SceneDoesNotFit:
                continue  # a crowded table: another one

    def _read_poses(self) -> list[Row]:
        get, client = self.world.p.getBasePositionAndOrientation, self.world.client
        return [get(body, client) for body in self.world.body_ids]

    def _follow(self) -> None:
        """See what moved; judge only then or after letting go: it takes longer than a step of physics."""
        rows = self._read_poses()
        if rows == self._rows and not self._gripped:  # all asleep, as nearly always
            return
        self._rows = rows
        moved = np.abs(_matrix(rows)[:, :3] - self._judged[:, :3]).max(initial=0.0) > MOVED
        if moved or (self.world.held() is not None) != self._gripped:
            self._judge()

    def _judge(self) -> None:
        self._judged = _matrix(self._rows)
        self._gripped = self.world.held() is not None
        if self.current is not None:
            self._success = self.current.is_success(judge(self.world))

    def _observe(self) -> dict[str, Any]:
        agent_pos = self.arm.position()
        if self.observation == "state" and self._features is not None:
            return {"agent_pos": agent_pos, "environment_state": self._features.fill(self._rows)}
        pixels = {name: self.world.render(name, self.image_size, depth=False).rgb for name in self.cameras}
        return {"agent_pos": agent_pos, "pixels": pixels}

    def _info(self) -> dict[str, Any]:
        return {
            "is_success": self._success,
            "success": self._success,
            "task_description": self.task_description,
        }


def _matrix(rows: list[Row]) -> NDArray[np.float64]:
    return np.array([(*xyz, *quat) for xyz, quat in rows]).reshape(-1, 7)


_KEYWORDS = tuple(list(inspect.signature(TabletopEnv.__init__).parameters)[1:-1])
