"""`key=value` on configs/*.yaml, decoded once into a checked dataclass.

Hydra joins the YAML files of the chosen groups. What a person types never passes its grammar: the type of the
setting says how the text is read (`palme.cli.settings.typed_text`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar

from palme.cli.errors import UsageError, unknown
from palme.cli.paths import CONFIGS
from palme.cli.settings.fields import fill, has_field
from palme.cli.settings.groups import BRIDGE
from palme.cli.settings.reader import renamed
from palme.cli.settings.typed_text import TypedText
from palme.cli.show_config import show
from palme.cli.signals import postponed


class Config(Protocol):
    """A dataclass that a command reads from `configs/FILE.yaml`."""

    FILE: ClassVar[str]


C = TypeVar("C", bound=Config)
T = TypeVar("T")

_KEY = re.compile(r"(?P<mark>[+~]{0,2})(?P<key>[^\W\d][\w.-]*)")


class Positional(str):
    """A word behind `--`: a sentence or a path, whatever it looks like."""


def is_override(argument: str) -> bool:
    """Whether a word on the command line is `key=value` and not a sentence or a path."""
    key, sign, _ = argument.partition("=")
    return bool(sign) and not isinstance(argument, Positional) and _KEY.fullmatch(key) is not None


def load(kind: type[C], overrides: Iterable[str] = ()) -> C:
    """The configuration `configs/FILE.yaml` of `kind` with `overrides`, checked.

    Raises:
        UsageError: a key or option is unknown (names the nearest), or a value has the wrong type or is out of
            range.
        ConfigShown: where the command line asked for the settings alone.
    """
    return load_yaml(kind.FILE, kind, overrides)


def load_yaml(name: str, kind: type[T], overrides: Iterable[str] = ()) -> T:
    """`configs/NAME.yaml` with `overrides` as a `kind`, checked; see `load`."""
    config = fill(kind, compose(name, overrides, kind), "")
    show(config)
    return config


def compose(name: str, overrides: Iterable[str] = (), kind: type[Any] | None = None) -> dict[str, Any]:
    """`configs/NAME.yaml` with `overrides`, as plain nested dicts; types and ranges are not checked.

    Args:
        name: of the file.
        overrides: `key=value`; a value is `TypedText` in the result.
        kind: a dataclass whose fields are known keys as well, where the file does not list them.

    Raises:
        UsageError: for an unknown key or option, with the nearest one.
    """
    given = [_parted(word) for word in overrides]
    groups = [(key, text) for key, text in given if (CONFIGS / key).is_dir()]
    remote = ("robot", BRIDGE) in groups  # the arm describes itself over the wire: no file does
    from hydra.errors import ConfigCompositionException

    base = _composed(name, {})
    for key, text in groups:
        if key not in base:
            raise unknown("key", key, base)
        _check_option(key, text)
    chosen = {key: text for key, text in groups if (key, text) != ("robot", BRIDGE)}
    try:
        config = _composed(name, chosen)
    except ConfigCompositionException as error:  # the file has settings of that name, and no choice of files
        said = " ".join(f"{key}={text}" for key, text in chosen.items())
        one = f"{groups[0][0]}.NAME=VALUE"
        raise UsageError(f"{said}: this command takes settings one by one, as {one}") from error
    known = {key for key, _ in _flat(config)} | set(base)
    for key, text in given:
        if (key, text) in groups:
            continue
        if (now := renamed(key)) and key not in known and "planner" in base:
            raise UsageError(f"{key} is called {now} now, a setting of planner=program: {now}={text}")
        if key not in known and not (kind is not None and has_field(kind, key)):
            branch = key.rpartition(".")[0] + "." if key.rpartition(".")[0] in known else ""
            raise unknown(
                "key", key, {k for k in known if k.startswith(branch) and "." not in k[len(branch) :]}
            )
        _put(config, key, text)
    if remote:
        if "bridge" not in config:
            raise UsageError("robot=bridge: this command moves no remote arm; run, teleop and eval do")
        config["robot"] = {"name": BRIDGE}
    return config


def _parted(word: str) -> tuple[str, str]:
    """Key and text of `key=value`; dashes in a key are underscores. Raises UsageError."""
    key, _, text = word.partition("=")
    match = _KEY.fullmatch(key)
    if match is None or match["mark"].startswith("~"):
        raise UsageError(f"{word!r}: expected key=value")
    return match["key"].replace("-", "_"), text


def _composed(name: str, groups: Mapping[str, str]) -> dict[str, Any]:
    """The YAML file with these files of groups, joined by Hydra; the caller may change it."""
    return deepcopy(_joined(name, tuple(groups.items())))


@cache
def _joined(name: str, groups: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    import hydra
    from omegaconf import OmegaConf

    # OmegaConf would turn Ctrl-C into an error about the configuration
    with postponed("reading the settings"), hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config: Any = hydra.compose(name, [f"{group}={option}" for group, option in groups])
    plain: Any = OmegaConf.to_container(config, resolve=True)
    return dict(plain)


def _check_option(group: str, option: str) -> None:
    options = [path.stem for path in (CONFIGS / group).glob("*.yaml")]
    if group == "robot":
        options.append(BRIDGE)
    if option not in options:
        raise unknown({"robot": "arm"}.get(group, group), option, options)


def _put(tree: dict[str, Any], key: str, text: str) -> None:
    """Replace the value of a dotted key. Raises UsageError where what is above it is no branch."""
    *branches, leaf = key.split(".")
    at = tree
    for branch in branches:
        if at.get(branch) is None:
            at[branch] = {}
        at = at[branch]
        if not isinstance(at, dict):
            raise UsageError(f"{key}={text}: {branch}={at!r} has no settings of its own")
    before = at.get(leaf)
    at[leaf] = TypedText(text, before.default if isinstance(before, TypedText) else before)


def _flat(tree: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Every (dotted key, value) of nested dicts, branches included."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            path = f"{prefix}{key}"
            yield path, value
            yield from _flat(value, f"{path}.")
