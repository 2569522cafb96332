"""Limits of a setting, and `decode`: from what Hydra composed to a frozen dataclass.

A field is a bool, int, float (finite), str, Path, Literal, tuple, list, dataclass, a union of these and None,
or `Annotated` with the limits below. A class that reads its own raw value derives from `Decoded`. A raw value
that was typed is `TypedText`, and the type of its field says how it is read.
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
from palme.cli.settings.typed_text import (
    NULL,
    TypedText,
    entries,
    expanded,
    is_bracketed,
    plain,
    scalar,
    structure,
)
from palme.file_names import FILE_NAME, FileName
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


class Named(Limit):
    """Text that is not empty."""

    def check(self, path: str, value: Any) -> None:
        """See `Limit.check`."""
        if not value:
            raise UsageError(f"{path}={value!r}: expected a path, `.` is this folder")


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
        if value not in (names := self.names()):
            raise unknown(self.what, value, names)

    def names(self) -> tuple[str, ...]:
        """Every legal name."""
        module, _, attribute = self.where.partition(":")
        return (*getattr(import_module(module), attribute), *self.more)


Seed = Annotated[int, Range(0)]
Whole = Annotated[int, Range(0)]
Count = Annotated[int, Range(1)]
Port = Annotated[int, Range(0, 65535)]
Positive = Annotated[float, Above(0.0)]
Share = Annotated[float, Range(0.0, 1.0)]
Target = Annotated[FileName, Named()]  # a file or a folder that is written


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
            if isinstance(limit, Limit):
                limit.check(path, value)
            elif limit == FILE_NAME:
                value = expanded(value)
        return value
    if origin in (Union, types.UnionType):
        return _union(get_args(kind), raw, path)
    if origin is Literal:
        options = {str(option): option for option in get_args(kind)}
        if str(raw) not in options:
            raise unknown(path, str(raw), options)
        return options[str(raw)]
    if origin is tuple:
        return _tuple(get_args(kind), raw, path)
    if origin is Mapping:  # keywords that whoever is built from them checks
        raw = structure(raw) if isinstance(raw, TypedText) else raw
        if not isinstance(raw, Mapping):
            raise UsageError(f"{path}={raw!r}: expected settings of its own, such as {path}.KEY=VALUE")
        return plain(raw)
    if origin is list:
        return list(_tuple((*get_args(kind), ...), raw, path))
    if issubclass(kind, Decoded):
        return kind.decode(raw, path)
    if isinstance(kind, type) and is_dataclass(kind):
        return fill(kind, raw, path)
    return _scalar(kind, raw, path)


def fill(kind: type[T], raw: Any, path: str) -> T:
    """An instance of the dataclass `kind`; see `decode`."""
    raw = structure(raw) if isinstance(raw, TypedText) else raw
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


def has_field(kind: Any, key: str) -> bool:
    """Whether the dataclass `kind` has a field of this dotted name."""
    return type_of(kind, key) is not None


def type_of(kind: Any, key: str) -> Any:
    """The type hint of a dotted key, with its limits; None where `kind` has no such field."""
    name, _, rest = key.partition(".")
    for one in alternatives(kind):
        if isinstance(one, type) and is_dataclass(one):
            hint = get_type_hints(one, include_extras=True).get(name)
            if hint is not None and name in {f.name for f in fields(one) if f.init}:
                return type_of(hint, rest) if rest else hint
    return None


def limits_of(kind: Any) -> list[Any]:
    """The limits of a hint and of its entries."""
    inner = [limit for one in get_args(kind) if one is not kind for limit in limits_of(one)]
    return inner + (list(get_args(kind)[1:]) if get_origin(kind) is Annotated else [])


def alternatives(kind: Any) -> Iterable[Any]:
    """The types that a hint admits, without their limits."""
    if get_origin(kind) is Annotated:
        yield from alternatives(get_args(kind)[0])
    elif get_origin(kind) in (Union, types.UnionType):
        for one in get_args(kind):
            yield from alternatives(one)
    else:
        yield kind


def _union(kinds: tuple[Any, ...], raw: Any, path: str) -> Any:
    """`raw` as the first of `kinds` that it fits; the error is the first one's."""
    optional = type(None) in kinds
    if optional and (raw is None or (isinstance(raw, TypedText) and raw == NULL)):
        return None
    several = [kind for kind in kinds if kind is not type(None)]
    if isinstance(raw, TypedText) and is_bracketed(raw):  # of text and a list, brackets mean the list
        several.sort(key=lambda kind: get_origin(kind) not in (list, tuple))
    errors = []
    for kind in several:
        try:
            return decode(kind, raw, path)
        except UsageError as error:
            errors.append(error)
    if optional and isinstance(raw, TypedText) and ": expected " in str(errors[0]):
        raise UsageError(f"{errors[0]}, or {NULL}") from errors[0]
    raise errors[0]


def _tuple(kinds: tuple[Any, ...], raw: Any, path: str) -> tuple[Any, ...]:
    if isinstance(raw, TypedText):
        nested = isinstance(kinds[0], type) and is_dataclass(kinds[0])
        raw = structure(raw) if nested else entries(raw, path)
    if not isinstance(raw, (list, tuple)):
        raise UsageError(f"{path}={raw!r}: expected a list, such as {path}=[...]")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(raw)
    if len(raw) != len(kinds):
        raise UsageError(f"{path}={_shown(raw)}: expected {len(kinds)} entries")
    return tuple(decode(kind, one, path) for kind, one in zip(kinds, raw, strict=True))


def _shown(raw: Iterable[Any]) -> str:
    """A list as it is typed, or as Python writes it where it was not."""
    raw = list(raw)
    typed = raw and all(isinstance(one, TypedText) for one in raw)
    return f"[{', '.join(raw)}]" if typed else repr(raw)


def _scalar(kind: type, raw: Any, path: str) -> Any:
    names = {
        bool: "true or false", int: "an integer", float: "a finite number", str: "text",
        Path: "a path, `.` is this folder",
    }  # fmt: skip
    if isinstance(raw, TypedText):
        raw = scalar(kind, raw)
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if kind is Path and isinstance(raw, str) and raw:
        return Path(expanded(raw))
    fits = isinstance(raw, kind) and (kind is not int or not isinstance(raw, bool))
    if not fits or (kind is float and not math.isfinite(raw)):
        raise UsageError(f"{path}={raw!r}: expected {names[kind]}")
    return raw
