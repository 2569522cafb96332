"""Things keep their identity while they move, look alike, hide, and are seen unsurely."""

from dataclasses import replace

import numpy as np
import pytest

from palme.perception.objects import PerceivedObjects
from palme.planners.program.goals import At, InBowl, On
from palme.planners.program.placing import after
from palme.planners.program.scene import SeenScene, SeenThing, without_circles
from palme.planners.program.tracker import Tracker
from robots.skills import ENTITIES
from tests.palme.planners.program.scenes import scene


def _detected(
    seen: SeenScene, rng: np.random.Generator, noise: float = 0.004, doubt: float = 0.1
) -> PerceivedObjects:
    """A detection of `seen`, its rows shuffled, off by `noise` [m], sure by 1 - `doubt`."""
    things = [seen.things[k] for k in rng.permutation(len(seen.things))]
    n = len(things)
    rows = {thing.id: k for k, thing in enumerate(things)}
    classes = np.full((n, 24), doubt / 23, np.float32)
    sizes = np.full((n, 2), 0.2, np.float32)
    holders = np.full((n, n + 1), 0.05 / max(n, 1), np.float32)
    for k, thing in enumerate(things):
        classes[k, ENTITIES.index(thing.name)] = 1 - doubt
        sizes[k, ("small", "large").index(thing.size)] = 0.8
        holders[k, n if thing.holder is None else rows[thing.holder]] = 0.95
    xyz = np.array([thing.xyz for thing in things], np.float32) + rng.normal(0, noise, (n, 3)).astype(
        np.float32
    )
    return PerceivedObjects(
        classes,
        sizes,
        xyz,
        holders,
        np.ones(n, np.float32),
        np.zeros((n, 4), np.float32),
        np.zeros((n, 2), np.float32),
    )


TABLE = scene(
    "red block 0.4 -0.2",
    "red block 0.4 -0.1",
    "large blue block on 0",
    "blue bowl 0.55 0.2",
    "cyan block in 3",
)


@pytest.mark.parametrize("seed", range(20))
def test_ids_stay_while_rows_are_shuffled_and_places_tremble(seed: int) -> None:
    rng, tracker = np.random.default_rng(seed), Tracker()
    first = tracker.update(_detected(TABLE, rng))
    names = {thing.id: (thing.name, round(thing.xyz[1], 1)) for thing in first}
    for _ in range(5):
        seen = tracker.update(_detected(TABLE, rng))
        assert {thing.id: (thing.name, round(thing.xyz[1], 1)) for thing in seen} == names
        assert not tracker.lost


@pytest.mark.parametrize("seed", range(10))
def test_what_was_moved_as_expected_is_the_same_thing(seed: int) -> None:
    rng, tracker = np.random.default_rng(seed), Tracker()
    first = tracker.update(_detected(TABLE, rng))
    right = max((t for t in first if t.name == "red block"), key=lambda t: t.xyz[1])
    bowl = next(t for t in first if t.is_bowl)
    expected = after(first, InBowl(right.id, bowl.id))
    seen = tracker.update(_detected(after(TABLE, InBowl(1, 3)), rng), expected)
    assert seen[right.id].holder == bowl.id
    assert {thing.id for thing in seen} == {thing.id for thing in first}


def test_one_unsure_picture_does_not_rename_a_thing() -> None:
    rng, tracker = np.random.default_rng(0), Tracker()
    for _ in range(3):
        tracker.update(_detected(TABLE, rng))
    doubtful = _detected(TABLE, rng, doubt=0.1)
    row = next(k for k in range(len(doubtful)) if doubtful.name(k) == "cyan block")
    doubtful.class_probs[row] = 0.0
    doubtful.class_probs[row, ENTITIES.index("blue block")] = 0.6
    doubtful.class_probs[row, ENTITIES.index("cyan block")] = 0.4
    assert "cyan block" in {thing.name for thing in tracker.update(doubtful)}


