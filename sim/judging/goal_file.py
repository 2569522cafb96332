"""A goal that is stated apart from the sentence: a YAML file with a formula, and what its ids mean.

    objects:                                     # only for what "red block" does not single out
      r: {kind: block, colour: red, size: small}
      R: {kind: block, colour: red, at: [0.62, 0.05]}
    want: {in: [r, blue bowl]}
    leave: [R]

A description is that of a table in a suite: `kind`, `colour`, `size`, `at` (its middle is within 4 cm), `in`
and `rests_on` (ids), or `index`, the object's place in scene.yaml from 0; or a name: "large red block". All
are looked up on the table as it stands before the first command, and each must single out one object. In a
formula a name may stand for an id.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from robots.skills import COLOURS, KINDS
from sim.judging.errors import BadFormula, BadGoalFile, UnknownObject, nearest
from sim.judging.formula import Formula
from sim.judging.parser import parse
from sim.judging.snapshot import Snapshot
from sim.world.state import SIZES

KEYS = ("schema", "objects", "want", "leave")
SCHEMA = 1
NEAR = 0.04  # [m] `at` of a description
_LEGAL = {"kind": KINDS, "colour": COLOURS, "size": SIZES}
_DESCRIBED_BY = (*_LEGAL, "at", "in", "rests_on", "index")
_MAX_BYTES = 256 * 1024


@dataclass(frozen=True)
class GoalFile:
    """The content of a goal file, not yet looked up on a table.

    Attributes:
        source: its path, for messages.
        want: formula, as YAML gives it.
        leave: ids.
        objects: id -> description.
    """

    source: str
    want: Any
    leave: tuple[Any, ...] = ()
    objects: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> GoalFile:
        """Raises BadGoalFile; OSError where the file cannot be read."""
        if path.is_file() and path.stat().st_size > _MAX_BYTES:
            raise BadGoalFile(f"{path}: larger than {_MAX_BYTES // 1024} KiB; a goal is a few lines of YAML")
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise BadGoalFile(f"{path}: not YAML: {' '.join(str(error).split())}") from None
        if not isinstance(data, Mapping):
            raise BadGoalFile(f"{path}: expected a mapping such as want: {{in: [red block, blue bowl]}}")
        for key in data:
            if key not in KEYS:
                raise BadGoalFile(f"{path}: unknown key {key!r}{nearest(str(key), KEYS)}")
        if "want" not in data:
            raise BadGoalFile(f"{path}: key 'want' is missing; write want: {{in: [red block, blue bowl]}}")
        if data.get("schema", SCHEMA) != SCHEMA:
            raise BadGoalFile(f"{path}: schema {data['schema']!r}; this version reads schema {SCHEMA}")
        leave, objects = data.get("leave") or [], data.get("objects") or {}
        if not isinstance(leave, list) or not isinstance(objects, Mapping):
            raise BadGoalFile(f"{path}: leave is a list of ids, objects a mapping of id to description")
        named = {_id(path, key): value for key, value in objects.items()}
        return cls(str(path), data["want"], tuple(leave), named)

    def on(self, table: Snapshot) -> Formula:
        """The formula about the objects of `table`, as they stand now.

        Raises:
            BadGoalFile: an id singles out no object; the formula cannot be read.
        """
        lookup = _Lookup(self, table)
        try:
            found = [lookup.find(name) for name in self.objects]
            if len(set(found)) < len(found):
                twice = next(n for n, i in zip(self.objects, found, strict=True) if found.count(i) > 1)
                raise BadGoalFile(f"objects: {twice} and another id are the same thing; describe them apart")
            return parse(self.want, lookup.find, list(self.leave))
        except (BadFormula, BadGoalFile) as error:
            raise BadGoalFile(f"{self.source}: {error}") from None


class _Lookup:
    """Finds what the ids of a goal file mean on a table."""

    def __init__(self, goal: GoalFile, table: Snapshot) -> None:
        self._goal, self._table, self._state = goal, table, table.state
        self._open: list[str] = []

    def find(self, name: str) -> int:
        """The index of the object called `name`. Raises UnknownObject, BadGoalFile."""
        if name not in self._goal.objects:
            return self._named(name)
        if name in self._open:
            raise BadGoalFile(f"objects: {name} is described by itself; describe it by kind, colour, at")
        described = self._goal.objects[name]
        if isinstance(described, str):
            return self._named(described)
        self._open.append(name)
        try:
            return self._described(name, described)
        finally:
            self._open.pop()

    def _named(self, name: str) -> int:
        """What "red block" or "large red block" singles out."""
        words = name.lower().replace("_", " ").split()
        size = words.pop(0) if len(words) == 3 and words[0] in SIZES else None
        specs = self._table.specs
        fits = [
            i for i, s in enumerate(specs) if s.name == " ".join(words) and size in (None, s.size)
        ]  # fmt: skip
        if not fits:
            known = [*self._goal.objects, *(s.name for s in specs)]
            raise UnknownObject(f"nothing on this table is called {name!r}{nearest(name, set(known))}")
        return self._only(name, fits)

    def _described(self, name: str, told: Any) -> int:
        where = f"objects: {name}"
        if not isinstance(told, Mapping) or not told:
            raise BadGoalFile(f"{where}: {told!r}; write {{kind: block, colour: red}} or a name")
        for key, value in told.items():
            if key not in _DESCRIBED_BY:
                raise BadGoalFile(f"{where}: unknown {key!r}{nearest(str(key), _DESCRIBED_BY)}")
            if key in _LEGAL and value not in _LEGAL[key]:
                raise BadGoalFile(f"{where}: {key} {value!r}{nearest(str(value), _LEGAL[key])}")
        fits = [i for i in range(len(self._table.specs)) if self._fits(where, i, told)]
        if not fits:
            raise UnknownObject(f"{where}: nothing on this table fits {dict(told)}")
        return self._only(name, fits)

    def _fits(self, where: str, i: int, told: Mapping[str, Any]) -> bool:
        spec, state = self._table.specs[i], self._state
        if any(getattr(spec, key) != told[key] for key in _LEGAL if key in told):
            return False
        if "index" in told:
            index, n = told["index"], len(self._table.specs)
            if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < n:
                raise BadGoalFile(f"{where}: index {index!r}; expected 0 to {n - 1}")
            if i != index:
                return False
        if "at" in told:
            gap = np.linalg.norm(self._table.positions[i, :2] - _point(where, told["at"]))
            if not gap <= NEAR:
                return False
        if "in" in told and state.container(i) != self.find(str(told["in"])):
            return False
        return "rests_on" not in told or state.holder[i] == self.find(str(told["rests_on"]))

    def _only(self, name: str, fits: list[int]) -> int:
        if len(fits) == 1:
            return fits[0]
        there = ", ".join(
            f"index {i}: {self._table.specs[i].size} at [{x:.2f}, {y:.2f}]"
            for i, (x, y) in ((i, self._table.positions[i, :2]) for i in fits)
        )
        raise BadGoalFile(f"{name!r} is {len(fits)} things ({there}); describe it by size, at or index")


def _id(path: Path, key: Any) -> str:
    if isinstance(key, bool):
        raise BadGoalFile(f"{path}: objects: YAML reads an id as {key}; put it in quotes")
    return str(key)


def _point(where: str, value: Any) -> tuple[float, float]:
    good = isinstance(value, list | tuple) and len(value) == 2
    if not good or not all(isinstance(v, int | float) and math.isfinite(v) for v in value):
        raise BadGoalFile(f"{where}: at: {value!r}; write [x, y] in [m]")
    return float(value[0]), float(value[1])
