"""Run in the judge's environment: LeRobot's `rollout` plays what our oracle did, scene by scene.

usage: python lerobot_runs.py; prints one line of JSON.
"""

import json

import numpy as np
import torch
from lerobot.envs.factory import make_env
from lerobot.envs.utils import env_to_policy_features
from lerobot.processor.pipeline import PolicyProcessorPipeline
from lerobot.scripts.lerobot_eval import rollout
from lerobot_env_palme import PalmeEnv

from robots.skills import DONE
from sim.data.oracle import Oracle
from sim.envs.tabletop import TabletopEnv
from sim.world.scene_state import judge

SEEDS = {"PutInBowl-v0": (1000, 1001), "StackTower-v0": (1000,)}
FAMILIES = {"PutInBowl-v0": "put_in_bowl", "StackTower-v0": "stack_tower"}


class Played(torch.nn.Module):
    """A policy that knows its actions; keeps what it was shown."""

    def __init__(self, actions):
        super().__init__()
        self.actions, self.n, self.seen = actions, 0, {}

    def reset(self):
        self.n = 0

    def select_action(self, observation):
        self.seen = observation
        action = self.actions[min(self.n, len(self.actions) - 1)]
        self.n += 1
        return torch.from_numpy(action)[None]


def oracle_actions(task, seed):
    """(T, 8) float32 that fulfil the sentence of `seed`, and the sentence."""
    env, actions = TabletopEnv(FAMILIES[task], split="test", cameras=(), observation="state"), []
    env.reset(seed=seed)
    oracle = Oracle(env.arm, on_tick=lambda tick: actions.append(np.append(tick.q_target, tick.gripper)))
    while (steps := env.current.acceptable_steps(judge(env.world))) != {DONE}:
        if not oracle.execute(min(steps, key=str)):
            raise RuntimeError(f"{task} seed {seed}: the oracle failed")
    sentence = env.task_description
    env.close()
    return np.array(actions, np.float32), sentence


def main():
    problems, played, succeeded = [], 0, 0
    for task, seeds in SEEDS.items():
        config = PalmeEnv(task=task, image_size=48)
        features = env_to_policy_features(config)
        for seed in seeds:
            actions, sentence = oracle_actions(task, seed)
            config.episode_length = len(actions) + 20
            env = make_env(config, n_envs=1)["palme"][0]
            policy, nothing = Played(actions), PolicyProcessorPipeline(steps=[])
            same = PolicyProcessorPipeline(steps=[], to_transition=lambda x: x, to_output=lambda x: x)
            found = rollout(env, policy, nothing, nothing, nothing, same, seeds=[seed])
            env.close()
            played += 1
            succeeded += bool(found["success"].any())
            if not found["success"].any():
                problems.append(f"{task} seed {seed}: LeRobot counts no success after {len(actions)} actions")
            if policy.seen.get("task") != [sentence]:
                problems.append(f"{task} seed {seed}: the policy was told {policy.seen.get('task')}")
            for name, feature in features.items():
                if name != "action" and tuple(policy.seen[name].shape[1:]) != tuple(feature.shape):
                    problems.append(f"{task}: {name} is {tuple(policy.seen[name].shape)}")
    print(json.dumps({"problems": problems, "oracle_played": played, "oracle_succeeded": succeeded}))


if __name__ == "__main__":
    main()
