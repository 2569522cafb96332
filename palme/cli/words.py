"""A command line's words: `--key=value`, `--key value`, `--switch`, `--no-switch` become `key=value`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from palme.cli.errors import UsageError
from palme.cli.paths import CONFIGS as FOLDER

HELP = ("-h", "--help")
VERSION = ("-V", "--version")
SHOW_CONFIG = "--show-config"
WITHOUT_SETTINGS = ("tasks", "doctor", "keys", "completion")
_OF_HYDRA = ("--info", "--cfg", "--resolve", "--package", "--config-name", "--config-path", "--hydra-help")
_NUMBER = re.compile(r"-\.?[0-9]")


@dataclass(frozen=True)
class Line:
    """What follows the command's name.

    Attributes:
        words: sentences, paths and `key=value`.
        shows_config: whether the settings are printed and nothing else is done.
    """

    words: tuple[str, ...]
    shows_config: bool = False


def has_option(words: Sequence[str], options: Sequence[str]) -> bool:
    """Whether one of `options` is among `words`, before a `--`."""
    before = words[: words.index("--")] if "--" in words else words
    return any(word in options for word in before)


def read(name: str, words: Sequence[str]) -> Line:
    """The words after `palme NAME`.

    Raises:
        UsageError: an option is unknown (names the nearest), or lacks its value.
    """
    if not any(word.startswith("-") or word == "=" for word in words):
        return Line(tuple(words))
    return _Reader(name, words).line()


def settings_file(name: str, words: Sequence[str]) -> str:
    """Which file of configs/ the words set, such as `bench_gate`; "" where none does."""
    if name in ("bench", "data", "train", "setup"):
        for word in words:
            if (FOLDER / f"{name}_{word}.yaml").exists():
                return f"{name}_{word}"
        return "bench_planner" if (name, "detector") in ((name, word) for word in words) else ""
    if name == "serve":
        keys = {word.lstrip("-").partition("=")[0] for word in words}
        kinds = {"guest": "serve_gello", "planner": "serve_agent", "policy": "serve_policy"}
        return next((file for key, file in kinds.items() if key in keys), "")
    return name if (FOLDER / f"{name}.yaml").exists() else ""


class _Reader:
    """One command line."""

    def __init__(self, name: str, words: Sequence[str]) -> None:
        self._name, self._words = name, list(words)
        self._file = settings_file(name, words)
        self._kind = _kind_of(name, self._file)

    def line(self) -> Line:
        from palme.cli.config import Positional

        found, shows_config, pending = list[str](), False, self._words[::-1]
        while pending:
            word = pending.pop()
            if word == "--":
                found += map(Positional, reversed(pending))
                break
            if word == SHOW_CONFIG:
                shows_config = True
            elif word.startswith("--"):
                found.append(self._option(word, pending))
            elif word.startswith("-") and len(word) > 1 and " " not in word and not _NUMBER.match(word):
                raise self._unknown(word)
            elif word == "=":
                raise UsageError("'=': write key=value without blanks around the `=`")
            else:
                found.append(word)
        if shows_config and self._name in WITHOUT_SETTINGS:
            raise UsageError(f"{SHOW_CONFIG}: palme {self._name} has no settings of configs/ to show")
        return Line(tuple(found), shows_config)

    def _option(self, word: str, pending: list[str]) -> str:
        """`--key=value`, `--key` and the next word, or a switch alone, as `key=value`."""
        from palme.cli.settings.typed_text import SWITCH

        key, sign, text = word[2:].partition("=")
        key = key.replace("-", "_")
        if word.partition("=")[0] in _OF_HYDRA:
            raise UsageError(
                f"unknown option {word!r}: `palme {self._name} {SHOW_CONFIG}` prints the settings"
            )
        if sign:
            if not self._is_known(key):
                raise self._unknown(word)
            return f"{key}={text}"
        if self._is_switch(key):
            value = pending.pop() if pending and pending[-1].lower() in SWITCH else "true"
            return f"{key}={value}"
        if key.startswith("no_") and self._is_switch(key[3:]):
            return f"{key[3:]}=false"
        if not self._is_known(key):
            raise self._unknown(word)
        if not pending or pending[-1].startswith("--"):
            raise UsageError(f"{word}: its value is missing; write {key}=VALUE")
        return f"{key}={pending.pop()}"

    def _is_switch(self, key: str) -> bool:
        from palme.cli.settings.fields import alternatives, type_of

        return self._kind is not None and bool in alternatives(type_of(self._kind, key))

    def _is_known(self, key: str) -> bool:
        from palme.cli.settings.fields import has_field

        if self._kind is None:  # no file says, so the command does
            return self._name not in ("tasks", "doctor", "completion")
        return "." in key or has_field(self._kind, key) or (FOLDER / key).is_dir()

    def _unknown(self, word: str) -> UsageError:
        import dataclasses

        kind = self._kind
        names = [f.name for f in dataclasses.fields(kind)] if kind is not None else []
        key = word.lstrip("-").partition("=")[0].replace("-", "_").lower()
        near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}=VALUE? " if near else ""
        if self._name in WITHOUT_SETTINGS:
            return UsageError(f"unknown option {word!r}; `palme {self._name} --help` shows what it takes")
        return UsageError(
            f"unknown option {word!r}; {hint}Settings are written key=value, "
            f"`palme {self._name} --help` lists them"
        )


def _kind_of(name: str, file: str) -> Any:
    """The dataclass of a file's settings, or of `palme serve robot=...`; None where there is none."""
    if file.startswith("train_"):
        from palme.training.recipes import RECIPES

        return RECIPES[file.removeprefix("train_")]
    if file:
        from palme.cli.settings import CONFIGS

        return CONFIGS[file]
    if name == "serve":
        from palme.cli.commands.serve_arm import Settings

        return Settings
    return None