def test_what_is_hidden_is_lost_and_found_again() -> None:
    rng, tracker = np.random.default_rng(1), Tracker()
    first = tracker.update(_detected(TABLE, rng))
    hidden = next(thing.id for thing in first if thing.name == "cyan block")
    tracker.update(_detected(SeenScene(TABLE.things[:4]), rng))
    assert tracker.lost == {hidden}
    assert hidden in tracker.update(_detected(TABLE, rng))
    assert not tracker.lost


def test_what_is_new_gets_a_new_id() -> None:
    rng, tracker = np.random.default_rng(2), Tracker()
    first = tracker.update(_detected(SeenScene(TABLE.things[:4]), rng))
    seen = tracker.update(_detected(TABLE, rng))
    new = {thing.id for thing in seen} - {thing.id for thing in first}
    assert [seen[id].name for id in new] == ["cyan block"]


PILES = scene(
    "large yellow block 0.45 0.2",
    "small orange block on 0",
    "large orange block on 1",
    "small cyan block 0.4 -0.1",
    "red cylinder 0.6 0.0",
    "small red block 0.55 -0.2",
    "large blue bowl 0.5 -0.02",
)


@pytest.mark.parametrize("seed", range(20))
def test_a_pile_keeps_its_things_apart_while_something_is_put_on_it_and_looks_are_unsure(seed: int) -> None:
    """Neighbours of a pile look alike, and one picture takes a block for a cylinder, or one for another."""
    rng, tracker = np.random.default_rng(seed), Tracker()
    first = tracker.update(_detected(PILES, rng))
    at = {thing.id: thing.name for thing in first}
    top = max(first, key=lambda thing: thing.xyz[2])
    cyan = next(thing for thing in first if thing.colour == "cyan")
    expected = after(first, On(cyan.id, top.id))
    doubtful = _detected(after(PILES, On(3, 2)), rng)
    for row in range(len(doubtful)):
        if doubtful.xyz[row][2] > 0.05 and rng.random() < 0.5:
            doubtful.class_probs[row] = np.roll(doubtful.class_probs[row], 8 if rng.random() < 0.5 else 0)
    seen = tracker.update(doubtful, expected)
    assert {thing.id: thing.name for thing in seen} == at
    assert [thing.colour for thing in sorted(seen, key=lambda t: t.xyz[2])[-3:]] == [
        "orange",
        "orange",
        "cyan",
    ]
    assert all(seen[id].xyz == pytest.approx(first[id].xyz, abs=0.03) for id in at if id != cyan.id)


@pytest.mark.parametrize("k", range(3))
def test_what_comes_to_lie_on_another_in_a_bowl_is_what_was_put_there(k: int) -> None:
    rng, tracker = np.random.default_rng(k), Tracker()
    first = tracker.update(_detected(PILES, rng))
    bowl = next(t for t in first if t.is_bowl)
    block = next(t for t in first if t.name == "red block")
    cylinder = next(t for t in first if t.name == "red cylinder")
    seen = PILES
    for id, mine in ((4, cylinder), (5, block)):
        expected = after(first, InBowl(mine.id, bowl.id))
        seen = after(seen, InBowl(id, 6))
        if id == 5:  # on top of the cylinder, and the two are taken for each other
            seen = after(seen, On(5, 4))
        found = _detected(seen, rng, doubt=0.6 if id == 5 else 0.1)
        first = tracker.update(found, expected)
    assert first[block.id].xyz[2] > first[cylinder.id].xyz[2] + 0.02


