"""What is typed for a text setting arrives to the letter, whatever another program would make of it."""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from palme.cli.config import compose, is_override, load
from palme.cli.errors import UsageError
from palme.cli.settings import CONFIGS
from palme.cli.settings.bench import GateConfig
from palme.cli.settings.data import ViewConfig
from palme.cli.settings.fields import Known, decode, fill, type_of
from palme.cli.settings.groups import RobotConfig
from palme.cli.settings.run import EvalConfig, RunConfig, TeleopConfig
from palme.file_names import FILE_NAME
from palme.training.recipes import RECIPES

ODD = [
    "runs/ö", "日本語", "epoch=3-step=100.safetensors", "a=b=c", "=", "put it, then stop", "123", "00",
    "-1", "+1", "1e5", "0x10", "1_000", "3.14", ".5", "nan", "inf", "true", "False", "yes", "no", "on",
    "off", "Null", "None", "NULL", "[", "]", "[]", "[a,b]", "{", "}", "{a: 1}", "{}", "(a)", "'", '"',
    "''", '""', "'a'", '"a"', "it's", 'say "go"', '\\', '\\\\', "a\\b", "\\n", "\\'", "#", "a #b",
    "# comment", "$", "$HOME", "${oc.env:HOME}", "${seed}", "${}", "$(ls)", "`ls`", "%s", "%(a)s",
    "{0}", "!tag", "&anchor", "*alias", "- a", "a: b", ": ", "|", ">", "?", "@", "a@b", "/", "./a",
    "../a", "a b", "a  b", "tab\tbed", "line\nbreak", "\r", "👍🏽", "e\u0301", "\u202eabc", "a,b", ",",
    ",,", ";", "a;b", "&&", "*", "?.yaml", "--seed", "-h", "+seed=3", "~", "~/a", "~nobody-9/a", "a~",
    "2026-01-02", "12:30:45", "0b1", "0o7", "1,5", "<img:front>", "obj_1", "…", "\x7f", "\udcff",
    "null.yaml",
]  # fmt: skip
LETTERS = "ab1 ,=[]{}()'\"\\#$%&*!?@:;|<>~-+./_öß日\t0xeE"
BLANKS = [" a", "a ", " a ", "  ", " "]


def odd_texts(n: int = 120) -> list[str]:
    draw = random.Random(0)
    return ODD + BLANKS + ["".join(draw.choices(LETTERS, k=draw.randint(1, 12))) for _ in range(n)]


