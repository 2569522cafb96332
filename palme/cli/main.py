"""`palme`: runs the module of the command that is named; only that module is imported."""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from palme.cli.errors import NotRecorded, UsageError, reason, unknown
from palme.cli.exit_codes import FAILED, INTERRUPTED, NOT_RECORDED, NOT_WRITTEN, REFUSED
from palme.cli.progress import silence_others
from palme.cli.show_config import ConfigShown, showing
from palme.cli.signals import Stopped, first_signal, stoppable
from palme.cli.words import HELP, VERSION, has_option, read
from palme.registry import UnknownName
from palme.weight_files import WeightsError
from robots.errors import RobotError
from robots.output import PATIENCE, safe_output
from robots.text import text_problem

COMMANDS = {
    "run": (
        "palme.cli.commands.run",
        'carry out a sentence: palme run "put the red block in the blue bowl"',
    ),
    "teleop": (
        "palme.cli.commands.teleop",
        "move an arm by hand: palme teleop device=keyboard | console=true",
    ),
    "eval": (
        "palme.cli.commands.eval",
        "measure success per task on hard scenes: palme eval tasks=[put_in_bowl] episodes=50",
    ),
    "collect": ("palme.cli.commands.collect", "render the scenes and record the motions for training"),
    "train": (
        "palme.cli.commands.train",
        "train a model from its data: palme train perception | planner | policy | senses ...",
    ),
    "serve": (
        "palme.cli.commands.serve",
        "serve an arm, a policy or an agent: serve robot=panda | policy=... | planner=... | guest=...",
    ),
    "data": (
        "palme.cli.commands.data",
        "manage recorded episodes: data info | check | repair | merge | split | stats PATH",
    ),
    "replay": (
        "palme.cli.commands.replay",
        "send the commands of a recorded episode again: palme replay PATH episode=0",
    ),
    "view": (
        "palme.cli.commands.view",
        "write a film of a recorded episode, and a Rerun file: palme view PATH episode=0",
    ),
    "find": (
        "palme.cli.commands.find",
        'moments of recorded episodes by text or picture: palme find "a red block in a blue bowl" PATH',
    ),
    "why": (
        "palme.cli.commands.why",
        "show how a step of a run came about, from sentence to commands: palme why DIR step=1",
    ),
    "sense": (
        "palme.cli.commands.sense",
        "show what a sense perceives of a simulated event: palme sense spectrogram",
    ),
    "keys": ("palme.cli.commands.keys", "keys of the bridge, one a computer: palme keys new | allow | list"),
    "tasks": ("palme.cli.commands.tasks", "list the task families, example sentences and held-out pairs"),
    "setup": ("palme.cli.commands.setup", "bring the pretrained language model: palme setup language"),
    "doctor": ("palme.cli.commands.doctor", "check Python, packages, weights, rendering and arms"),
    "bench": (
        "palme.cli.commands.bench",
        "measure speed, and each part alone: palme bench env | gate | policy | bridge ...",
    ),
    "completion": (
        "palme.cli.commands.completion",
        "print a script that completes commands and settings: palme completion bash | zsh | fish",
    ),
}

# They outlive whoever reads what they print; the product of the others is what they print.
LONG = ("run", "teleop", "eval", "collect", "train", "serve", "replay", "view", "find", "bench")
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}

USAGE = """\
palme: from a sentence and camera images to joint commands.

usage: palme COMMAND [key=value ...]
       palme help COMMAND
       palme --version

{commands}

Every setting is `key=value`, or `--key=value`; `palme COMMAND --help` lists the settings of a command, and
`palme COMMAND --show-config` prints their values and does nothing. A word behind `--` is no setting.
Exit code: 0 done, 1 not achieved, 2 not begun, 3 an episode was not recorded, 4 another file was not
written, 128 + n stopped by signal n.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code, see `palme.cli.exit_codes`.

    SIGTERM, SIGHUP and SIGQUIT have the effect of Ctrl-C: the arm stops, and results so far are written.
    Nothing that is printed can end a command, see `robots.output`.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    silence_others()
    code = INTERRUPTED + signal.SIGINT
    long = arguments[:1] != [] and arguments[0] in LONG
    try:
        with stoppable(), safe_output(PATIENCE if long else None) as (out, _):
            code = _run(arguments)
            lost = out.fault is not None and out.fault.errno in UNWRITABLE
            if lost and not long and not code:
                code = NOT_WRITTEN
    except KeyboardInterrupt:  # while the last lines were on their way
        pass
    return code


def _run(arguments: list[str]) -> int:
    try:
        return _dispatch(arguments)
    except ConfigShown as shown:
        print(shown, end="")
        return 0
    except (UsageError, UnknownName, WeightsError) as error:
        print(f"palme: {error}", file=sys.stderr)
        return REFUSED
    except RobotError as error:  # from an arm or its server; the message names the cause
        print(f"palme: {type(error).__name__}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as interrupt:
        print(f"palme: {interrupt if isinstance(interrupt, Stopped) else 'stopped'}", file=sys.stderr)
        return INTERRUPTED + (first_signal() or signal.SIGINT)
    except NotRecorded as error:
        print(f"palme: not recorded: {error}", file=sys.stderr)
        return NOT_RECORDED
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"palme: {where}{reason(error).lower()}; its files are incomplete", file=sys.stderr)
        return NOT_WRITTEN


def _dispatch(arguments: list[str]) -> int:
    for k, word in enumerate(arguments, 1):
        if problem := text_problem(word):
            raise UsageError(f"argument {k}: {problem}")
    name, *rest = arguments or ["help"]
    if name in VERSION or has_option(rest, VERSION):
        from importlib.metadata import version

        print(f"palme {version('palme-stack')}")
        return 0
    if name in (*HELP, "help"):
        return _help(rest)
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    if has_option(rest, HELP):
        return _help([name, *rest])
    line = read(name, rest)
    with showing(line.shows_config):
        return int(import_module(COMMANDS[name][0]).main(line.words))


def _help(words: list[str]) -> int:
    """`palme help COMMAND`, of one bench or data set command alone where it is named too."""
    named = [word for word in words if not word.startswith("-")]
    if not named:
        print(USAGE.format(commands=_listed()), end="")
        return 0
    if named[0] not in COMMANDS:
        raise unknown("command", named[0], COMMANDS)
    text = import_module("palme.cli.help").command_help(named[0], COMMANDS[named[0]][1], named[1:])
    print(text, end="")
    return 0


def _listed() -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(f"  {name:<{width}}  {summary}" for name, (_, summary) in COMMANDS.items())


if __name__ == "__main__":
    sys.exit(main())
