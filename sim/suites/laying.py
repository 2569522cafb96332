"""Lays a table of a suite as a scene: things where the suite says, turned as a seed draws it."""

from __future__ import annotations

import math
import zlib
from functools import partial

import numpy as np

from sim.data.scene_sampler import graspable_from_above, jittered, spot_in_bowl
from sim.geometry.shapes import (
    BOWL_FLOOR,
    Array,
    height,
    inner_outline,
    outline,
    separation,
    width,
)
from sim.suites.errors import BadSuite
from sim.suites.suite import SuiteTable
from sim.world.scene import Placed, Scene

TRIES = 24
"""Layouts drawn in search of one in which each thing can be grasped."""
TURNS = 60
"""Angles tried for a thing with neighbours."""
LEAST_GAP = 0.0005
"""[m] between outlines of neighbours."""
OFF_CENTRE = 0.06
"""Share of its width by which a thing may lie beside the middle of what it rests on."""


def lay(table: SuiteTable, seed: int, case_id: str, attempt: int = 0) -> Scene:
    """The scene of one case: yaw that is not told, places in bowls, light, colours, camera are drawn.

    Args:
        attempt: another draw for each number.

    Raises:
        BadSuite: two things are so close that they touch however they are turned.
    """
    rng = np.random.default_rng([seed, zlib.crc32(case_id.encode()), attempt])
    best: tuple[int, tuple[Placed, ...]] | None = None
    for _ in range(TRIES):
        placed = _Layout(table, rng).placed()
        solids = [i for i, spec in enumerate(table.specs) if spec.kind != "bowl"]
        stuck = sum(not graspable_from_above(i, placed, table.state) for i in solids)
        if best is None or stuck < best[0]:
            best = (stuck, placed)
        if not stuck:
            break
    assert best is not None
    return jittered(Scene(best[1], table.holder), rng)


class _Layout:
    """One draw."""

    def __init__(self, table: SuiteTable, rng: np.random.Generator) -> None:
        self.table, self.rng = table, rng
        self.told = table.yaw or (None,) * len(table.specs)
        drawn = [float(rng.uniform(-math.pi, math.pi)) for _ in table.specs]
        self.yaw = [own if yaw is None else yaw for own, yaw in zip(drawn, self.told, strict=True)]
        self.xy: list[Array | None] = [None if at is None else np.array(at) for at in table.xy]
        self.bottom = [0.0] * len(table.specs)
        self._turn_apart()
        for i in self._from_the_table():
            self._put(i)

    def placed(self) -> tuple[Placed, ...]:
        """All things, in the table's order."""
        found = []
        for i, spec in enumerate(self.table.specs):
            x, y = self._at(i)
            found.append(Placed(spec, (float(x), float(y), self.bottom[i] + height(spec) / 2), self.yaw[i]))
        return tuple(found)

    def _at(self, i: int) -> Array:
        at = self.xy[i]
        assert at is not None
        return at

    def _outline(self, i: int, yaw: float | None = None) -> Array:
        return outline(self.table.specs[i], self._at(i), self.yaw[i] if yaw is None else yaw)

    # ---- what stands on the table ----

    def _turn_apart(self) -> None:
        """Turn close neighbours until their outlines are apart. Raises BadSuite."""
        roots = [i for i, at in enumerate(self.table.xy) if at is not None]
        near = {i: [j for j in roots if j != i and self._close(i, j)] for i in roots}
        for attempt in range(4):
            tight = [i for i in roots if near[i] and self._gap(i, near[i]) < LEAST_GAP]
            tight = [i for i in tight if self.told[i] is None]
            if not tight:
                return
            for i in tight:
                if attempt == 2:  # drawn angles will not do: face to face with the nearest neighbour
                    self.yaw[i] = self._facing(i, min(near[i], key=partial(self._distance, i)))
                else:
                    drawn = (float(a) for a in self.rng.uniform(-math.pi, math.pi, TURNS))
                    turns = [self.yaw[i], *(self._facing(i, j) for j in near[i]), *drawn]
                    self.yaw[i] = max(turns, key=partial(self._gap, i, near[i]))
        for i in roots:
            if near[i] and self._gap(i, near[i]) < 0:
                j = min(near[i], key=partial(self._distance, i))
                names = " and ".join(self.table.ids[k] for k in sorted((i, j)))
                raise BadSuite(f"tables: {self.table.name}: {names} overlap however turned; part them")

    def _facing(self, i: int, j: int) -> float:
        """Yaw at which `i` turns a flat side to `j`."""
        dx, dy = self._at(j) - self._at(i)
        return math.atan2(dy, dx)

    def _distance(self, i: int, j: int) -> float:
        return math.dist(self._at(i), self._at(j))

    def _close(self, i: int, j: int) -> bool:
        reach = 0.75 * (width(self.table.specs[i]) + width(self.table.specs[j]))
        return self._distance(i, j) < reach

    def _gap(self, i: int, others: list[int], yaw: float | None = None) -> float:
        shape = self._outline(i, yaw)
        return min(separation(shape, self._outline(j)) for j in others)

    # ---- what rests in or on something ----

    def _from_the_table(self) -> list[int]:
        """Indices of what rests on another thing, holders before what they hold."""
        order: list[int] = []
        level = [i for i, below in enumerate(self.table.holder) if below is None]
        while level:
            level = [i for i, below in enumerate(self.table.holder) if below in level]
            order += level
        return order

    def _put(self, i: int) -> None:
        below = self.table.holder[i]
        assert below is not None
        spec, under = self.table.specs[i], self.table.specs[below]
        if under.kind == "bowl":
            self._put_in(i, below)
            return
        self.xy[i] = self._at(below) + self.rng.uniform(-OFF_CENTRE, OFF_CENTRE, 2) * width(spec)
        self.bottom[i] = self.bottom[below] + height(under)

    def _put_in(self, i: int, bowl: int) -> None:
        spec = self.table.specs[i]
        wall = inner_outline(self.table.specs[bowl], self._at(bowl), self.yaw[bowl])
        there = [j for j, at in enumerate(self.xy) if self.table.holder[j] == bowl and at is not None]
        beside = [self._outline(j) for j in there]
        spot = spot_in_bowl(spec, self.yaw[i], wall, self._at(bowl), beside, self.rng)
        self.bottom[i] = BOWL_FLOOR
        if spot is None and there:  # full: onto what lies there, and it settles
            self.bottom[i] = max(self.bottom[j] + height(self.table.specs[j]) for j in there)
            spot = self._at(there[-1]) + self.rng.uniform(-OFF_CENTRE, OFF_CENTRE, 2) * width(spec)
        self.xy[i] = self._at(bowl) if spot is None else spot
