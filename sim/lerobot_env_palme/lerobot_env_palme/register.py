"""The environments under names of LeRobot's kind, PACKAGE/TASK, and as it wants them: without wrappers.

LeRobot asks the environment itself for the sentence and for the length of an episode; behind Gymnasium's
usual wrappers it would find neither, and a policy would be told "".
"""

from __future__ import annotations

from typing import Any

from gymnasium.envs.registration import register as add
from gymnasium.envs.registration import registry

from sim.envs.register import IDS

PACKAGE = "lerobot_env_palme"
TASKS = {name.partition("/")[2]: family for name, family in IDS.items()}


def register() -> None:
    """Make PACKAGE/TASK known to `gymnasium.make`; doing it twice changes nothing."""
    for task, family in TASKS.items():
        if f"{PACKAGE}/{task}" not in registry:
            add(
                f"{PACKAGE}/{task}",
                entry_point="lerobot_env_palme.register:make",
                kwargs={"family": family},
                order_enforce=False,
                disable_env_checker=True,
            )


def make(episode_length: int | None = None, **options: Any) -> Any:
    """A `sim.envs.tabletop.TabletopEnv`; `episode_length`: control ticks after which LeRobot gives up.

    Raises UnknownOption for a value that makes no sense, naming the legal ones.
    """
    from sim.envs.options import ticks
    from sim.envs.tabletop import TabletopEnv

    limit = ticks(episode_length)
    env = TabletopEnv(**options)
    if limit is not None:
        env._max_episode_steps = limit
    return env
