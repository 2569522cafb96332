"""Places for what is put down: with room where there is, made free where that is allowed, refused else."""

import math
import random

import pytest

from palme.language.programs.parser import parse
from palme.planners.program.free_places import NoRoom, anywhere, in_the_way, is_free, place_for
from palme.planners.program.goals import MIDDLE, WITHIN, Beside, Between, InBowl, OnSide
from palme.planners.program.interpreter import Refused, interpret
from palme.planners.program.placing import after, near_middle, reachable
from palme.planners.program.scene import SeenScene
from robots.skills import COLOURS
from tests.palme.planners.program.scenes import scene


def _crowded(rng: random.Random, solids: int = 9) -> SeenScene:
    """Two bowls and as many solids as fit, close to each other."""
    lines = [f"{rng.choice(COLOURS)} bowl 0.5 -0.10", f"large {rng.choice(COLOURS)} bowl 0.5 0.10"]
    at = [(0.5, -0.10), (0.5, 0.10)]
    for _ in range(3000):
        x, y = rng.uniform(0.35, 0.65), rng.uniform(-0.28, 0.28)
        if all(math.hypot(x - a, y - b) > (0.09 if k < 2 else 0.05) for k, (a, b) in enumerate(at)):
            at.append((x, y))
            lines.append(f"{rng.choice(('small', 'large'))} {rng.choice(COLOURS)} block {x:.3f} {y:.3f}")
        if len(lines) == 2 + solids:
            break
    return scene(*lines)


@pytest.mark.parametrize("seed", range(12))
def test_crowded_tables_still_have_a_place(seed: int) -> None:
    rng = random.Random(seed)
    seen = _crowded(rng)
    a, b, c = rng.sample(range(2, len(seen.things)), 3)
    for goal in (
        Between(a, 0, 1),
        Between(a, b, 1),
        Beside(a, "next", c),
        Beside(a, "left", 1),
        OnSide(a, "front"),
    ):
        try:
            xy = place_for(seen, goal)
        except NoRoom:  # of two things there is nothing between
            assert isinstance(goal, Between) and seen.distance(goal.a, goal.b) < 0.16
            continue
        there = in_the_way(seen, xy, a)
        assert there is None or not seen[there].is_bowl
        assert goal.holds(after(seen, goal))


def test_what_is_kept_is_not_put_aside_for_a_place() -> None:
    found = 0
    for seed in range(12):
        seen = _crowded(random.Random(seed))
        solids = set(range(3, len(seen.things)))
        for goal in (Beside(2, "next", 0), OnSide(2, "left"), Between(2, 0, 1)):
            try:
                xy = place_for(seen, goal, solids)
            except NoRoom:
                continue
            found += 1
            assert in_the_way(seen, xy, 2) is None
    assert found >= 6


@pytest.mark.parametrize("k", range(-1, 2))
def test_the_middle_is_freed_and_missed_by_no_more_than_allowed(k: int) -> None:
    seen = scene(
        "red block 0.40 0.20", f"blue block {0.5 + 0.01 * k:.2f} {0.01 * k:.2f}", "green bowl 0.6 -0.2"
    )
    xy = near_middle(seen, 0)
    assert math.dist(xy, MIDDLE) <= WITHIN
    with pytest.raises(NoRoom, match="in the middle"):
        near_middle(seen, 0, {1})
    intent = interpret(parse("put(red block, middle)"), seen)
    after_all = seen
    for goal in intent.goals:
        after_all = after(after_all, goal)
    assert all(goal.holds(after_all) for goal in intent.final) and after_all[1].xyz != seen[1].xyz


@pytest.mark.parametrize("dx", (0.0, 0.004, -0.008))
def test_a_place_in_centimetres_is_taken_as_near_as_it_is_free(dx: float) -> None:
    seen = scene("red block 0.40 0.20", "blue block 0.50 0.00")
    assert reachable(seen, 0, (0.6 + dx, 0.1)) == pytest.approx((0.6 + dx, 0.1))
    aside = reachable(seen, 0, (0.50, 0.042 + dx / 4))
    assert is_free(seen, aside, (0,), space=0.005) and math.dist(aside, (0.50, 0.042 + dx / 4)) <= 0.0101
    with pytest.raises(NoRoom, match="There is something"):
        reachable(seen, 0, (0.50 + dx, 0.01))
    with pytest.raises(NoRoom, match="out of my reach"):
        reachable(seen, 0, (0.72, 0.0))


def test_what_is_put_aside_leaves_the_place_free_that_it_is_put_aside_for() -> None:
    seen = scene("red block 0.40 0.20", "blue block 0.50 0.00", "green bowl 0.6 -0.2")
    for x in (0.46, 0.50, 0.54):
        for y in (-0.04, 0.0, 0.04):
            put = anywhere(seen, 1, 0.05, (x, y))
            assert math.dist(put, (x, y)) >= 0.07


def test_a_number_of_things_is_taken_of_those_that_may_be_moved() -> None:
    table = scene(*(f"red block 0.4 {y}" for y in (-0.2, -0.1, 0.0)), "blue bowl 0.5 0.2")
    for kept, moved in (("leftmost", {1, 2}), ("rightmost", {0, 1})):
        intent = interpret(parse(f"keep(red block [{kept}]); put(2 red block, in blue bowl)"), table)
        assert {goal.what for goal in intent.goals if isinstance(goal, InBowl)} == moved
    with pytest.raises(Refused, match="cannot do both"):
        interpret(parse("keep(all red block); put(2 red block, in blue bowl)"), table)


@pytest.mark.parametrize("size", ("small", "large"))
@pytest.mark.parametrize("y", (-0.14, -0.083, 0.0, 0.097))
def test_next_to_a_bowl_of_any_size_is_near_it_and_not_on_its_rim(size: str, y: float) -> None:
    seen = scene("red block 0.36 0.26", f"{size} blue bowl 0.527 {y}", "green block 0.6 0.25")
    xy = place_for(seen, Beside(0, "next", 1))
    away = math.dist(xy, (0.527, y))
    assert {"small": 0.074, "large": 0.083}[size] <= away <= 0.088
