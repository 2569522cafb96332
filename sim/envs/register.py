"""Names of the environments. Only names: no class is imported before `gymnasium.make`."""

from __future__ import annotations

MAX_EPISODE_STEPS = {"put_in_bowl": 400, "stack_tower": 1000, "match_bowls": 1600}  # at 20 Hz; see `step`
IDS = {
    "palme/PutInBowl-v0": "put_in_bowl",
    "palme/StackTower-v0": "stack_tower",
    "palme/MatchBowls-v0": "match_bowls",
}


def register() -> None:
    """Make the ids above known to `gymnasium.make`, without wrappers; doing it twice changes nothing."""
    from gymnasium.envs.registration import register as add
    from gymnasium.envs.registration import registry

    for name, family in IDS.items():
        if name not in registry:
            add(
                name,
                entry_point="sim.envs.tabletop:TabletopEnv",
                kwargs={"family": family},
                order_enforce=False,  # the environment does that itself, as it ends a long episode
            )
