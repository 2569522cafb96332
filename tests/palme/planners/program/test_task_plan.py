"""From goals to steps: on tables drawn at random every plan comes to its end, whatever comes undone."""

import random
from dataclasses import replace

import pytest

from palme.language.programs.parser import parse
from palme.planners.base import Blocked
from palme.planners.program.goals import At, Goal, OnTable
from palme.planners.program.interpreter import Refused, interpret
from palme.planners.program.placing import TABLE_TOP, after
from palme.planners.program.scene import SeenScene
from palme.planners.program.task_plan import CannotGoOn, NextStep, TaskPlan
from robots.skills import COLOURS, TABLE
from tests.palme.planners.program.scenes import scene

PROGRAMS = (
    "put(any block, in any bowl)",
    "put(all block, in any bowl)",
    "stack(all block)",
    "unstack(all thing)",
    "empty(any bowl)",
    "row(all block)",
    "put(2 block, on table)",
    "put(any block, in any bowl); put(it, on table)",
    "gather(all block)",
    "put(any block, left of any bowl)",
)


def _table(rng: random.Random) -> SeenScene:
    """Up to four solids and two bowls, some in and on others."""
    spots = [(x, y) for x in (0.38, 0.5, 0.62) for y in (-0.24, -0.12, 0.0, 0.12, 0.24)]
    rng.shuffle(spots)
    lines: list[str] = []
    for _ in range(rng.randint(1, 2)):
        lines.append(f"{rng.choice(COLOURS)} bowl {spots[-1][0]} {spots.pop()[1]}")
    bowls = len(lines)
    for _ in range(rng.randint(2, 4)):
        holder = rng.randrange(len(lines)) if rng.random() < 0.4 else None
        covered = {int(line.split()[-1]) for line in lines if line.split()[2] == "on"}
        if holder is not None and holder >= bowls and holder in covered:
            holder = None
        if holder is None:
            place = f"{spots[-1][0]} {spots.pop()[1]}"
        else:
            place = f"{'in' if holder < bowls else 'on'} {holder}"
        lines.append(f"{rng.choice(COLOURS)} block {place}")
    return scene(*lines)


def _done(step: NextStep, seen: SeenScene) -> SeenScene:
    """The scene after the step, at the very place that the step names."""
    if step.step.target == TABLE:
        assert step.step.target_at is not None
        goal: Goal = At(step.then.what, step.step.target_at[:2])
        moved = replace(
            seen[goal.what], xyz=(*step.step.target_at[:2], TABLE_TOP), holder=None
        )  # what is above was cleared before
        assert not seen.above(goal.what)
        return SeenScene(tuple(moved if one.id == goal.what else one for one in seen))
    return after(seen, step.then)


@pytest.mark.parametrize("text", PROGRAMS)
def test_every_plan_comes_to_its_end(text: str) -> None:
    rng = random.Random(text)
    tried = 0
    for _ in range(25):
        seen = _table(rng)
        try:
            plan = TaskPlan(interpret(parse(text), seen))
        except Refused:
            continue
        for _ in range(16):
            step = plan.next(seen)
            if step is None:
                break
            assert seen[step.then.what].name == step.step.what
            assert step.step.what_at == pytest.approx(seen[step.then.what].xyz, abs=1e-3)
            seen = _done(step, seen)
        else:
            pytest.fail(f"{text}: no end after 16 steps")
        assert all(goal.holds(seen) for goal in plan.intent.final)
        tried += 1
    assert tried >= 5


def test_what_comes_undone_is_done_again() -> None:
    seen = scene("red block 0.4 -0.2", "blue block 0.4 0", "blue bowl 0.55 0.2")
    plan = TaskPlan(interpret(parse("put(all block, in blue bowl)"), seen))
    for k in range(2):
        step = plan.next(seen)
        assert step is not None
        seen = _done(step, seen)
        if k == 0:
            first = step.then.what
    fallen = after(seen, OnTable(first))
    again = plan.next(fallen)
    assert again is not None and again.then.what == first
    assert plan.next(_done(again, fallen)) is None


def test_what_is_in_the_way_and_not_to_be_touched_ends_the_plan() -> None:
    seen = scene("red block 0.4 -0.2", "blue block on 0", "blue bowl 0.55 0.2")
    plan = TaskPlan(interpret(parse("keep(blue block); put(red block, in blue bowl)"), seen))
    with pytest.raises(CannotGoOn, match="blue block is in the way"):
        plan.next(seen)


def test_a_thing_that_is_taken_away_ends_the_plan() -> None:
    seen = scene("red block 0.4 -0.2", "blue bowl 0.55 0.2")
    plan = TaskPlan(interpret(parse("put(red block, in blue bowl)"), seen))
    with pytest.raises(CannotGoOn, match="not see"):
        plan.next(SeenScene(seen.things[1:]))


def test_of_two_that_look_alike_the_step_means_the_one_that_was_asked_for() -> None:
    seen = scene("red block 0.4 -0.2", "red block 0.4 0.2", "blue bowl 0.55 0.0")
    plan = TaskPlan(interpret(parse("put(red block [rightmost], in blue bowl)"), seen))
    step = plan.next(seen)
    assert step is not None and step.step.what_at == pytest.approx((0.4, 0.2, 0.034))


def test_another_thing_that_is_out_of_sight_does_not_end_a_step_that_is_worth_a_try() -> None:
    seen = scene("red block 0.4 -0.2", "red block 0.4 0.05", "blue bowl 0.5 0.2")
    plan = TaskPlan(interpret(parse("put(all red block, in blue bowl)"), seen))
    first = plan.next(seen)
    assert first is not None
    hidden = SeenScene(tuple(one for one in seen if one.id != 1 - first.then.what))
    assert {one.id for one in hidden} == {first.then.what, 2}
    again = plan.next(hidden, (Blocked(first.step, "something is in the way"),))
    assert again is not None and again.step == first.step
