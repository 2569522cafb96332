"""Hydra's `key=value` on our configs, with errors that say what exists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from palme.cli.errors import UsageError, unknown
from palme.cli.paths import CONFIGS

_OVERRIDE = re.compile(r"[+~]{0,2}[A-Za-z_][\w./@]*(=|$)")
# A value of these characters only means the same to Hydra's grammar as to a person.
_PLAIN = re.compile(r"[\w./:+\-,\[\]{}'\"= ]*")


def is_override(argument: str) -> bool:
    """Whether a word on the command line is `key=value` and not a sentence."""
    match = _OVERRIDE.match(argument)
    return bool(match) and argument[match.end() - 1 : match.end()] == "="


def load(name: str, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """The configuration `configs/NAME.yaml` with `overrides`, as plain nested dicts.

    Raises:
        UsageError: for an unknown key or option (with the nearest one) or a value that cannot be read.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    words = list(overrides)
    remote = "robot=bridge" in words  # an arm whose description comes over the wire: there is no file of it
    given = [_quoted(word) for word in words if word != "robot=bridge"]
    try:
        with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
            chosen = [word for word in given if _names_a_group(word)]
            standard = dict(_flat(OmegaConf.to_container(hydra.compose(name))))
            for word in chosen:
                _check(word, set(standard))
            standard |= dict(_flat(OmegaConf.to_container(hydra.compose(name, chosen))))
            for word in given:
                _check(word, set(standard))
            config = OmegaConf.to_container(hydra.compose(name, given), resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(str(error).splitlines()[0]) from error
    for path, value in _flat(config):
        _check_type(path, value, standard.get(path))
    config = dict(config)
    if remote:
        if "bridge" not in config:
            raise UsageError("robot=bridge: this command moves no remote arm; run, teleop and eval do")
        config["robot"] = {"name": "bridge"}
    return config


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
            options.append("bridge")
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


def _check_type(path: str, value: Any, usual: Any) -> None:
    """A key whose standard value is a number, a switch or a list takes only its like."""
    if usual is None or isinstance(usual, (str, Mapping)):
        return
    kinds = {bool: bool, int: int, float: (int, float), list: list}
    wanted = kinds[type(usual)]
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise UsageError(f"{path}={value!r}: expected {type(usual).__name__}, as in {path}={usual!r}")


def _flat(tree: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Every (dotted key, value) of nested dicts, branches included."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            path = f"{prefix}{key}"
            yield path, value
            yield from _flat(value, f"{path}.")
