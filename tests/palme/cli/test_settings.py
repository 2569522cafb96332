"""A configuration is checked once: what is wrong is one sentence that names key, value and limit."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from palme.cli.config import load
from palme.cli.errors import UsageError
from palme.cli.help import command_help, docs_of
from palme.cli.paths import CONFIGS as FOLDER
from palme.cli.settings import CONFIGS
from palme.cli.settings.fields import Above, Count, Known, NonEmpty, Range, Share, decode
from palme.cli.settings.run import EvalConfig, RunConfig, TeleopConfig


@dataclass(frozen=True, kw_only=True)
class Inner:
    share: Share
    path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Toy:
    count: Count
    speed: Annotated[float, Above(0.0)]
    inner: Inner
    mode: Literal["slow", "fast"]
    names: Annotated[tuple[str, ...], NonEmpty()]
    size: tuple[int, int] | None
    rates: tuple[Annotated[float, Range(1.0, 10.0)], ...] = ()
    switch: bool = False
    colour: Annotated[str, Known("colour", "robots.skills:COLOURS")] | None = None
    data: str | list[str] = ""


GOOD = {"count": 2, "speed": 1, "inner": {"share": 0.5}, "mode": "slow", "names": ["a"], "size": [3, 4]}


def test_plain_values_become_typed_ones() -> None:
    toy = decode(
        Toy,
        GOOD | {"rates": [2, 3.5], "inner": {"share": 1, "path": "a/b"}, "colour": "red", "data": ["x", "y"]},
    )
    assert toy == Toy(
        count=2, speed=1.0, inner=Inner(share=1.0, path=Path("a/b")), mode="slow", names=("a",), size=(3, 4),
        rates=(2.0, 3.5), colour="red", data=["x", "y"],
    )  # fmt: skip
    assert isinstance(toy.speed, float) and isinstance(toy.rates[0], float)
    with pytest.raises(dataclasses.FrozenInstanceError):
        toy.count = 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"count": 0}, "count=0: expected at least 1"),
        ({"count": 1.0}, "count=1.0: expected an integer"),
        ({"count": True}, "count=True: expected an integer"),
        ({"speed": 0}, "speed=0.0: expected more than 0"),
        ({"speed": float("nan")}, "speed=nan: expected a finite number"),
        ({"speed": float("inf")}, "speed=inf: expected a finite number"),
        ({"speed": "fast"}, "speed='fast': expected a finite number"),
        ({"inner": {"share": 1.5}}, "inner.share=1.5: expected 0 to 1"),
        ({"inner": {"share": float("nan")}}, "inner.share=nan: expected a finite number"),
        ({"inner": {"share": 0.5, "paht": "x"}}, "unknown key 'inner.paht'; did you mean 'inner.path'?"),
        ({"inner": {}}, "inner.share is missing"),
        ({"inner": 3}, "inner=3: expected settings of its own"),
        ({"mode": "fats"}, "unknown mode 'fats'; did you mean 'fast'? There are: fast, slow"),
        ({"names": []}, "names=[]: name at least one"),
        ({"names": "a"}, "names='a': expected a list"),
        ({"names": [5]}, "names=5: expected text"),
        ({"size": [3]}, "size=[3]: expected 2 entries"),
        ({"rates": [2, 20]}, "rates=20.0: expected 1 to 10"),
        ({"switch": 1}, "switch=1: expected true or false"),
        ({"colour": "rad"}, "unknown colour 'rad'; did you mean 'red'?"),
        ({"data": 5}, "data=5: expected text"),
        ({"cuont": 2}, "unknown key 'cuont'; did you mean 'count'?"),
    ],
)
def test_what_is_wrong_is_named_with_key_value_and_limit(wrong: dict, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        decode(Toy, GOOD | wrong)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "word", "said"),
    [
        (EvalConfig, "seed=-1", "seed=-1: expected at least 0"),
        (EvalConfig, "episodes=0", "episodes=0: expected at least 1"),
        (EvalConfig, "distractors=-2", "distractors=-2: expected at least 0"),
        (EvalConfig, "limits.max_steps=0", "limits.max_steps"),
        (RunConfig, "codec=h265", "did you mean 'h264'"),
        (RunConfig, "bridge.timeout=0", "bridge.timeout=0.0: expected more than 0"),
        (RunConfig, "camera.front_size=[240]", "camera.front_size=[240]: expected 2 entries"),
        (RunConfig, "robot.control_hz=-20", "robot: control_hz"),
        (RunConfig, "hand.joint_share=1.5", "hand.joint_share"),
        (TeleopConfig, "device=joystik", "unknown device 'joystik'"),
    ],
)
def test_a_command_refuses_a_number_or_a_name_out_of_range(kind: type, word: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        load(kind, [word])
    assert said in str(refused.value)


def test_an_arm_across_the_bridge_has_no_description_here() -> None:
    config = load(EvalConfig, ["robot=bridge"])
    assert config.robot.is_remote and config.robot.name == "bridge"
    with pytest.raises(UsageError, match="robot=panda"):
        _ = config.robot.local


@pytest.mark.parametrize("name", CONFIGS)
def test_every_setting_is_documented(name: str) -> None:
    """`--help` shows what the docstrings say; a group has files of its own, named there."""
    docs, groups = docs_of(CONFIGS[name]), {folder.name for folder in FOLDER.iterdir() if folder.is_dir()}
    for field in dataclasses.fields(CONFIGS[name]):
        assert field.name in groups or docs.get(field.name), field.name


def test_help_shows_value_limits_and_meaning() -> None:
    shown = command_help("teleop", "...")
    assert "codec=h264                    # h264 | av1: of its videos" in shown
    assert "    key=me                      # name of this computer's own key" in shown
    assert "palme data repair takes no settings." in command_help("data", "...")
