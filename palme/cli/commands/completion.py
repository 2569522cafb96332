"""`palme completion bash|zsh|fish`: a script that completes commands, settings and their options.

It is written from the commands and from configs/, so it is as old as the installation that wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from palme.cli.errors import UsageError, unknown
from palme.cli.paths import CONFIGS as FOLDER

FILES = "\x00files"  # stands for "any path" among the options of a key
SHARED = ("--help", "--show-config")
Table = dict[str, dict[str, tuple[str, ...]]]  # "bench gate" -> key -> its options


def help_lines() -> tuple[str, ...]:
    """Lines for `palme completion --help`."""
    return (
        "palme completion takes the name of a shell:",
        "  bash    source <(palme completion bash), in ~/.bashrc",
        '  zsh     source <(palme completion zsh), in ~/.zshrc, after "autoload -U compinit; compinit"',
        "  fish    palme completion fish > ~/.config/fish/completions/palme.fish",
    )


def main(arguments: Sequence[str]) -> int:
    """Print the script. Returns 0."""
    if len(arguments) != 1:
        raise UsageError(f"name one shell of {', '.join(SHELLS)}: palme completion bash")
    if arguments[0] not in SHELLS:
        raise unknown("shell", arguments[0], SHELLS)
    print(SHELLS[arguments[0]](subcommands(), table()), end="")
    return 0


def subcommands() -> dict[str, tuple[str, ...]]:
    """What may follow the name of each command, beside settings."""
    from palme.cli.commands.bench import BENCHES
    from palme.cli.main import COMMANDS
    from palme.training.datasets.sense_questions import SENSE_TASKS
    from palme.training.recipes import RECIPES
    from sim.tasks import TASKS

    more: dict[str, tuple[str, ...]] = {
        "bench": tuple(BENCHES),
        "train": tuple(RECIPES),
        "data": tuple(sorted(path.stem[5:] for path in FOLDER.glob("data_*.yaml"))),
        "setup": ("language",),
        "sense": (*SENSE_TASKS, "all"),
        "keys": ("new", "allow", "list"),
        "tasks": tuple(TASKS),
        "completion": tuple(SHELLS),
        "help": tuple(COMMANDS),
    }
    return {name: more.get(name, ()) for name in (*COMMANDS, "help")}


def table() -> Table:
    """The keys of each command that reads a file of configs/, with their options."""
    from palme.cli.settings import CONFIGS
    from palme.training.recipes import RECIPES

    kinds = {**{name: CONFIGS[name] for name in CONFIGS}, **{f"train_{n}": RECIPES[n] for n in RECIPES}}
    found = {name.replace("_", " ", 1): dict(_keys(name, kind)) for name, kind in kinds.items()}
    if "bench planner" in found:
        found["bench detector"] = found["bench planner"]
    from palme.cli.commands.serve_arm import BACKENDS
    from robots.drivers.registry import DRIVERS

    serve = {
        key: options
        for name in list(found)
        if name.startswith("serve ")
        for key, options in found.pop(name).items()
    }
    found["serve"] = serve | {"backend": tuple(sorted(DRIVERS | BACKENDS)), "guest": ("gello",)}
    found["keys"] = {"name": (), "file": (FILES,), "role": ("viewer", "policy", "human"), "keys": (FILES,)}
    return found


def _keys(name: str, kind: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(key, options) of a file and of every file of its groups."""
    import yaml

    content = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")) or {}
    for entry in content.pop("defaults", ()):
        if isinstance(entry, dict):
            (group,) = entry
            files = sorted((FOLDER / group).glob("*.yaml"))
            remote = ("bridge",) if group == "robot" and name in ("run", "eval", "teleop", "replay") else ()
            yield group, (*(path.stem for path in files), *remote)
            if group != "robot":  # dozens of numbers of an arm, which nobody types
                for path in files:
                    yield from _leaves(yaml.safe_load(path.read_text(encoding="utf-8")), f"{group}.", kind)
    yield from _leaves(content, "", kind)


