"""The conventions of other command lines work, or the message says the right form."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from palme.cli.commands.completion import subcommands, table
from palme.cli.config import is_override, load
from palme.cli.errors import UsageError
from palme.cli.main import COMMANDS, main
from palme.cli.paths import CONFIGS as FOLDER
from palme.cli.settings import CONFIGS
from palme.cli.settings.fields import decode, type_of
from palme.cli.settings.run import EvalConfig, RunConfig
from palme.cli.settings.typed_text import TypedText
from palme.cli.words import read


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("--seed=3", "seed=3"),
        ("--seed 3", "seed=3"),
        ("--seed -1", "seed=-1"),
        ("--video", "video=true"),
        ("--no-video", "video=false"),
        ("--video no", "video=no"),
        ("--video put", "video=true put"),
        ("--dry-run", "dry_run=true"),
        ("--dry_run", "dry_run=true"),
        ("--limits.max-steps 3", "limits.max_steps=3"),
        ("--limits.max-steps=3", "limits.max_steps=3"),
        ("--policy chunk --out a=b", "policy=chunk out=a=b"),
        ("--robot=ur5e", "robot=ur5e"),
        ("--scene ~/a.yaml", "scene=~/a.yaml"),
        ("seed=3 --out -", "seed=3 out=-"),
        ("-1", "-1"),
    ],
)
def test_options_are_settings(typed: str, words: str) -> None:
    assert read("run", typed.split(" ")).words == tuple(words.split(" "))


@pytest.mark.parametrize(
    ("command", "typed", "said"),
    [
        ("run", "--sed=3", "unknown option '--sed=3'; did you mean seed=VALUE?"),
        ("run", "--info", "`palme run --show-config` prints the settings"),
        ("eval", "--cfg job", "`palme eval --show-config` prints the settings"),
        ("eval", "--episode 3", "did you mean episodes=VALUE?"),
        ("run", "--seed", "--seed: its value is missing; write seed=VALUE"),
        ("run", "--seed --video", "--seed: its value is missing; write seed=VALUE"),
        ("run", "-s 3", "unknown option '-s'"),
        ("eval", "-v", "Settings are written key=value"),
        ("run", "seed = 3", "write key=value without blanks around the `=`"),
        ("tasks", "--all", "`palme tasks --help` shows what it takes"),
        ("doctor", "--show-config", "palme doctor has no settings"),
        ("bench gate", "--comands 3", "did you mean commands=VALUE?"),
        ("doctor", "foo", "palme doctor takes nothing"),
        ("doctor", "seed=3", "palme doctor takes nothing"),
        ("tasks", "seed=3", "palme tasks has no settings"),
        ("foo", "", "unknown command 'foo'"),
        ("Run", "", "did you mean 'run'?"),
        ("--verbose", "", "unknown command '--verbose'"),
        ("help", "rum", "did you mean 'run'?"),
        ("completion", "tcsh", "unknown shell 'tcsh'"),
        ("completion", "", "name one shell of bash, zsh, fish"),
        ("run sentence", "Seed=3", "did you mean 'seed'?"),
        ("run sentence", "SEED=3", "did you mean 'seed'?"),
        ("run sentence", "seed=-1", "seed=-1: expected at least 0"),
        ("eval", "tasks=put_in_bowls", "did you mean 'put_in_bowl'?"),
        ("eval", "~seed=3", "expected key=value"),
    ],
)
def test_what_cannot_work_says_the_right_form(
    command: str, typed: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), *typed.split()]) == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith("palme: ") and error.count("\n") == 1, error


def test_a_word_behind_two_dashes_is_no_setting() -> None:
    words = read("data", ["info", "episodes=true", "--", "a=b", "--help"]).words
    assert [is_override(word) for word in words] == [False, True, False, False]
    assert words[2:] == ("a=b", "--help")


def test_a_path_with_folders_and_an_equals_sign_is_no_setting() -> None:
    assert not is_override("runs/a=b") and not is_override("./a=b") and is_override("a=b")


@pytest.mark.parametrize("words", [["--version"], ["-V"], ["run", "--version"]])
def test_version_is_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    name, number = capsys.readouterr().out.split()
    assert name == "palme" and number[0].isdigit()


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("form", ["help {}", "{} --help", "{} -h", "--help {}", "{} seed=3 word --help"])
def test_help_is_found_in_every_usual_place(name: str, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(form.format(name).split()) == 0
    assert capsys.readouterr().out.startswith(f"palme {name}: ")


def test_help_of_one_bench_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "gate", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "palme bench gate takes:" in shown and "palme bench env" not in shown.split("\n", 1)[1]


SHOWN = [(name, name.replace("_", " ", 1)) for name in CONFIGS if not name.startswith("serve")]
SHOWN.append(("train_policy", "train policy"))


@pytest.mark.parametrize(("name", "command"), SHOWN)
def test_show_config_prints_every_setting_and_does_nothing(
    name: str,
    command: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*command.split(), "--show-config"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out) or {}
    listed = yaml.safe_load((FOLDER / f"{name}.yaml").read_text()) or {}
    listed.pop("defaults", None)
    assert set(listed) <= set(shown)
    assert not list(tmp_path.iterdir())


def test_show_config_prints_what_was_resolved(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--show-config", "policy=chunk", "out=~/ö, [1]", "limits.max_steps=3", "video=no", "seed=7"]
    assert main(["run", *words]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["policy"]["name"] == "chunk" and shown["limits"]["max_steps"] == 3
    assert shown["out"] == str(Path("~/ö, [1]").expanduser()) and shown["video"] is False
    assert shown["robot"]["name"] == "panda" and shown["seed"] == 7


def test_show_config_refuses_what_the_command_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--show-config", "episodes=0"]) == 2
    assert "episodes=0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["robot=panda", "backend=sim"], "backend: sim"),
        (["guest=gello"], "guest: gello"),
        (["policy=keypose"], "protocol: openpi"),
    ],
)
def test_show_config_starts_no_server(
    words: list[str], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *words, "--show-config"]) == 0
    assert shown in capsys.readouterr().out


# -- completion ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import contextlib

    path = tmp_path_factory.mktemp("completion") / "palme.bash"
    with path.open("w") as file, contextlib.redirect_stdout(file):
        assert main(["completion", "bash"]) == 0
    return path


def completed(script: Path, line: str) -> list[str]:
    code = (
        'source "$1"; COMP_LINE="$2"; COMP_POINT=${#2}; _palme; '
        'for one in "${COMPREPLY[@]}"; do echo "$one"; done'
    )
    done = subprocess.run(
        ["bash", "-c", code, "bash", str(script), line],
        capture_output=True,
        text=True,
        check=True,
        cwd=FOLDER,
    )
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("palme ev", {"eval"}),
        ("palme ", set(COMMANDS)),
        ("palme run see", {"seed="}),
        ("palme run policy=", {"keypose", "chunk", "remote", "expert", "random"}),
        ("palme run robot=pa", {"panda"}),
        ("palme run 'put it there' robot=br", {"bridge"}),
        ("palme run --robot=pa", {"panda"}),
        ("palme run policy.wei", {"policy.weights="}),
        ("palme run look=", {"photo", "fast"}),
        ("palme run video=", {"true", "false"}),
        ("palme eval tasks=st", {"stack_tower"}),
        ("palme eval split=h", {"held_out"}),
        ("palme eval --show", {"--show-config"}),
        ("palme bench ga", {"gate"}),
        ("palme bench gate comm", {"commands="}),
        ("palme bench gate commands=3 ra", {"rates="}),
        ("palme train pl", {"planner"}),
        ("palme train planner mu", {"muon=", "muon_lr="}),
        ("palme data che", {"check"}),
        ("palme keys al", {"allow"}),
        ("palme help tel", {"teleop"}),
        ("palme completion z", {"zsh"}),
        ("palme run scene=collect.y", {"collect.yaml"}),
        ("palme run nosuch=", set()),
    ],
)
def test_bash_completes(script: Path, line: str, expected: set[str]) -> None:
    found = set(completed(script, line))
    assert expected <= found if line.endswith("palme ") else expected == found, found


def test_every_command_and_every_option_of_the_table_exists() -> None:
    assert set(COMMANDS) <= set(subcommands())
    for context, keys in table().items():
        name = context.replace(" ", "_", 1)
        if name not in CONFIGS:
            continue
        for key, options in keys.items():
            hint = type_of(CONFIGS[name], key)
            for option in options if hint is not None and "Literal" in str(hint) else ():
                decode(hint, TypedText(option), key)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_scripts_of_other_shells_are_accepted_by_them(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert "stack_tower" in text and "policy" in text
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    subprocess.run([shell, "-n"], input=text, text=True, check=True)


def test_switches_are_read_alike_in_every_form() -> None:
    assert load(EvalConfig, read("eval", ["--controls"]).words).controls is True
    assert load(RunConfig, read("run", ["--no-video"]).words).video is False
    with pytest.raises(UsageError):
        load(RunConfig, read("run", ["--video=maybe"]).words)
