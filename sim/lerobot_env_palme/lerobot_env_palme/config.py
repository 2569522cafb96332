"""What `--env.type=palme` may be told, and which features a policy sees."""

from __future__ import annotations

from dataclasses import dataclass, field

from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.envs.configs import EnvConfig
from lerobot.utils.constants import ACTION, OBS_ENV_STATE, OBS_IMAGES, OBS_STATE

from lerobot_env_palme.register import PACKAGE, TASKS
from sim.envs import options as check
from sim.envs.features import SIZE

WIDTH = 8  # the Panda's seven joints in [rad] and the gripper's opening in [0, 1]: state and action alike


class UnknownTask(ValueError):
    """There is no task of that name."""


@EnvConfig.register_subclass("palme")
@dataclass
class PalmeEnv(EnvConfig):
    """One task family of the tabletop.

    Attributes:
        task: PutInBowl-v0, StackTower-v0 or MatchBowls-v0.
        fps: commands a second, a divisor of 120.
        episode_length: control ticks until it is given up; None = the family's own, 20 s and more.
        obs_type: "pixels_agent_pos", or "environment_state_agent_pos": no pictures, true poses and the goal.
        cameras: of `sim.rendering.camera.CAMERAS`.
        image_size: of all their pictures, width and height in [px].
        split: of phrasings and colour pairs, see `sim.tasks.SPLITS`.
        n_distractors: objects that the sentence does not name; None = drawn.

    Raises:
        UnknownTask: naming those there are.
        UnknownOption: another value that makes no sense, naming the legal ones.
    """

    task: str | None = "PutInBowl-v0"
    fps: int = 20
    episode_length: int | None = None
    obs_type: str = "pixels_agent_pos"
    cameras: list[str] = field(default_factory=lambda: ["front", "wrist"])
    image_size: int = 128
    split: str = "test"
    n_distractors: int | None = None
    render_mode: str = "rgb_array"
    features: dict[str, PolicyFeature] = field(default_factory=dict)
    features_map: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise UnknownTask(f"task={self.task!r}: must be one of {list(TASKS)}")
        check.rate(self.fps)
        check.ticks(self.episode_length)
        check.distractors(self.n_distractors)
        check.picture_size(self.image_size)
        check.names_of_cameras(self.cameras, self.obs_type == "pixels_agent_pos")
        self._see("action", ACTION, FeatureType.ACTION, (WIDTH,))
        self._see("agent_pos", OBS_STATE, FeatureType.STATE, (WIDTH,))
        if self.obs_type == "environment_state_agent_pos":
            self._see("environment_state", OBS_ENV_STATE, FeatureType.ENV, (SIZE,))
        elif self.obs_type == "pixels_agent_pos":
            for camera in self.cameras:
                shape = (self.image_size, self.image_size, 3)
                self._see(f"pixels/{camera}", f"{OBS_IMAGES}.{camera}", FeatureType.VISUAL, shape)
        else:
            legal = ["pixels_agent_pos", "environment_state_agent_pos"]
            raise ValueError(f"obs_type={self.obs_type!r}: must be one of {legal}")

    def _see(self, key: str, name: str, kind: FeatureType, shape: tuple[int, ...]) -> None:
        self.features[key] = PolicyFeature(type=kind, shape=shape)
        self.features_map[key] = name

    @property
    def package_name(self) -> str:
        """What LeRobot imports where the environment is not known yet."""
        return PACKAGE

    @property
    def gym_kwargs(self) -> dict:
        """For `make`."""
        pictures = {"cameras": tuple(self.cameras), "image_size": self.image_size}
        return {
            "observation": "pixels" if self.obs_type == "pixels_agent_pos" else "state",
            "control_hz": self.fps,
            "episode_length": self.episode_length,
            "split": self.split,
            "n_distractors": self.n_distractors,
            "render_mode": self.render_mode,
            **(pictures if self.obs_type == "pixels_agent_pos" else {}),
        }
