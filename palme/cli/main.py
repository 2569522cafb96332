"""`palme`: hands each command to its module, which is imported only then."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from palme.cli.errors import UsageError, unknown
from palme.cli.signals import stoppable
from palme.registry import UnknownName
from robots.errors import RobotError

COMMANDS = {
    "run": (
        "palme.cli.commands.run",
        'do what a sentence says: palme run "put the red block in the blue bowl"',
    ),
    "teleop": (
        "palme.cli.commands.teleop",
        "move an arm by hand: palme teleop device=keyboard | console=true",
    ),
    "eval": (
        "palme.cli.commands.eval",
        "success per task on hard scenes: palme eval tasks=[put_in_bowl] episodes=50",
    ),
    "collect": ("palme.cli.commands.collect", "render the scenes and record the motions that training needs"),
    "train": (
        "palme.cli.commands.train",
        "from nothing to the shipped weights: palme train perception | reader | planner | policy",
    ),
    "serve": (
        "palme.cli.commands.serve",
        "let others in: serve robot=panda backend=sim | policy=... | guest=...",
    ),
    "data": (
        "palme.cli.commands.data",
        "recorded episodes: data info | check | repair | merge | split | stats PATH",
    ),
    "replay": (
        "palme.cli.commands.replay",
        "the commands of a recorded episode once more: palme replay PATH episode=0",
    ),
    "view": (
        "palme.cli.commands.view",
        "a recorded episode as a film and for Rerun: palme view PATH episode=0",
    ),
    "keys": ("palme.cli.commands.keys", "who may reach an arm: palme keys new | allow | list"),
    "tasks": ("palme.cli.commands.tasks", "the task families, how they are said, and what they hold out"),
    "doctor": ("palme.cli.commands.doctor", "check Python, packages, weights, rendering and the arm"),
    "bench": (
        "palme.cli.commands.bench",
        "speed, and each part alone: palme bench env | gate | policy | bridge ...",
    ),
}

HELP = """\
palme: a sentence, camera images, joint commands, the task done.

usage: palme COMMAND [key=value ...]

{commands}

Every setting is `key=value`; `palme COMMAND --help` lists those of a command.
Exit code: 0 achieved, 1 not achieved, 2 not understood.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code: 0 done, 1 not done, 2 a usage error, 130 interrupted.

    SIGTERM ends a command as Ctrl-C does: an arm is stopped, what was measured so far is written.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with stoppable():
            return _dispatch(arguments)
    except (UsageError, UnknownName) as error:
        print(f"palme: {error}", file=sys.stderr)
        return 2
    except RobotError as error:  # an arm, or whoever serves it, refused: it says why itself
        print(f"palme: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("palme: stopped", file=sys.stderr)
        return 130


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP.format(commands=_listed()), end="")
        return 0
    name, *rest = arguments
    if name == "--version":
        from importlib.metadata import version

        print(version("palme-stack"))
        return 0
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    module = COMMANDS[name][0]
    if any(word in ("-h", "--help") for word in rest):
        print(import_module("palme.cli.help").command_help(name, COMMANDS[name][1]), end="")
        return 0
    return int(import_module(module).main(rest))


def _listed() -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(f"  {name:<{width}}  {summary}" for name, (_, summary) in COMMANDS.items())


if __name__ == "__main__":
    sys.exit(main())
