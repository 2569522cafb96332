"""What a command takes: its own configuration file, comments included, and the options of each group."""

from __future__ import annotations

from importlib import import_module

from palme.cli.paths import CONFIGS

LISTED = {
    "serve": "palme.cli.commands.serve_arm",
    "keys": "palme.cli.commands.keys",
}  # what has settings and no file of them


def command_help(name: str, summary: str) -> str:
    """Help text of `palme NAME`, read from configs/ without loading Hydra, and from `LISTED`."""
    lines = [f"palme {name}: {summary}", ""]
    if name in LISTED:
        lines += [*import_module(LISTED[name]).help_lines(), ""]
    files = [*sorted(CONFIGS.glob(f"{name}.yaml")), *sorted(CONFIGS.glob(f"{name}_*.yaml"))]
    for path in files:
        groups, settings = _parts(path.read_text(encoding="utf-8"))
        lines.append(f"palme {path.stem.replace('_', ' ', 1)} takes:")
        for group, option in groups:
            options = sorted(p.stem for p in (CONFIGS / group).glob("*.yaml"))
            lines.append(f"  {f'{group}={option}':<28}  # one of {', '.join(options)}")
        lines += [f"  {setting}" for setting in settings]
        lines.append("")
    return "\n".join(lines)


def _parts(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    groups: list[tuple[str, str]] = []
    settings: list[str] = []
    in_defaults = False
    for line in text.splitlines():
        if line.startswith("defaults:"):
            in_defaults = True
        elif in_defaults and line.strip().startswith("- "):
            group, _, option = line.strip()[2:].partition(":")
            if option:
                groups.append((group.strip(), option.strip()))
        elif line.strip() and not line.startswith("#"):
            in_defaults = False
            value, _, comment = line.partition("#")
            key, _, standard = value.partition(":")
            said = f"{key}={standard.strip()}" if standard.strip() else key
            settings.append(f"{said:<28}  # {comment.strip()}" if comment else said)
    return groups, settings