@pytest.mark.parametrize("seed", range(12))
def test_what_lies_under_another_is_where_it_was_however_it_is_found(seed: int) -> None:
    """Of the lower things of a pile only sides are seen: they are found aside, twice, or not at all."""
    rng, tracker = np.random.default_rng(seed), Tracker()
    first = tracker.update(_detected(PILES, rng))
    pile = sorted((t for t in first if t.holder is not None or first.on(t.id)), key=lambda t: t.xyz[2])
    cyan = next(thing for thing in first if thing.colour == "cyan")
    expected = after(first, On(cyan.id, pile[-1].id))
    real = after(PILES, On(3, 2))
    bad = tuple(
        replace(t, xyz=(t.xyz[0] + 0.02, t.xyz[1] - 0.015, t.xyz[2])) if t.id == 0 else t for t in real
    )
    if seed % 3 == 1:  # found twice
        bad = (*real, SeenThing(7, "block", "pink", "small", (0.455, 0.195, 0.05), None))
    if seed % 3 == 2:  # not found
        bad = tuple(replace(t, holder=None) if t.id == 1 else t for t in real if t.id != 0)
    seen = tracker.update(_detected(SeenScene(bad), rng), expected)
    assert {t.id: (t.name, t.holder) for t in seen} == {t.id: (t.name, t.holder) for t in expected}
    assert all(seen[t.id].xyz == pytest.approx(t.xyz, abs=0.015) for t in pile[:2])


def test_a_fallen_pile_is_seen_as_it_lies() -> None:
    rng, tracker = np.random.default_rng(3), Tracker()
    first = tracker.update(_detected(PILES, rng))
    cyan = next(thing for thing in first if thing.colour == "cyan")
    top = max(first, key=lambda thing: thing.xyz[2])
    fallen = after(after(PILES, At(2, (0.50, 0.25))), At(3, (0.42, 0.27)))
    seen = tracker.update(_detected(fallen, rng), after(first, On(cyan.id, top.id)))
    assert seen[top.id].holder is None and seen[cyan.id].holder is None
    assert {t.id for t in seen} == {t.id for t in first}


def test_what_comes_up_elsewhere_is_what_is_gone_and_looks_the_same() -> None:
    """One picture takes it for another thing; the place where it was is then seen to be empty."""
    rng, tracker = np.random.default_rng(4), Tracker()
    first = tracker.update(_detected(PILES, rng))
    red = next(thing for thing in first if thing.name == "red block")
    moved = after(PILES, At(5, (0.42, 0.05)))
    away = SeenScene(tuple(t for t in moved if t.id != 5))
    tracker.update(_detected(away, rng), first, lambda at: True)
    assert red.id in tracker.lost
    seen = tracker.update(_detected(moved, rng), first, lambda at: True)
    assert seen[red.id].xyz[1] == pytest.approx(0.05, abs=0.02) and not tracker.lost


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("tail", [0, 2])
def test_a_scene_has_no_circle_of_things_that_rest_on_each_other(n: int, tail: int) -> None:
    circle = [
        SeenThing(10 + k, "block", "red", "small", (0.5, 0.0, 0.1 - 0.01 * k), 10 + (k + 1) % n)
        for k in range(n)
    ]
    on_it = [
        SeenThing(30 + k, "block", "blue", "small", (0.5, 0.0, 0.2), 10 if k == 0 else 29 + k)
        for k in range(tail)
    ]
    with pytest.raises(ValueError, match="circle"):
        SeenScene((*on_it, *circle))
    mended = SeenScene(without_circles([*on_it, *circle]))
    assert {thing.id for thing in mended} == {thing.id for thing in (*on_it, *circle)}
    assert [thing.id for thing in mended if thing.holder is None] == [10 + n - 1]  # the lowest
    assert all(mended.below(thing.id)[-1:] in ((), (10 + n - 1,)) for thing in mended)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_found_twice_does_not_rest_on_itself(seed: int) -> None:
    """A block is found a second time, right below itself: both are the one that was known."""
    rng = np.random.default_rng(seed)
    x, y = float(rng.uniform(0.35, 0.6)), float(rng.uniform(-0.2, 0.2))
    z = float(rng.uniform(0.02, 0.025))
    upper = SeenThing(0, "block", "red", "small", (x, y, 0.034), 1)
    lower = SeenThing(1, "block", "red", "small", (x + 0.02, y, 0.034 - z))
    tracker = Tracker()
    known = tracker.update(_detected(scene(f"red block {x} {y}"), rng, noise=0.0))
    seen = tracker.update(_detected(SeenScene((upper, lower)), rng, noise=0.0), known)
    assert [thing.name for thing in seen] == ["red block"]
    assert seen.below(known.things[0].id) == ()
