"""`--show-config`: the settings of a command as YAML, once they are checked; nothing else is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

_asked: ContextVar[bool] = ContextVar("show_config", default=False)


class ConfigShown(Exception):
    """Ends a command that was asked for its settings alone; the message is their YAML."""


@contextmanager
def showing(asked: bool) -> Iterator[None]:
    """A context in which `show` ends the command, if `asked`."""
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def show(config: Any) -> None:
    """Raises ConfigShown where the command line asked for the settings; else returns."""
    if _asked.get():
        raise ConfigShown(as_yaml(config))


def as_yaml(config: Any) -> str:
    """A configuration as a YAML document, lists on one line, in the order of its fields."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def listed(dumper: Any, data: list[Any]) -> Any:
        return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)

    Dumper.add_representer(list, listed)
    text: str = yaml.dump(_plain(config), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def _plain(value: Any) -> Any:
    """Dicts, lists, numbers and text."""
    description = getattr(value, "description", None)
    if isinstance(description, Mapping):  # an arm: as in its file
        return _plain(description)
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.init}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value
