"""Registries: from a name in a configuration to an object, imported when it is first looked up."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Generic, TypeVar

T = TypeVar("T")


class UnknownName(KeyError):
    """A name that does not exist; the message lists those that do and the nearest of them."""

    def __init__(self, what: str, given: str, known: Iterable[str]) -> None:
        names = sorted(known)
        folded = {name.lower(): name for name in names}
        near = [folded[one] for one in difflib.get_close_matches(given.lower(), folded, n=1, cutoff=0.4)]
        hint = f"; did you mean {near[0]!r}?" if near else "."
        super().__init__(f"unknown {what} {given!r}{hint} There are: {', '.join(names)}")

    def __str__(self) -> str:  # KeyError shows the repr of its argument
        return str(self.args[0])


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to objects, each loaded when it is first looked up.

    Args:
        what: the noun for error messages, such as "encoder".
        entries: "module:attribute", or a function without arguments that returns the object. Both come from
            source code: a configuration holds names only, never an import path.

    Raises:
        UnknownName: from `registry[name]`, for a name without an entry.
    """

    def __init__(self, what: str, entries: Mapping[str, str | Callable[[], T]]) -> None:
        self.what = what
        self._entries = dict(entries)
        self._loaded: dict[str, T] = {}

    @classmethod
    def of_package(
        cls, what: str, package: str, path: Iterable[str], attribute: str, leave_out: Iterable[str] = ()
    ) -> Registry[T]:
        """One entry for each module of `package`: the module's name -> its `attribute`, not yet imported.

        Args:
            what: see `Registry`.
            package: full name of the package.
            path: the package's `__path__`.
            attribute: name in each module.
            leave_out: modules without an entry.
        """
        names = sorted({module.name for module in iter_modules(path)} - set(leave_out))
        return cls(what, {name: f"{package}.{name}:{attribute}" for name in names})

    def register(self, name: str, entry: str | Callable[[], T]) -> None:
        """Add `name`.

        Raises:
            ValueError: if `name` has an entry.
        """
        if name in self._entries:
            raise ValueError(f"{self.what} {name!r} is registered twice; choose another name")
        self._entries[name] = entry

    def __getitem__(self, name: str) -> T:
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries  # without loading it

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _load(self, name: str) -> T:
        if name not in self._entries:
            raise UnknownName(self.what, name, self._entries)
        entry = self._entries[name]
        if not isinstance(entry, str):
            return entry()
        module, _, attribute = entry.partition(":")
        found: T = getattr(import_module(module), attribute)
        return found
