"""Help of one command: values from its YAML files, meanings from the docstrings of its dataclasses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from palme.cli.paths import CONFIGS as FOLDER
from palme.cli.settings import CONFIGS

LISTED = {
    "serve": "palme.cli.commands.serve_arm",
    "keys": "palme.cli.commands.keys",
    "tasks": "palme.cli.commands.tasks",
    "doctor": "palme.cli.commands.doctor",
    "completion": "palme.cli.commands.completion",
}  # commands with settings and no YAML file
_ENTRY = re.compile(r" {8}(\w+(?:, \w+)*): (.*)")


def command_help(name: str, summary: str, parts: Sequence[str] = ()) -> str:
    """Help text of `palme NAME`, of its `parts` alone where there are such; Hydra is not loaded."""
    lines = [f"palme {name}: {summary}", ""]
    if name in LISTED and not parts:
        lines += [*import_module(LISTED[name]).help_lines(), ""]
    files = [*sorted(FOLDER.glob(f"{name}.yaml")), *sorted(FOLDER.glob(f"{name}_*.yaml"))]
    for path in [path for path in files if path.stem.removeprefix(f"{name}_") in parts] or files:
        settings = [f"  {line}" for line in _settings(path)]
        lines.append(f"palme {path.stem.replace('_', ' ', 1)} takes{':' if settings else ' no settings.'}")
        lines += [*settings, ""]
    return "\n".join(lines)


def docs_of(kind: type[Any], prefix: str = "") -> dict[str, str]:
    """What the docstring of a dataclass, its bases and its fields say of each dotted key."""
    found: dict[str, str] = {}
    for base in kind.__mro__:
        for names, text in _entries(base.__doc__ or ""):
            for name in names.split(", "):
                found.setdefault(f"{prefix}{name}", text)
    if is_dataclass(kind):
        for name, hint in get_type_hints(kind).items():
            if get_origin(hint) is Literal and len(options := get_args(hint)) > 1:
                key = f"{prefix}{name}"
                found[key] = ": ".join(filter(None, (" | ".join(options), found.get(key, ""))))
            for inner in (hint, *get_args(hint)):
                if isinstance(inner, type) and is_dataclass(inner):
                    found |= docs_of(inner, f"{prefix}{name}.")
    return found


def _entries(doc: str) -> Iterator[tuple[str, str]]:
    """(names, text) of each line below "Attributes:" in a class's docstring, wrapped lines joined."""
    _, _, section = doc.partition("    Attributes:\n")
    names, words = "", list[str]()
    for line in section.splitlines():
        if entry := _ENTRY.match(line):
            if names:
                yield names, " ".join(words)
            names, words = entry[1], [entry[2]]
        elif line.startswith(" " * 12):
            words.append(line.strip())
        elif line.strip():
            break
    if names:
        yield names, " ".join(words)


def _settings(path: Path) -> Iterator[str]:
    """A line for each group and each key of a YAML file, in its order."""
    docs = docs_of(CONFIGS[path.stem]) if path.stem in CONFIGS else {}
    in_defaults, outer = False, ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("defaults:"):
            in_defaults = True
        elif in_defaults and line.strip().startswith("- "):
            group, _, option = line.strip()[2:].partition(":")
            if option:
                options = sorted(p.stem for p in (FOLDER / group).glob("*.yaml"))
                yield f"{f'{group}={option.strip()}':<28}  # one of {', '.join(options)}"
        elif line.strip() and not line.startswith("#"):
            in_defaults = False
            value, _, comment = line.partition("#")
            key, _, standard = value.partition(":")
            outer = outer if key.startswith(" ") else key.strip()
            path_of = key.strip() if key.strip() == outer else f"{outer}.{key.strip()}"
            text = docs.get(path_of, comment.strip()).rstrip(".")
            said = f"{key}={standard.strip()}" if standard.strip() else key
            yield f"{said:<28}  # {text}" if text else said
