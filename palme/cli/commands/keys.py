"""`palme keys new name=NAME | allow file=PATH role=ROLE | list`: who may reach an arm. Base install only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from palme.cli.errors import UsageError, unknown
from robots.bridge import keys
from robots.bridge.errors import KeyProblem

WANTED = {"name": "...", "file": "NAME.public.json", "role": "|".join(keys.ROLES)}
HELP = (
    "palme keys new takes:",
    "  name=NAME                     # of the pair, such as me, or server for an arm's own",
    "palme keys allow takes:",
    "  file=PATH                     # NAME.public.json of who is to be let in",
    "  role=ROLE                     # viewer: look and stop | policy: command too | human: take over too",
    "palme keys list takes nothing. Each of them takes:",
    "  keys=FOLDER                   # none named = $PALME_KEYS, or .palme/keys in the home directory",
)


def help_lines() -> tuple[str, ...]:
    """What `palme keys --help` says."""
    return HELP


def main(arguments: Sequence[str]) -> int:
    """Returns 0."""
    commands: dict[str, tuple[Callable[[Path, dict[str, str]], None], tuple[str, ...]]] = {
        "new": (_new, ("name",)),
        "allow": (_allow, ("file", "role")),
        "list": (_list, ()),
    }
    words = [word for word in arguments if "=" not in word]
    if len(words) != 1:
        raise UsageError("one of: palme keys new name=NAME | allow file=PATH role=policy | list; keys=FOLDER")
    if words[0] not in commands:
        raise unknown("command of palme keys", words[0], commands)
    act, takes = commands[words[0]]
    given = dict(word.split("=", 1) for word in arguments if "=" in word)
    for key in given:
        if key not in (*takes, "keys"):
            raise unknown("key", key, (*takes, "keys"))
    if missing := [key for key in takes if not given.get(key)]:
        raise UsageError(f"palme keys {words[0]}: say {' '.join(f'{key}={WANTED[key]}' for key in missing)}")
    try:
        act(Path(given["keys"]).expanduser() if given.get("keys") else keys.default_folder(), given)
    except KeyProblem as error:
        raise UsageError(str(error)) from error
    return 0


def _new(folder: Path, given: dict[str, str]) -> None:
    key = keys.new(folder, given["name"])
    print(f"{folder / key.name}.secret.json  keep it on this computer")
    print(f"{folder / key.name}.public.json  give it to whom it may concern: {key.public}")


def _allow(folder: Path, given: dict[str, str]) -> None:
    if given["role"] not in keys.ROLES:
        raise unknown("role", given["role"], keys.ROLES)
    key = keys.allow(folder, keys.load_public(Path(given["file"]).expanduser()), given["role"])
    print(f"{key.name} may reach the arms of this computer as {key.role}")


def _list(folder: Path, given: dict[str, str]) -> None:
    print(f"{folder}\n  own: {', '.join(keys.secrets(folder)) or 'none'}\n  allowed:")
    entries = keys.AllowList(folder)
    allowed = sorted(entries.keys().values(), key=lambda key: key.name)
    for key in allowed:
        print(f"    {key.name:<16} {key.role:<8} {key.public}")
    if not allowed:
        print("    nobody: every client is refused")
    if broken := entries.broken():
        print("  cannot be read, and so lets nobody in; remove it, or allow its key anew:")
        print("\n".join(f"    {problem}" for problem in broken))