def text_fields(kind: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, type hint) of each setting that holds free text."""
    for field in dataclasses.fields(kind):
        if not field.init:
            continue
        hint, key = get_type_hints(kind, include_extras=True)[field.name], f"{prefix}{field.name}"
        inner, limits, optional = flat(hint)
        if any(isinstance(limit, Known) for limit in limits):
            continue
        for one in inner:
            if one in (str, Path):
                yield key, (one, FILE_NAME in limits or one is Path, optional)
            elif isinstance(one, type) and dataclasses.is_dataclass(one) and not hasattr(one, "decode"):
                yield from text_fields(one, f"{key}.")


def flat(hint: Any) -> tuple[list[Any], list[Any], bool]:
    if get_origin(hint) is Annotated:
        inner, *limits = get_args(hint)
        kinds, more, optional = flat(inner)
        return kinds, [*limits, *more], optional
    if get_origin(hint) in (Union, type(int | str)):
        parts = [flat(one) for one in get_args(hint) if one is not type(None)]
        kinds = [kind for part in parts for kind in part[0]]
        return kinds, [limit for part in parts for limit in part[1]], type(None) in get_args(hint)
    return [hint], [], False


EVERY = [(name, CONFIGS[name]) for name in CONFIGS] + [(f"train_{name}", RECIPES[name]) for name in RECIPES]
FIELDS = [(name, kind, key, what) for name, kind in EVERY for key, what in text_fields(kind)]


def wanted(text: str, what: tuple[type, bool, bool]) -> Any:
    kind, is_path, _ = what
    if is_path and text.startswith("~"):
        text = os.path.expanduser(text)
    return kind(text)


def test_there_are_many_text_settings() -> None:
    keys = {(name, key) for name, _, key, _ in FIELDS}
    assert {("run", "out"), ("eval", "phrasings"), ("teleop", "task"), ("serve_gello", "sentence")} <= keys
    assert {("collect", "out"), ("run", "detector.weights"), ("train_policy", "data")} <= keys
    assert len(keys) > 60


@pytest.mark.parametrize(("name", "kind", "key", "what"), FIELDS, ids=[f"{f[0]}-{f[2]}" for f in FIELDS])
def test_text_of_every_setting_is_literal(name: str, kind: Any, key: str, what: Any) -> None:
    base = compose(name, [], kind)
    hint = type_of(kind, key)
    bracketed_is_a_list = "list" in str(hint)
    for text in odd_texts():
        if bracketed_is_a_list and text.strip().startswith("[") and text.strip().endswith("]"):
            continue
        found = decode(hint, typed(base, key, text), key)
        assert found == wanted(text, what), text


def typed(base: dict[str, Any], key: str, text: str) -> Any:
    """The raw value of `key` once `text` was typed, as `compose` makes it."""
    from palme.cli.config import _parted, _put

    word = f"{key}={text}"
    assert is_override(word)
    parted = _parted(word)
    assert parted == (key, text)
    tree = {**base}
    branch = tree
    for part in key.split(".")[:-1]:
        branch[part] = dict(branch.get(part) or {})
        branch = branch[part]
    _put(tree, *parted)
    for part in key.split("."):
        tree = tree[part]
    return tree


@pytest.mark.parametrize("text", [*ODD, *BLANKS])
def test_a_whole_command_takes_odd_values(text: str) -> None:
    config = load(
        TeleopConfig, [f"task={text}", f"record={text}", f"leader.key={text}", f"bridge.keys={text}"]
    )
    assert config.task == config.leader.key == text
    assert config.record == config.bridge.keys == os.path.expanduser(text)
    assert str(load(ViewConfig, [f"out={text}"]).out) == str(Path(os.path.expanduser(text)))


def test_the_examples_of_the_manual_are_taken() -> None:
    assert load(RunConfig, ["out=123"]).out == "123" and load(RunConfig, ["out=null"]).out == "null"
    weights = "policy.weights=epoch=3-step=100.safetensors"
    assert load(RunConfig, ["policy=chunk", weights]).policy.weights == Path("epoch=3-step=100.safetensors")  # type: ignore[attr-defined]
    assert load(TeleopConfig, ["task=put it, then stop"]).task == "put it, then stop"
    assert load(RunConfig, ["out=${oc.env:HOME}"]).out == "${oc.env:HOME}"
    assert load(RunConfig, ["record="]).record == "" and load(TeleopConfig, ["task="]).task == ""


def test_null_is_none_only_where_none_is_legal() -> None:
    config = load(RunConfig, ["scene=null", "detector.weights=null", "teleop=null", "out=null"])
    assert config.scene is None and config.detector.weights is None and config.teleop is None
    assert config.out == "null"
    assert load(EvalConfig, ["distractors=null"]).distractors is None


@pytest.mark.parametrize("key", ["out", "scene", "detector.weights"])
def test_an_empty_path_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match=rf"{key}='': expected a path, `.` is this folder"):
        load(RunConfig, [f"{key}="])


@pytest.mark.parametrize(
    "text",
    [
        "[put_in_bowl,stack_tower]",
        "put_in_bowl,stack_tower",
        " put_in_bowl , stack_tower ",
        "['put_in_bowl','stack_tower']",
        '"put_in_bowl",stack_tower',
        "[put_in_bowl, stack_tower,]",
    ],
)
def test_a_list_needs_no_brackets(text: str) -> None:
    assert load(EvalConfig, [f"tasks={text}"]).tasks == ("put_in_bowl", "stack_tower")


def test_a_list_of_one_needs_no_brackets() -> None:
    assert load(EvalConfig, ["tasks=put_in_bowl"]).tasks == ("put_in_bowl",)
    assert load(GateConfig, ["rates=20", "arms=[]"]).rates == (20.0,)
    assert load(RunConfig, ["camera.front_size=320,240"]).camera.front_size == (320, 240)
    data = fill(RECIPES["policy"], compose("train_policy", ["data=[~/a,b]"], RECIPES["policy"]), "").data  # type: ignore[attr-defined]
    assert data == [os.path.expanduser("~/a"), "b"]


@pytest.mark.parametrize("text", odd_texts(60))
def test_a_quoted_entry_of_a_list_is_literal(text: str) -> None:
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    for written in (f"[{quoted}]", quoted, f"[{quoted},b]", f"a,{quoted}"):
        assert text in load(RunConfig, [f"camera.names={written}"]).camera.names, written


@pytest.mark.parametrize("text", ["[put_in_bowl", "put_in_bowl]", "'put_in_bowl", "", "[]", "put_in_bowl,,"])
def test_a_list_that_is_not_closed_or_empty_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="task"):
        load(EvalConfig, [f"tasks={text}"])


@pytest.mark.parametrize(
    ("texts", "value"),
    [(("true", "True", "yes", "on", "ON", "1"), True), (("false", "no", "No", "off", "0"), False)],
)
def test_a_switch_takes_the_usual_words(texts: tuple[str, ...], value: bool) -> None:
    for text in texts:
        assert load(RunConfig, [f"video={text}"]).video is value


@pytest.mark.parametrize("text", ["ja", "2", "", "null", "[true]"])
def test_a_switch_refuses_what_is_neither(text: str) -> None:
    with pytest.raises(UsageError, match="expected true or false"):
        load(RunConfig, [f"video={text}"])


@pytest.mark.parametrize(
    "text", ["", "three", "1.5", "1e3", "0x10", "[3]", "3 4", "٣", "--3", "null", "true", "${seed}"]
)
def test_an_integer_refuses_what_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="seed=.*expected an integer"):
        load(RunConfig, [f"seed={text}"])


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "", "fast", "1/2", "true", "[1.0]"])
def test_a_number_refuses_what_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="bridge.timeout=.*expected a finite number"):
        load(RunConfig, [f"bridge.timeout={text}"])


def test_numbers_of_an_arm_are_numbers_and_its_texts_are_texts() -> None:
    robot = load(RunConfig, ["robot.control_hz=40", "robot.name=123", "robot.tool_xyz=[0,0,0.25]"]).robot
    assert isinstance(robot, RobotConfig)
    assert (
        robot.local.control_hz == 40 and robot.name == "123" and robot.description["tool_xyz"] == [0, 0, 0.25]
    )


def test_literals_of_numbers_are_read_as_their_own_type() -> None:
    assert decode(Literal[1, 2], "2") == 2


@pytest.mark.parametrize("word", ["~seed=3", "~seed"])
def test_a_setting_cannot_be_deleted(word: str) -> None:
    with pytest.raises(UsageError, match="expected key=value"):
        load(RunConfig, [word])


@pytest.mark.parametrize("word", ["+seed=3", "++seed=3"])
def test_marks_of_hydra_are_taken(word: str) -> None:
    assert load(RunConfig, [word]).seed == 3


def test_dashes_in_a_key_are_underscores() -> None:
    assert load(RunConfig, ["limits.max-steps=3"]).limits.max_steps == 3
