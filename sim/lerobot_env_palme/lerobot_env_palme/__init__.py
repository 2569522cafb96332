"""palme's tabletop for LeRobot. Importing it registers `--env.type=palme` and the environments behind it."""

from lerobot_env_palme.config import PalmeEnv
from lerobot_env_palme.register import register

__all__ = ["PalmeEnv"]

register()
