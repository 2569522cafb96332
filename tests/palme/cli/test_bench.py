"""The benchmark runs and keeps its own promises; the figures themselves stand in docs/results.md."""

from __future__ import annotations

import json
import math
from dataclasses import is_dataclass
from pathlib import Path

import pytest

from palme.cli.bench.environment import bench_env
from palme.cli.commands.bench import BENCHES
from palme.cli.config import load
from palme.cli.errors import UsageError
from palme.cli.main import main
from palme.cli.settings import CONFIGS
from palme.cli.settings.bench import ClockConfig, RecordBenchConfig
from palme.language.programs.calls import REASONS
from palme.language.programs.parser import END, may_follow
from tests.palme.tiny_lm import tiny_lm


def test_ours_is_faster_than_panda_gym_in_the_same_run():
    pytest.importorskip("panda_gym")
    result = bench_env(rounds=4, steps=25, picture_steps=2)
    assert result.steps == 100
    assert result.state_ratio > 1.5  # promised: 3, asked here with room for a busy machine
    assert result.image_ratio > 7  # promised: 15
    assert 0.3 < result.physics_share < 1.0
    assert result.as_dict()["targets"]["state_ratio"] == 3.0


def test_without_panda_gym_the_rest_is_still_measured(monkeypatch):
    monkeypatch.setattr("palme.cli.bench.environment._panda_gym", lambda: (None, None))
    result = bench_env(rounds=2, steps=10, picture_steps=1)
    assert result.state_hz > 0 and result.image_hz > 0 and math.isnan(result.state_ratio)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("env steps=-1", "steps=-1: expected at least 1"),
        ("gate commands=-1", "commands=-1: expected at least 1"),
        ("gate rates=[20,0]", "rates=0.0: expected 1 to 10000"),
        ("gate rates=[]", "rates=[]: name at least one"),
        ("gate rates=[fast]", "expected a finite number"),
        ("gate seed=-1", "seed=-1: expected at least 0"),
        ("policy episodes=-1", "episodes=-1: expected at least 1"),
        ("planner episodes=0", "episodes=0: expected at least 1"),
        ("planner split=tset", "did you mean 'test'"),
        ("detector tasks=[put_in_bowls]", "did you mean 'put_in_bowl'"),
        ("bridge seconds=-1", "seconds=-1.0: expected at least 0.1"),
        ("bridge hz=0", "hz=0.0: expected 20 to 1000"),
        ("bridge silence_tries=0", "silence_tries=0: expected at least 1"),
        ("bridge camera_hz=0", "camera_hz=0.0: expected more than 0"),
        ("soak minutes=0", "minutes=0.0: expected at least"),
        ("soak hz=nan", "hz=nan: expected a finite number"),
        ("soak faults=2", "faults=2.0: expected 0 to 1"),
        ("fuzz frames=-1", "frames=-1: expected at least 1"),
        ("record kills=-1", "kills=-1: expected at least 0"),
        ("corrections lr=0", "lr=0.0: expected more than 0"),
        ("install starts=0", "starts=0: expected at least 1"),
    ],
)
def test_a_number_that_would_measure_nothing_is_refused(words, said, capsys):
    assert main(["bench", *words.split()]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("word", ["minutes=-1", "encoding=-1", "console_port=70000"])
def test_a_number_with_which_a_browser_measures_nothing_is_refused(word):
    with pytest.raises(UsageError, match=word):
        load(ClockConfig, [word])


@pytest.mark.parametrize("name", CONFIGS)
def test_the_standard_settings_of_every_command_are_valid(name):
    kind = CONFIGS[name]
    assert kind.FILE == name
    assert isinstance(load(kind), kind)


@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_can_be_loaded(name):
    assert is_dataclass(BENCHES[name].config)


def test_zero_leaves_out_a_part_of_a_bench():
    config = load(RecordBenchConfig, ["kills=0", "seconds=0"])
    assert config.kills == 0 and config.seconds == 0.0
    assert load(ClockConfig, ["encoding=0"]).encoding == 0


@pytest.mark.parametrize("setting", ["checks=false", "threshold=0.5", "endpoint=http://127.0.0.1:8000/v1"])
def test_what_the_model_alone_does_not_use_cannot_be_set(setting: str, capsys) -> None:
    assert main(["bench", "language", f"planner.{setting}"]) == 2
    assert f"planner.{setting.partition('=')[0]}" in capsys.readouterr().err


def test_reading_is_measured_beside_its_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = ("refuse", "nothing", "(", ")", *REASONS, END)  # an untrained model comes to no end in the rest
    monkeypatch.setattr(
        "palme.planners.program.reader.may_follow",
        lambda words: tuple(word for word in may_follow(words) if word in short and word != ";"),
    )
    model, out = tiny_lm(tmp_path / "tiny"), tmp_path / "figures.json"
    words = [f"planner.model={model}", "planner.in_context=true", "sentences=4", "repeats=1", f"out={out}"]
    assert main(["bench", "language", *words]) in (0, 1)  # as fast as this machine is
    figures = json.loads(out.read_text())
    assert figures["sentences"] == 4
    assert 0 < figures["read_s_median"] <= figures["read_s_p95"]
    assert figures["tokens_a_second"] > 0 and figures["generate_fp32_over_read"] > 0
