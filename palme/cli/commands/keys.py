"""`palme keys new name=NAME | allow file=PATH role=ROLE | list`: access to arms. Base install only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from palme.cli.errors import UsageError, unknown
from robots.bridge import keys
from robots.bridge.errors import KeyProblem

WANTED = {"name": "...", "file": "NAME.public.json", "role": "|".join(keys.ROLES)}
HELP = (
    "palme keys new takes:",
    "  name=NAME                     # of the key pair, such as me, or server for an arm's own",
    "palme keys allow takes:",
    "  file=PATH                     # NAME.public.json of the computer to allow",
    "  role=ROLE                     # viewer: read and stop | policy: command too | human: take over too",
    "palme keys list takes nothing. Each of them takes:",
    "  keys=FOLDER                   # default: $PALME_KEYS, or .palme/keys in the home directory",
)


def help_lines() -> tuple[str, ...]:
    """Lines for `palme keys --help`."""
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
        raise UsageError(
            "expected one of: palme keys new name=NAME | allow file=PATH role=policy | list; keys=FOLDER"
        )
    if words[0] not in commands:
        raise unknown("command of palme keys", words[0], commands)
    act, takes = commands[words[0]]
    given = dict(word.split("=", 1) for word in arguments if "=" in word)
    for key in given:
        if key not in (*takes, "keys"):
            raise unknown("key", key, (*takes, "keys"))
    if missing := [key for key in takes if not given.get(key)]:
        raise UsageError(
            f"palme keys {words[0]}: missing {' '.join(f'{key}={WANTED[key]}' for key in missing)}"
        )
    try:
        act(Path(given["keys"]).expanduser() if given.get("keys") else keys.default_folder(), given)
    except KeyProblem as error:
        raise UsageError(str(error)) from error
    return 0


def _new(folder: Path, given: dict[str, str]) -> None:
    key = keys.new(folder, given["name"])
    print(f"{folder / key.name}.secret.json  keep it on this computer")
    print(f"{folder / key.name}.public.json  copy it to the computer at the other end: {key.public}")


def _allow(folder: Path, given: dict[str, str]) -> None:
    if given["role"] not in keys.ROLES:
        raise unknown("role", given["role"], keys.ROLES)
    key = keys.allow(folder, keys.load_public(Path(given["file"]).expanduser()), given["role"])
    print(f"allowed {key.name} as {key.role} on the arms of this computer")


def _list(folder: Path, given: dict[str, str]) -> None:
    print(f"{folder}\n  own: {', '.join(keys.secrets(folder)) or 'none'}\n  allowed:")
    entries = keys.AllowList(folder)
    allowed = sorted(entries.keys().values(), key=lambda key: key.name)
    for key in allowed:
        print(f"    {key.name:<16} {key.role:<8} {key.public}")
    if not allowed:
        print("    none: every client is refused")
    if broken := entries.broken():
        print("  these entries grant no access; mend them, or remove them and allow their keys again:")
        print("\n".join(f"    {problem}" for problem in broken))
