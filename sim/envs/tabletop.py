"""One task family as a gymnasium environment: joint targets in, pictures and joint positions out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from robots.spec import ArmSpec
from robots.types import JointCommand
from sim.data.scene_sampler import SceneDoesNotFit, layout
from sim.envs.features import SIZE, Features
from sim.envs.register import MAX_EPISODE_STEPS
from sim.rendering.camera import CAMERAS
from sim.tasks import Task, family_named, sample
from sim.tasks.base import check_split
from sim.world.arm import SimulatedArm
from sim.world.scene import Scene
from sim.world.scene_state import judge
from sim.world.world import PHYSICS_HZ, World

MOVED = 0.002  # [m] an object moves before success is looked at again
RENDER_SIZE = (480, 352)
OBSERVATIONS = ("pixels", "state")
Row = tuple[tuple[float, float, float], tuple[float, float, float, float]]  # position, quat_xyzw


class UnknownOption(ValueError):
    """A keyword of `gymnasium.make` has a value that does not exist."""


class TabletopEnv(gymnasium.Env):
    """An arm at a table with blocks, cylinders and bowls, and a sentence to fulfil.

    Observation: `agent_pos` float32 (n_joints + 1,), joints in [rad] and gripper opening in [0, 1];
    with `observation="pixels"` also `pixels`, uint8 (H, W, 3) for each camera; with
    `observation="state"` (no pictures: the fast path) `environment_state` float32 (288,), see
    `sim.envs.features`.

    Action: float32 (n_joints + 1,), joint targets in [rad] and gripper opening, each tick through
    the arm's safety gate: a far target is approached within the limits, NaN raises `CommandRejected`.

    Reward: 1 when the task is done (which ends the episode), else 0. `info` holds `is_success`,
    `success` and `task_description`.

    Args:
        family: name in `sim.tasks.TASKS`.
        robot: name of an arm in configs/robot.
        render_mode: None or "rgb_array".
        observation: "pixels" or "state".
        cameras: names of `sim.rendering.camera.CAMERAS`.
        image_size: of all pictures in [px], one number or (width, height).
        control_hz: commands a second; a divisor of 120.
        split: phrasings and colour pairs, see `sim.tasks.SPLITS`.
        n_distractors: objects that the sentence does not name; None = drawn.
        look: "fast" or "photo", for `render`.
        geometry: whether the gate also keeps the arm in its box, above the table and off itself, as on a real
            arm; the joints' limits are kept in any case.
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
    ) -> None:
        family_named(family)
        check_split(split)
        _check("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        _check("observation", observation, OBSERVATIONS)
        for name in cameras:
            _check("cameras", name, tuple(CAMERAS))
        if not (control_hz > 0 and PHYSICS_HZ % control_hz == 0):
            raise UnknownOption(f"control_hz={control_hz}: must divide {PHYSICS_HZ}, such as 20, 30 or 60")
        self.family, self.split, self.n_distractors = family, split, n_distractors
        self.render_mode, self.observation, self.cameras = render_mode, observation, tuple(cameras)
        width, height = (image_size, image_size) if isinstance(image_size, int) else image_size
        self.image_size = (width, height)
        self.metadata = {**self.metadata, "render_fps": control_hz}
        self.task = family
        self.task_description = ""
        self._max_episode_steps = round(MAX_EPISODE_STEPS[family] * control_hz / 20)
        spec = replace(ArmSpec.load(robot), control_hz=float(control_hz))
        self.world = World(look, spec)
        self.arm = SimulatedArm(self.world, self.cameras, self.image_size, geometry)
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
        self.current: Task | None = None
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
            options: `{"task": Task, "scene": Scene}` to play those.
        """
        super().reset(seed=seed)
        if options and {"task", "scene"} <= options.keys():
            task, scene = options["task"], options["scene"]
        else:
            task, scene = self._draw()
        self.current, self.task_description = task, task.instruction
        self._features = Features(task, scene.state)
        self.world.load(scene)
        self.arm.hold(1)  # begins the session: any target may come first
        self._seq = 0
        self._rows = self._read_poses()
        self._judge()
        return self._observe(), self._info()

    def step(self, action: NDArray[np.float32]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """One control tick; truncated after as much time as its family has, whatever `control_hz`.

        Raises CommandRejected if `action` is not finite or of another shape.
        """
        if self.current is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        values = np.asarray(action, np.float64)
        self._seq += 1
        self.arm.command(
            JointCommand(values[:-1], float(values[-1]) if values.size else 0.0, self._seq, self.arm.time)
        )
        self._follow()
        late = self._seq >= self._max_episode_steps
        return self._observe(), float(self._success), self._success, late, self._info()

    def render(self) -> NDArray[np.uint8] | None:
        """The front camera's picture (352, 480, 3), or None without a render mode."""
        if self.render_mode is None:
            return None
        if self.current is None:
            raise gymnasium.error.ResetNeeded("call reset() before render()")
        return self.world.render("front", RENDER_SIZE, depth=False).rgb

    def close(self) -> None:
        """Give PyBullet back."""
        self.world.close()

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


def _check(option: str, value: Any, legal: tuple[Any, ...]) -> None:
    if value not in legal:
        raise UnknownOption(f"{option}={value!r}: must be one of {list(legal)}")
