"""What the command line promises: quick help, named errors, exit codes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from palme.cli.config import compose, is_override, load
from palme.cli.errors import UsageError
from palme.cli.main import COMMANDS, main
from palme.cli.rig.policies import ChunkConfig
from palme.cli.settings.run import EvalConfig, RunConfig
from palme.training.config import TrainerConfig
from palme.training.recipes import RECIPES

HEAVY = ("torch", "transformers", "pybullet", "hydra", "gymnasium", "cv2", "numpy")


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys, time\n"
        "from palme.cli.main import main\n"
        "code = main(['--help'])\n"
        f"print(code, time.process_time(), [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    code, seconds, loaded = done.stdout.strip().splitlines()[-1].split(" ", 2)
    assert (code, loaded) == ("0", "[]")
    assert float(seconds) < 0.5  # of the processor, start-up included: the machine may be busy


def test_help_names_every_command(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    assert main([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"palme {command}:")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rum"], ["'rum'", "did you mean 'run'", "eval"]),
        (["run", "put it there", "robot=pandda"], ["arm 'pandda'", "did you mean 'panda'"]),
        (["run", "put it there", "planner=palmy"], ["planner 'palmy'", "did you mean 'palme'", "readout"]),
        (["run", "put it there", "sed=3"], ["key 'sed'", "did you mean 'seed'", "out"]),
        (["run", "put it there", "limits.max_stps=3"], ["did you mean 'limits.max_steps'"]),
        (["run", "put it there", "seed=three"], ["seed='three'", "expected an integer"]),
        (["run", "put it there", "look=foto"], ["did you mean 'photo'"]),
        (["run"], ["one sentence in quotes"]),
        (["run", "one", "two"], ["one sentence in quotes"]),
        (["run", "put it there", "scene=/nowhere.yaml"], ["=/nowhere.yaml: No such file", "; name a scene"]),
        (["eval", "tasks=[put_in_bowls]"], ["put_in_bowls", "did you mean 'put_in_bowl'", "stack_tower"]),
        (["eval", "split=tset"], ["'tset'", "held_out"]),
        (["eval", "episodes=0"], ["episodes=0"]),
        (["train", "policy", "data=/nowhere"], ["/nowhere", "palme collect what=demonstrations"]),
        (["train", "policy", "data=[/nowhere,/else]"], ["/nowhere", "record=PATH"]),
        (["collect", "what=correction"], ["did you mean 'corrections'"]),
        (["eval", "phrasings=/nowhere.yaml"], ["=/nowhere.yaml: No such file", "; name a YAML file"]),
        (["eval", "quickly"], ["key=value"]),
        (["collect", "what=scene"], ["did you mean 'scenes'"]),
        (["train", "planer"], ["did you mean 'planner'"]),
        (["train"], ["perception, reader, planner, programs, embodied, clip, vision, policy, senses"]),
        (["tasks", "put_in_bowls"], ["nearest: put_in_bowl"]),
    ],
)
def test_what_is_unknown_is_named_with_what_exists(arguments, words, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("palme: ") and "Traceback" not in said
    for word in words:
        assert word in said, said


def test_a_sentence_is_not_taken_for_a_setting():
    assert not is_override("put the red block in the blue bowl")
    assert not is_override("is 2 + 2 = 4 true?")
    assert is_override("seed=3") and is_override("limits.max_steps=3") and is_override("out=/tmp/a b")


def test_a_path_with_odd_characters_is_a_value():
    assert load(RunConfig, ["out=/tmp/a (b) & c's"]).out == "/tmp/a (b) & c's"


def test_groups_are_chosen_by_name():
    words = ["planner=readout", "policy=chunk", "limits.max_replans=2", "tasks=[stack_tower]"]
    config = load(EvalConfig, words)
    assert config.planner.name == "readout" and config.policy.name == "chunk"
    assert config.limits.max_replans == 2 and config.tasks == ("stack_tower",)
    assert config.robot.name == "panda"


def test_defaults_are_the_learned_ones():
    for kind, planner in ((RunConfig, "auto"), (EvalConfig, "palme")):
        config = load(kind)
        assert config.planner.name == planner and config.policy.name in ("keypose", "chunk")


@pytest.mark.parametrize("name", RECIPES)
def test_training_configurations_fit_their_dataclass(name):
    config = compose(f"train_{name}")
    every = {f.name for f in fields(RECIPES[name])}
    own = every - {f.name for f in fields(TrainerConfig)}
    assert own <= set(config) <= every
    assert {"out", "seed", "device", "resume"} <= set(config)
    RECIPES[name](**config)


def test_a_bad_override_is_a_usage_error():
    with pytest.raises(UsageError):
        load(RunConfig, ["seed=["])


def test_keys_of_a_chosen_group_may_be_set():
    policy = load(RunConfig, ["policy=chunk", "policy.weights=there"]).policy
    assert isinstance(policy, ChunkConfig) and policy.weights == Path("there")
    with pytest.raises(UsageError, match="policy.weight"):
        load(RunConfig, ["policy=chunk", "policy.weight=there"])
