"""A table is laid where the suite says, turned as the seed says, and so it stays when it settles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sim.geometry.shapes import outline, separation
from sim.judging.snapshot import snapshot, snapshot_of
from sim.suites.errors import BadSuite
from sim.suites.laying import lay
from sim.suites.tables import read_table
from sim.world.world import World

FULL = read_table(
    "full",
    {
        "a": {"kind": "block", "colour": "red", "at": [0.45, -0.10]},
        "b": {
            "kind": "block",
            "colour": "red",
            "at": [0.45, -0.055],
        },  # 3 mm, if turned so
        "c": {"kind": "block", "colour": "red", "size": "small", "rests_on": "a"},
        "d": {"kind": "cylinder", "colour": "red", "size": "small", "rests_on": "c"},
        "g": {"kind": "bowl", "colour": "green", "at": [0.50, 0.20]},
        "h": {"kind": "bowl", "colour": "green", "size": "small", "at": [0.60, -0.20]},
        "i": {"kind": "cylinder", "colour": "blue", "size": "small", "in": "g"},
        "j": {"kind": "block", "colour": "blue", "size": "small", "in": "g"},
        "k": {"kind": "block", "colour": "pink", "in": "h"},
        "l": {"kind": "block", "colour": "cyan", "size": "small", "rests_on": "k"},
    },
)


@pytest.mark.parametrize("seed", range(5))
def test_things_are_where_the_suite_says_and_rest_on_what_it_says(seed: int) -> None:
    scene = lay(FULL, seed, "case")
    table = snapshot_of(scene)
    assert table.specs == FULL.specs and table.state.holder == FULL.holder
    for at, position in zip(FULL.xy, table.positions, strict=True):
        if at is not None:
            np.testing.assert_allclose(position[:2], at)
    standing = [o for o, below in zip(scene.objects, FULL.holder, strict=True) if below is None]
    for one, other in itertools.combinations(standing, 2):
        shapes = [outline(o.spec, np.array(o.position[:2]), o.yaw) for o in (one, other)]
        assert separation(*shapes) >= 0


def test_it_settles_as_it_was_laid() -> None:
    world = World("fast", robot=False)
    try:
        scene = lay(FULL, 1, "case")
        world.load(scene)
        world.step(60)
        settled = snapshot(world)
        assert settled.state.holder == FULL.holder
        assert np.abs(settled.positions - snapshot_of(scene).positions).max() < 0.006
    finally:
        world.close()


def test_yaw_follows_from_seed_and_case() -> None:
    turned = {
        key: tuple(o.yaw for o in lay(FULL, *key).objects)
        for key in [(0, "one"), (0, "two"), (1, "one")]
    }  # fmt: skip
    assert tuple(o.yaw for o in lay(FULL, 0, "one").objects) == turned[0, "one"]
    assert len(set(turned.values())) == 3


def test_a_bowl_takes_more_than_fits_side_by_side() -> None:
    things = {f"x{k}": {"kind": "block", "colour": "red", "in": "g"} for k in range(4)}
    table = read_table("t", {"g": {"kind": "bowl", "colour": "green", "at": [0.5, 0.0]}, **things})
    world = World("fast", robot=False)
    try:
        world.load(lay(table, 0, "case"))
        world.step(120)
        state = snapshot(world).state
        assert [state.container(i) for i in range(1, 5)] == [0, 0, 0, 0]
    finally:
        world.close()


def test_things_that_touch_however_turned_are_refused() -> None:
    row = {f"x{k}": {"kind": "block", "colour": "red", "at": [0.45, -0.1 + 0.0421 * k]} for k in range(2)}
    off = {"y": {"kind": "block", "colour": "red", "at": [0.4798, -0.0702]}}  # corner to both
    with pytest.raises(BadSuite, match="overlap|at one place"):
        lay(read_table("t", {**row, **off}), 0, "case")
