"""Limits of a setting, and `decode`: from what Hydra composed to a frozen dataclass.

A field is a bool, int, float (finite), str, Path, Literal, tuple, list, dataclass, a union of these and None,
or `Annotated` with the limits below. A class that reads its own raw value derives from `Decoded`.
"""

from __future__ import annotations

import math
import types
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from palme.cli.errors import UsageError, unknown
from robots.errors import RobotError

T = TypeVar("T")


class Limit(ABC):
    """What a value must fulfil beyond its type."""

    @abstractmethod
    def check(self, path: str, value: Any) -> None:
        """Raises UsageError that names `path`, `value` and what is expected instead."""


@dataclass(frozen=True)
class Range(Limit):
    """`least` <= value <= `most`; for entries of a tuple, annotate the entry."""

    least: float = -math.inf
    most: float = math.inf

    def check(self, path: str, value: Any) -> None:
        """See `Limit.check`."""
        if not self.least <= value <= self.most:
            bounded = (
                f"{self.least:g} to {self.most:g}" if self.most < math.inf else f"at least {self.least:g}"
            )
            raise UsageError(f"{path}={value!r}: expected {bounded}")


@dataclass(frozen=True)
class Above(Limit):
    """value > `bound`."""

    bound: float = 0.0

    def check(self, path: str, value: Any) -> None:
        """See `Limit.check`."""
        if not value > self.bound:
            raise UsageError(f"{path}={value!r}: expected more than {self.bound:g}")


class NonEmpty(Limit):
    """At least one entry."""

    def check(self, path: str, value: Any) -> None:
        """See `Limit.check`."""
        if not value:
            raise UsageError(f"{path}=[]: name at least one")


@dataclass(frozen=True)
class Known(Limit):
    """One of the names in the container `where` ("module:attribute"), which is imported to check.

    Attributes:
        what: the noun for the error message.
        more: names that are legal beside those.
    """

    what: str
    where: str
    more: tuple[str, ...] = ()

    def check(self, path: str, value: Any) -> None:
        """See `Limit.check`."""
        module, _, attribute = self.where.partition(":")
        names: Iterable[str] = getattr(import_module(module), attribute)
        if value not in (*names, *self.more):
            raise unknown(self.what, value, (*names, *self.more))


Seed = Annotated[int, Range(0)]
Whole = Annotated[int, Range(0)]
Count = Annotated[int, Range(1)]
Port = Annotated[int, Range(0, 65535)]
Positive = Annotated[float, Above(0.0)]
Share = Annotated[float, Range(0.0, 1.0)]


class Decoded(ABC):
    """A setting that reads its raw value itself."""

    @classmethod
    @abstractmethod
    def decode(cls, raw: Any, path: str) -> Self:
        """From plain YAML values. Raises UsageError naming `path`."""


def decode(kind: Any, raw: Any, path: str = "") -> Any:
    """`raw` (plain dicts, lists, numbers, text) as the type `kind`.

    Args:
        kind: a type, see the module.
        path: dotted key of `raw`, for error messages; "" for the whole configuration.

    Raises:
        UsageError: a key is unknown (names the nearest) or missing, or a value has the wrong type or is out
            of range; the message names key, value and limit.
    """
    origin = get_origin(kind)
    if origin is Annotated:
        inner, *limits = get_args(kind)
        value = decode(inner, raw, path)
        for limit in limits:
            limit.check(path, value)
        return value
    if origin in (Union, types.UnionType):
        return _union(get_args(kind), raw, path)
    if origin is Literal:
        if raw not in get_args(kind):
            raise unknown(path, str(raw), map(str, get_args(kind)))
        return raw
    if origin is tuple:
        return _tuple(get_args(kind), raw, path)
    if origin is Mapping:  # keywords that whoever is built from them checks
        if not isinstance(raw, Mapping):
            raise UsageError(f"{path}={raw!r}: expected settings of its own, such as {path}.KEY=VALUE")
        return dict(raw)
    if origin is list:
        return list(_tuple((*get_args(kind), ...), raw, path))
    if issubclass(kind, Decoded):
        return kind.decode(raw, path)
    if isinstance(kind, type) and is_dataclass(kind):
        return fill(kind, raw, path)
    return _scalar(kind, raw, path)


def fill(kind: type[T], raw: Any, path: str) -> T:
    """An instance of the dataclass `kind`; see `decode`."""
    if not isinstance(raw, Mapping):
        raise UsageError(f"{path}={raw!r}: expected settings of its own, such as {path}.KEY=VALUE")
    hints = get_type_hints(kind, include_extras=True)
    known = {f.name: f for f in fields(kind) if f.init}  # type: ignore[arg-type]
    prefix = f"{path}." if path else ""
    for key in raw:
        if key not in known:
            raise unknown("key", f"{prefix}{key}", (f"{prefix}{name}" for name in known))
    values = {}
    for name, one in known.items():
        if name in raw:
            values[name] = decode(hints[name], raw[name], f"{prefix}{name}")
        elif one.default is MISSING and one.default_factory is MISSING:
            raise UsageError(f"{prefix}{name} is missing; give it as {prefix}{name}=VALUE")
    try:
        return kind(**values)
    except (RobotError, ValueError) as error:  # what a domain's own dataclass refuses, in its own words
        raise UsageError(str(error)) from error


def _union(kinds: tuple[Any, ...], raw: Any, path: str) -> Any:
    """`raw` as the first of `kinds` that it fits; the error is the first one's."""
    if raw is None and type(None) in kinds:
        return None
    errors = []
    for kind in kinds:
        try:
            if kind is not type(None):
                return decode(kind, raw, path)
        except UsageError as error:
            errors.append(error)
    raise errors[0]


def _tuple(kinds: tuple[Any, ...], raw: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(raw, (list, tuple)):
        raise UsageError(f"{path}={raw!r}: expected a list, such as {path}=[...]")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(raw)
    if len(raw) != len(kinds):
        raise UsageError(f"{path}={list(raw)!r}: expected {len(kinds)} entries")
    return tuple(decode(kind, one, path) for kind, one in zip(kinds, raw, strict=True))


def _scalar(kind: type, raw: Any, path: str) -> Any:
    names = {bool: "true or false", int: "an integer", float: "a finite number", str: "text", Path: "a path"}
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if kind is Path and isinstance(raw, str):
        return Path(raw)
    fits = isinstance(raw, kind) and (kind is not int or not isinstance(raw, bool))
    if not fits or (kind is float and not math.isfinite(raw)):
        quoted = f"; quote it twice: '{path}=\"{raw}\"'" if kind in (str, Path) else ""
        raise UsageError(f"{path}={raw!r}: expected {names[kind]}{quoted}")
    return raw
