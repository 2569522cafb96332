"""The benchmark: our environments, with the tasks and scenes that `palme eval` draws from the same seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from vla_eval.benchmarks.base import StepBenchmark, StepResult
from vla_eval.specs import DimSpec

from robots.errors import CommandRejected
from sim.data.episode_draw import SETTLE_TICKS, draw_episode
from sim.envs import options as check
from sim.envs.register import MAX_EPISODE_STEPS
from sim.envs.tabletop import TabletopEnv
from sim.rendering.camera import CAMERAS
from sim.tasks import SPLITS
from sim.world.scene_state import judge

FAMILIES = tuple(MAX_EPISODE_STEPS)
UNTIL = ("success", "model")
MAX_ANSWERS = 5000  # of a model that says itself when it is done


class InstructionMismatch(RuntimeError):
    """The model server acted on another sentence than the task's."""


class PalmeBenchmark(StepBenchmark):
    """One task a family; an episode's scene and sentence follow from seed and index.

    An observation holds `images`, `task_description` and `state` (n_joints + 1,), joints in [rad] and opening
    in [0, 1]; with `depth` also `depth` in [m], `intrinsics` and `base_from_camera` by camera, and
    `joint_velocity` in [rad/s]. An action is (n_joints + 1,) or any number of such rows, see
    `sim.envs.tabletop.TabletopEnv`; its `cameras`, where there are, are what is pictured next.

    Args:
        families: names in `sim.envs.register.MAX_EPISODE_STEPS`.
        seed: of the evaluation.
        split: phrasings and colour pairs, see `sim.tasks.SPLITS`.
        distractors: number of objects that the goal does not name; None = drawn.
        camera: name in `sim.rendering.camera.CAMERAS`.
        depth: whether pictures come with depth and calibration, and joints with their speed.
        until: "success" ends an episode as the environment does, at success or after its time; "model" ends
            it where an action says `done`, and judges what is there then, as `palme eval` does.

    Raises:
        UnknownOption: a value that does not exist, naming the legal ones.
    """

    render_backends = frozenset({"cpu", "gpu"})  # PyBullet draws on the CPU, whatever is asked for

    def __init__(
        self,
        families: Sequence[str] = FAMILIES,
        seed: int = 1000,
        split: str = "test",
        distractors: int | None = None,
        camera: str = "front",
        depth: bool = False,
        until: str = "success",
    ) -> None:
        super().__init__()
        check.closest("family", families, FAMILIES)
        self.families = tuple(families)
        self.seed = check.seed_of(seed)
        self.split = check.one_of("split", split, SPLITS)
        self.distractors = check.distractors(distractors)
        self.camera = check.one_of("camera", camera, tuple(CAMERAS))
        self.depth = check.flag("depth", depth)
        self.until = check.one_of("until", until, UNTIL)
        self._env: TabletopEnv | None = None
        self._looks = True

    @classmethod
    def configure_render(cls, mode: str) -> dict[str, str]:
        """Nothing to set."""
        return {}

    def get_tasks(self) -> list[dict[str, Any]]:
        """One a family."""
        return [{"name": family, "suite": "palme"} for family in self.families]

    def reset(self, task: Mapping[str, Any]) -> None:
        """The scene of `task["name"]` and `task["episode_idx"]`, at rest."""
        family, index = task["name"], int(task["episode_idx"])
        if self._env is None or self._env.family != family:
            self.cleanup()
            # pictures are taken in `make_obs` alone; the gate is the one that `palme eval` has
            self._env = TabletopEnv(family, observation="state", cameras=(), geometry=True)
        drawn = draw_episode(family, self.seed, index, self.split, self.distractors)
        self._env.reset(options=dict(zip(("task", "scene"), drawn, strict=True)))
        self._env.arm.hold(SETTLE_TICKS - 1)  # one has passed
        self._looks = True

    def step(self, action: Mapping[str, Any]) -> StepResult:
        """Execute the rows of an action, then, where the model is done, judge.

        Raises:
            InstructionMismatch: the action is for another sentence.
        """
        env = self._env
        assert env is not None, "an episode has been started"
        told = action.get("instruction", env.task_description)
        if told != env.task_description:
            raise InstructionMismatch(f"the model acted on {told!r}, the task is {env.task_description!r}")
        self._looks = self.camera in action.get("cameras", (self.camera,))
        success, over = False, bool(action.get("done", False)) and self.until == "model"
        rows = np.asarray(action["actions"])
        for row in rows[None] if rows.ndim == 1 else rows:
            try:
                _, _, ended, late, info = env.step(row)
            except CommandRejected:  # the arm holds, and is judged as it is
                over = True
                break
            success = info["is_success"]
            if "fault" in info or (self.until == "success" and (ended or late)):
                over = True
                break
        if over and self.until == "model":
            env.arm.hold(SETTLE_TICKS)
            success = env.current is not None and env.current.is_success(judge(env.world))
        return StepResult(None, float(success), over, {"success": success, **_said(action)})

    def make_obs(self, raw_obs: None, task: Mapping[str, Any]) -> dict[str, Any]:
        """What the camera and the joints show now; see class."""
        env = self._env
        assert env is not None, "an episode has been started"
        state = env.arm.state()
        shown: dict[str, Any] = {
            "images": {},
            "task_description": env.task_description,
            "state": np.append(state.q, state.gripper),
        }
        if self.depth:
            shown["joint_velocity"] = state.dq
        if self._looks:
            frame = env.world.render(self.camera, depth=self.depth)
            shown["images"] = {self.camera: frame.rgb}
            if self.depth:
                shown |= {
                    "depth": {self.camera: frame.depth},
                    "intrinsics": {self.camera: frame.intrinsics},
                    "base_from_camera": {self.camera: frame.base_from_camera},
                }
        return shown

    def get_step_result(self, step_result: StepResult) -> dict[str, Any]:
        """Whether the task is done; with `until="model"` also what the model said of it."""
        return {"success": False, **step_result.info}

    def get_action_spec(self) -> dict[str, DimSpec]:
        """Joint targets and opening of the Panda."""
        return {
            "joints": DimSpec("joints", 7, "absolute_rad"),
            "gripper": DimSpec("gripper", 1, "continuous_open_01", (0, 1)),
        }

    def get_observation_spec(self) -> dict[str, DimSpec]:
        """See class."""
        depth = {"depth": DimSpec("depth", 0, "depth_hw_m")} if self.depth else {}
        return {
            "state": DimSpec("state", 8, "joints_rad_gripper_open_01"),
            "image": DimSpec("image", 0, "rgb_hwc_uint8"),
            "language": DimSpec("language", 0, "language"),
            **depth,
        }

    def get_metadata(self) -> dict[str, Any]:
        """The longest episode, in actions."""
        longest = max(MAX_EPISODE_STEPS[family] for family in self.families)
        return {"max_steps": longest if self.until == "success" else MAX_ANSWERS}

    def cleanup(self) -> None:
        """Give the simulator back. Idempotent."""
        if self._env is not None:
            self._env.close()
            self._env = None


def _said(action: Mapping[str, Any]) -> dict[str, Any]:
    """Of the model's own account of its run, what it sent."""
    return {key: action[key] for key in ("believed", "cause", "reason") if key in action}
