"""Hydra's `key=value` on configs/*.yaml, decoded once into a checked dataclass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from palme.cli.errors import UsageError, unknown
from palme.cli.paths import CONFIGS
from palme.cli.settings.fields import fill
from palme.cli.settings.groups import BRIDGE


class Config(Protocol):
    """A dataclass that a command reads from `configs/FILE.yaml`."""

    FILE: ClassVar[str]


C = TypeVar("C", bound=Config)

_OVERRIDE = re.compile(r"[+~]{0,2}[A-Za-z_][\w./@]*(=|$)")
# A value of these characters only means the same to Hydra's grammar as to a person.
_PLAIN = re.compile(r"[\w./:+\-,\[\]{}'\"= ]*")


def is_override(argument: str) -> bool:
    """Whether a word on the command line is `key=value` and not a sentence."""
    match = _OVERRIDE.match(argument)
    return match is not None and match.group().endswith("=")


def load(kind: type[C], overrides: Iterable[str] = ()) -> C:
    """The configuration `configs/FILE.yaml` of `kind` with `overrides`, checked.

    Raises:
        UsageError: a key or option is unknown (names the nearest), or a value has the wrong type or is out of
            range.
    """
    found: C = fill(kind, compose(kind.FILE, overrides), "")
    return found


def compose(name: str, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """`configs/NAME.yaml` with `overrides`, as plain nested dicts; types and ranges are not checked.

    Raises:
        UsageError: for an unknown key or option (with the nearest one) or a value that cannot be parsed.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    words = list(overrides)
    remote = f"robot={BRIDGE}" in words  # the arm describes itself over the wire: no file does
    given = [_quoted(word) for word in words if word != f"robot={BRIDGE}"]
    try:
        with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
            chosen = [word for word in given if _names_a_group(word)]
            keys = {key for key, _ in _flat(OmegaConf.to_container(hydra.compose(name)))}
            for word in chosen:
                _check(word, keys)
            keys |= {key for key, _ in _flat(OmegaConf.to_container(hydra.compose(name, chosen)))}
            for word in given:
                _check(word, keys)
            config: Any = OmegaConf.to_container(hydra.compose(name, given), resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(str(error).splitlines()[0]) from error
    if remote:
        if "bridge" not in config:
            raise UsageError("robot=bridge: this command moves no remote arm; run, teleop and eval do")
        config["robot"] = {"name": BRIDGE}
    return dict(config)


def _names_a_group(word: str) -> bool:
    """Whether `word` picks another file of a group, such as `policy=chunk`, which has keys of its own."""
    return not word.startswith(("+", "~")) and (CONFIGS / word.partition("=")[0]).is_dir()


def _check(word: str, keys: set[str]) -> None:
    key, _, value = word.partition("=")
    if key.startswith(("+", "~")):
        return
    if (CONFIGS / key).is_dir():
        options = [path.stem for path in (CONFIGS / key).glob("*.yaml")]
        if key == "robot":
            options.append(BRIDGE)
        if value not in options:
            raise unknown({"robot": "arm"}.get(key, key), value, options)
    elif key not in keys:
        branch = key.rpartition(".")[0] + "." if key.rpartition(".")[0] in keys else ""
        raise unknown("key", key, {k for k in keys if k.startswith(branch) and "." not in k[len(branch) :]})


def _quoted(word: str) -> str:
    key, _, value = word.partition("=")
    if _PLAIN.fullmatch(value):
        return word
    return f"{key}='" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _flat(tree: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Every (dotted key, value) of nested dicts, branches included."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            path = f"{prefix}{key}"
            yield path, value
            yield from _flat(value, f"{path}.")
