"""What LeRobot's own evaluation makes of our environments; and what the plug-in promises without it."""

from __future__ import annotations

import importlib.util
import sys

import gymnasium
import pytest

from tests.judges.lerobot_env import JUDGE, PLUGIN, judged


@pytest.mark.skipif(not JUDGE.built(), reason="python -m tests.judges.lerobot_env builds the judge")
def test_lerobot_eval_runs_our_environments_and_counts_our_oracle_s_successes(tmp_path) -> None:
    found = judged(tmp_path)
    assert found["problems"] == [] and found["oracle_succeeded"] == found["oracle_played"] == 3


def test_the_plug_in_s_environments_give_instruction_and_length_without_a_wrapper(monkeypatch) -> None:
    name = "lerobot_env_palme.register"  # the file of the plug-in that needs no LeRobot
    spec = importlib.util.spec_from_file_location(name, PLUGIN / "lerobot_env_palme" / "register.py")
    assert spec is not None and spec.loader is not None
    plugin = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, plugin)
    spec.loader.exec_module(plugin)
    plugin.register()
    plugin.register()
    for task in plugin.TASKS:
        env = gymnasium.make(f"lerobot_env_palme/{task}", episode_length=7, split="test", observation="state")
        try:
            _, info = env.reset(seed=3)
            assert env is env.unwrapped and env._max_episode_steps == 7
            assert env.task_description and env.metadata["render_fps"] == 20 and info["is_success"] is False
        finally:
            env.close()