def _leaves(tree: dict[str, Any], prefix: str, kind: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    for key, value in (tree or {}).items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.", kind)
        elif prefix + key not in ("planner.name", "policy.name"):
            yield prefix + key, _options(kind, prefix + key, value)


def _options(kind: Any, key: str, value: Any) -> tuple[str, ...]:
    from pathlib import Path

    from palme.cli.settings.fields import Known, alternatives, limits_of, type_of
    from palme.file_names import FILE_NAME

    hint = type_of(kind, key)
    several, limits = list(alternatives(hint)), limits_of(hint)
    names = [str(one) for one in several if get_origin(one) is Literal for one in get_args(one)]
    names += [name for limit in limits if isinstance(limit, Known) for name in limit.names()]
    if bool in several or isinstance(value, bool):
        names += ["true", "false"]
    if Path in several or FILE_NAME in limits or key.rpartition(".")[2] == "weights":
        names.append(FILES)
    return tuple(names)


# -- the scripts --------------------------------------------------------------------------------------


def _cases(subs: dict[str, tuple[str, ...]], keys: Table) -> str:
    """Two functions of a POSIX shell: the words after a command, and the options of a key."""
    lines = ["_palme_words() {", '  case "$1" in']
    lines += [f"    '') echo '{' '.join((*subs, '--version', '--help'))}' ;;"]
    for context in sorted({*subs, *keys}):
        words = [*subs.get(context, ()), *(f"{key}=" for key in keys.get(context, ())), *SHARED]
        lines.append(f"    '{context}') echo '{' '.join(words)}' ;;")
    lines += ["  esac", "}", "_palme_options() {", '  case "$1" in']
    for context, its in sorted(keys.items()):
        for key, options in its.items():
            if options:
                shown = " ".join("@files" if option == FILES else option for option in options)
                lines.append(f"    '{context} {key}') echo '{shown}' ;;")
    lines += ["  esac", "}"]
    parts = "|".join(
        sorted(f"'{c}'" for c in {*keys, *(f"{n} {s}" for n in ("help",) for s in subs)} if " " in c)
    )
    lines += [
        "_palme_is_part() {",
        '  case "$1" in',
        f"    {parts}) return 0 ;;",
        "  esac",
        "  return 1",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _bash(subs: dict[str, tuple[str, ...]], keys: Table) -> str:
    return _cases(subs, keys) + _BASH


def _zsh(subs: dict[str, tuple[str, ...]], keys: Table) -> str:
    return "#compdef palme\n" + _cases(subs, keys) + _ZSH


def _fish(subs: dict[str, tuple[str, ...]], keys: Table) -> str:
    lines = ["complete -c palme -f"]
    lines.append(f"complete -c palme -n __fish_use_subcommand -a '{' '.join(subs)}'")
    for context in sorted({*subs, *keys}):
        name, _, part = context.partition(" ")
        test = f"__fish_seen_subcommand_from {name}" + (
            f"; and __fish_seen_subcommand_from {part}" if part else ""
        )
        words = [*subs.get(context, ()), *SHARED]
        for key, options in keys.get(context, {}).items():
            plain = [option for option in options if option != FILES]
            words += [f"{key}={option}" for option in plain] or [f"{key}="]
            if FILES in options:
                lines.append(
                    f"complete -c palme -n '{test}; and string match -q -- \"{key}=*\" (commandline -ct)' "
                    f"-a '(__fish_complete_path (commandline -ct))'"
                )
        lines.append(f"complete -c palme -n '{test}' -a '{' '.join(words)}'")
    return "\n".join(lines) + "\n"


# Bash takes `=` and `:` for the ends of words, so the line is parted at blanks here, and a reply begins
# behind the `=`.
_BASH = r"""
_palme() {
  local line="${COMP_LINE:0:COMP_POINT}" context="" one
  local -a words
  read -ra words <<< "$line"
  case "$line" in *[[:space:]]) words+=("") ;; esac
  local current="${words[-1]}" last=$((${#words[@]} - 1))
  if ((last > 1)); then
    context="${words[1]}"
    for one in "${words[@]:2:last-2}"; do
      if _palme_is_part "$context $one"; then context="$context $one"; break; fi
    done
  fi
  COMPREPLY=()
  case "$current" in
    *=*)
      local key="${current%%=*}" value="${current#*=}" options
      key="${key#--}"
      options="$(_palme_options "$context $key")"
      case " $options " in
        *" @files "*)
          options="${options//@files/}"
          mapfile -t COMPREPLY < <(compgen -W "$options" -- "$value"; compgen -f -- "$value")
          compopt -o filenames 2> /dev/null ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$value") ;;
      esac ;;
    *)
      mapfile -t COMPREPLY < <(compgen -W "$(_palme_words "$context")" -- "$current")
      case "$context" in
        view | why | replay | data*)
          mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current") ;;
      esac
      if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2> /dev/null; fi ;;
  esac
}
complete -F _palme palme
"""

_ZSH = r"""
_palme() {
  local context="" one options
  local -a candidates
  if (( CURRENT > 2 )); then
    context="$words[2]"
    for one in "${(@)words[3,CURRENT-1]}"; do
      if _palme_is_part "$context $one"; then context="$context $one"; break; fi
    done
  fi
  case "$PREFIX" in
    *=*)
      options="$(_palme_options "$context ${${PREFIX%%=*}#--}")"
      compset -P '*='
      candidates=(${(s: :)options})
      if (( ${candidates[(I)@files]} )); then candidates=(${candidates:#@files}); _files; fi
      compadd -a candidates ;;
    *)
      candidates=(${(s: :)"$(_palme_words "$context")"})
      compadd -S '' -- ${(M)candidates:#*=}
      compadd -- ${candidates:#*=} ;;
  esac
}
compdef _palme palme
"""

SHELLS: dict[str, Callable[[dict[str, tuple[str, ...]], Table], str]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
