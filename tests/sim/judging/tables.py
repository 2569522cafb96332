"""Tables put together by hand."""

from __future__ import annotations

import numpy as np

from sim.geometry.shapes import height
from sim.judging.formula import Moments
from sim.judging.snapshot import Snapshot
from sim.world.state import ObjectSpec

# id -> (colour, kind, size, x, y, what it rests in or on)
KITCHEN = {
    "r": ("red", "block", "small", 0.40, -0.20, None),
    "R": ("red", "block", "large", 0.62, 0.05, None),
    "g": ("green", "block", "small", 0.45, 0.02, None),
    "p": ("purple", "block", "small", 0.45, 0.02, "g"),
    "c": ("orange", "cylinder", "small", 0.52, -0.24, None),
    "B": ("blue", "bowl", "large", 0.50, 0.22, None),
    "G": ("green", "bowl", "large", 0.52, -0.08, None),
}
IDS = {name: i for i, name in enumerate(KITCHEN)}


def table(changes=None, held=None):
    """The kitchen, things moved as `changes` say: id -> (x, y, holder)."""
    things = {name: (*told[:3], *(changes or {}).get(name, told[3:])) for name, told in KITCHEN.items()}

    def top(name):
        _, kind, size, *_, on = things[name]
        if kind == "bowl":
            return 0.004
        return (0.0 if on is None else top(on)) + height(ObjectSpec("", kind, size))

    specs = [ObjectSpec(*told[:3]) for told in things.values()]
    positions = [
        (x, y, (0.0 if on is None else top(on)) + height(spec) / 2)
        for spec, (*_, x, y, on) in zip(specs, things.values(), strict=True)
    ]
    quats = np.tile([0.0, 0.0, 0.0, 1.0], (len(specs), 1))
    return Snapshot(tuple(specs), np.array(positions), quats, None if held is None else IDS[held])


def moments(changes=None, held=None):
    return Moments(table(), table(changes, held))


def shifted(snapshot, by):
    return Snapshot(snapshot.specs, snapshot.positions + np.asarray(by), snapshot.quats_xyzw, snapshot.held)


def mirrored(snapshot):
    """Left and right exchanged."""
    return Snapshot(snapshot.specs, snapshot.positions * [1, -1, 1], snapshot.quats_xyzw, snapshot.held)
