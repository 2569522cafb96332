"""Promises of the task families: what is asked for can be reached, and every acceptable step is right."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from itertools import product

import numpy as np
import pytest

from robots.skills import COLOURS, DONE, TABLE, BadStep, Step
from sim.tasks import SPLITS, TASKS, NoOtherGoal, Task, UnknownTask, family_named, make_task, sample
from sim.tasks.match_bowls import Matched
from sim.tasks.put_in_bowl import InBowl
from sim.tasks.splits import HELD_OUT_IN_BOWL, HELD_OUT_ON_BLOCK
from sim.tasks.stack_tower import Tower
from sim.tasks.steps import IllegalStep, apply_step, topmost
from sim.tasks.symbolic import feasible_steps, random_state, sample_midway, swapped, way
from sim.tasks.table import MAX_BOWLS, MAX_OBJECTS, MAX_PILE
from sim.world.state import ObjectSpec, SceneState


def scene(*rows: str) -> SceneState:
    """A state from lines such as "red block" (on the table) or "red block > blue bowl"."""
    names = [row.split(" > ")[0] for row in rows]
    holder = tuple(names.index(row.split(" > ")[1]) if " > " in row else None for row in rows)
    return SceneState(tuple(ObjectSpec(*name.split()) for name in names), holder)


def steps(goal: object, state: SceneState) -> set[str]:
    family = {InBowl: "put_in_bowl", Tower: "stack_tower", Matched: "match_bowls"}[type(goal)]
    return {str(step) for step in Task(family, goal, "").acceptable_steps(state)}


class FamilyContract:
    """Every family keeps these; a new one inherits the class and names itself."""

    name: str
    n = 300

    def draws(self, split: str = "train"):
        rng = random.Random(7)
        return [sample(self.name, rng, split) for _ in range(self.n)]

    @pytest.mark.parametrize("split", SPLITS)
    def test_a_drawn_task_is_not_done_yet(self, split):
        for task, state in self.draws(split):
            assert not task.is_success(state)
            assert DONE not in task.acceptable_steps(state)

    def test_any_acceptable_steps_lead_to_the_goal(self):
        rng = random.Random(3)
        for task, state in self.draws():
            for _ in range(20):
                choices = sorted(task.acceptable_steps(state), key=str)
                if choices == [DONE]:
                    break
                state = apply_step(state, rng.choice(choices))  # raises where a step cannot be done
            assert task.is_success(state)

    def test_done_is_right_exactly_when_the_goal_is_reached(self):
        rng = random.Random(5)
        for _ in range(self.n):
            task, state = sample_midway(rng, family=self.name)
            assert (task.acceptable_steps(state) == {DONE}) == task.is_success(state)
            assert task.acceptable_steps(state)

    def test_the_same_seed_draws_the_same_task(self):
        first, second = (sample(self.name, np.random.default_rng(11)) for _ in range(2))
        assert first == second
        assert first != sample(self.name, np.random.default_rng(12))

    def test_scenes_are_physically_sensible(self):
        for split in SPLITS:
            for _, state in self.draws(split):
                check_sensible(state)

    def test_distractors_are_as_many_as_asked_for(self):
        rng = random.Random(0)
        for k in (0, 1, 3):
            for _ in range(30):
                task, state = sample(self.name, rng, n_distractors=k)
                assert len(state.objects) == min(k + self.n_named(task, state), MAX_OBJECTS)

    def n_named(self, task, state) -> int:
        raise NotImplementedError

    def test_a_swapped_task_is_another_and_does_not_reach_this_one(self):
        rng = random.Random(1)
        n = 0
        for _ in range(100):
            task, state = sample(self.name, rng, "test", n_distractors=4)
            try:
                other = swapped(task, rng, state)
            except NoOtherGoal:
                continue  # four bowls and cylinders allow no other goal
            n += 1
            assert other.instruction != task.instruction
            assert not other.is_success(state)
            end = way(other, state, rng)[-1]
            assert other.is_success(end)
            assert not task.is_success(end)
        assert n > 80

    def test_every_branch_is_frequent_in_training(self):
        rng = random.Random(2)
        kinds: Counter[str] = Counter()
        for _ in range(1000):
            task, state = sample_midway(rng, family=self.name)
            first = min(task.acceptable_steps(state), key=str)
            kinds["done" if first == DONE else "put" if first.target != TABLE else "clear"] += 1
        assert kinds["done"] > 120
        assert kinds["put"] > 300
        assert kinds["clear"] > (30 if self.name == "match_bowls" else 120)


class TestPutInBowl(FamilyContract):
    name = "put_in_bowl"

    def n_named(self, task, state):
        return 2


class TestStackTower(FamilyContract):
    name = "stack_tower"

    def n_named(self, task, state):
        return len(task.goal.blocks)


class TestMatchBowls(FamilyContract):
    name = "match_bowls"

    def n_named(self, task, state):
        return 2 * sum(o.kind == "block" for o in state.objects)

    def test_every_block_has_its_bowl(self):
        for _, state in self.draws():
            blocks = {o.colour for o in state.objects if o.kind == "block"}
            assert 2 <= len(blocks) <= 5
            assert blocks <= {o.colour for o in state.objects if o.kind == "bowl"}


def check_sensible(state: SceneState) -> None:
    names = [o.name for o in state.objects]
    assert len(set(names)) == len(names) <= MAX_OBJECTS
    assert sum(o.kind == "bowl" for o in state.objects) <= MAX_BOWLS
    for i, h in enumerate(state.holder):
        spec = state.objects[i]
        pile, seen = i, set()
        while state.holder[pile] is not None:
            assert pile not in seen, "a pile that rests on itself"
            seen.add(pile)
            pile = state.holder[pile]
        assert len(seen) <= MAX_PILE
        if h is not None:
            assert spec.kind != "bowl"
            assert state.objects[h].kind != "cylinder"
            if state.objects[h].kind == "block":
                assert state.on_top_of(h) == (i,)


def is_sensible(state: SceneState) -> bool:
    try:
        check_sensible(state)
    except AssertionError:
        return False
    return True


def test_random_states_are_sensible_and_varied():
    rng = random.Random(0)
    states = [random_state(rng) for _ in range(300)]
    for state in states:
        check_sensible(state)
    assert any(state.objects[h].kind == "block" for state in states for h in state.holder if h is not None)
    assert {len(s.objects) for s in states} >= set(range(4, MAX_OBJECTS))


# put_in_bowl -----------------------------------------------------------------------------------------


def test_a_free_block_goes_straight_into_its_bowl():
    state = scene("red block", "blue bowl", "green bowl")
    assert steps(InBowl("red block", "blue bowl"), state) == {"put the red block in the blue bowl"}


def test_the_topmost_cover_is_cleared_first():
    state = scene("red block", "green block > red block", "pink cylinder > green block", "blue bowl")
    assert steps(InBowl("red block", "blue bowl"), state) == {"put the pink cylinder on the table"}


def test_a_block_on_a_block_in_the_bowl_is_in_the_bowl():
    state = scene("blue bowl", "green block > blue bowl", "red block > green block")
    assert steps(InBowl("red block", "blue bowl"), state) == {"done"}


def test_a_block_in_another_bowl_is_not_done():
    state = scene("blue bowl", "green bowl", "red block > green bowl")
    assert steps(InBowl("red block", "blue bowl"), state) == {"put the red block in the blue bowl"}


# stack_tower -----------------------------------------------------------------------------------------

RGB = Tower(("red block", "green block", "blue block"))


def test_a_tower_is_built_from_the_bottom():
    state = scene("red block", "green block", "blue block")
    assert steps(RGB, state) == {"put the green block on the red block"}


@pytest.mark.parametrize("below", ["cyan bowl", "pink block"])
def test_the_base_must_stand_on_the_table(below):
    state = scene(below, f"red block > {below}", "green block > red block", "blue block > green block")
    assert not make_task("stack_tower", RGB).is_success(state)
    assert steps(RGB, state) == {"put the blue block on the table"}
    bare = scene(below, f"red block > {below}", "green block", "blue block")
    assert steps(RGB, bare) == {"put the red block on the table"}


def test_a_covered_block_and_a_covered_target_may_be_cleared_in_either_order():
    covered = ("pink block > red block", "cyan cylinder > green block")
    state = scene("red block", "green block", "blue block", *covered)
    assert steps(RGB, state) == {"put the pink block on the table", "put the cyan cylinder on the table"}


def test_a_wrong_order_is_taken_down_from_the_top():
    state = scene("red block", "blue block > red block", "green block > blue block")
    assert steps(RGB, state) == {"put the green block on the table"}


def test_what_lies_on_the_finished_tower_does_not_matter():
    tower = ("red block", "green block > red block", "blue block > green block")
    assert steps(RGB, scene(*tower, "pink block > blue block")) == {"done"}


# match_bowls -----------------------------------------------------------------------------------------


def test_any_clear_misplaced_block_may_go_first():
    state = scene("red block", "blue block", "red bowl", "blue bowl", "pink cylinder")
    assert steps(Matched(), state) == {
        "put the red block in the red bowl",
        "put the blue block in the blue bowl",
    }


def test_a_cylinder_on_a_misplaced_block_is_cleared():
    state = scene("red block", "pink cylinder > red block", "blue block > blue bowl", "red bowl", "blue bowl")
    assert steps(Matched(), state) == {"put the pink cylinder on the table"}


def test_a_right_block_on_a_wrong_one_makes_way():
    state = scene("red bowl", "blue block > red bowl", "red block > blue block", "blue bowl")
    assert steps(Matched(), state) == {"put the red block on the table"}


# splits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("held_out", "n_pairs"), [(HELD_OUT_IN_BOWL, 64), (HELD_OUT_ON_BLOCK, 56)])
def test_about_a_tenth_of_the_pairs_is_held_out_and_every_colour_is_trained(held_out, n_pairs):
    assert 0.08 <= len(held_out) / n_pairs <= 0.13
    assert all(a != b for a, b in held_out)
    for colour in COLOURS:
        assert sum(colour == a for a, _ in held_out) <= 1
        assert sum(colour == b for _, b in held_out) <= 2
    assert {c for pair in held_out for c in pair} == set(COLOURS)


@pytest.mark.parametrize("name", ["put_in_bowl", "stack_tower"])
def test_training_never_asks_for_a_held_out_pair_and_its_split_always_does(name):
    rng = random.Random(4)
    family = TASKS[name]
    assert not any(family.is_held_out(sample(name, rng, "train")[0].goal) for _ in range(500))
    assert all(family.is_held_out(sample(name, rng, "held_out")[0].goal) for _ in range(200))
    assert any(family.is_held_out(sample(name, rng, "test")[0].goal) for _ in range(200))


def test_an_unknown_split_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="train, validation, test, held_out"):
        sample("put_in_bowl", random.Random(0), "holdout")


def test_an_unknown_task_is_refused_with_the_nearest():
    with pytest.raises(UnknownTask, match="nearest: stack_tower"):
        family_named("stack_towers")


# steps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "put the red block on the table",  # covered
        "put the cyan block in the blue bowl",  # not here
        "put the pink block on the red block",  # occupied
    ],
)
def test_what_cannot_be_done_is_refused(text):
    state = scene("red block", "green block > red block", "pink block", "blue bowl")
    with pytest.raises(IllegalStep):
        apply_step(state, Step.parse(text))


def test_feasible_steps_are_exactly_those_that_lead_to_another_sensible_scene():
    rng = random.Random(9)
    for _ in range(100):
        state = random_state(rng)
        names = [o.name for o in state.objects]
        possible = set()
        for what, target in product(names, (*names, TABLE)):
            try:
                step = Step.put(what, target)
                after = apply_step(state, step)
            except (BadStep, IllegalStep):
                continue
            if after != state and is_sensible(after):
                possible.add(step)
        assert possible and set(feasible_steps(state)) == possible


def test_topmost_climbs_the_pile():
    state = scene("red block", "green block > red block", "pink cylinder > green block")
    assert [topmost(state, i) for i in range(3)] == [2, 2, 2]


# cost ------------------------------------------------------------------------------------------------


def test_a_core_makes_more_than_3000_samples_a_second():
    rng = random.Random(0)
    for _ in range(100):
        sample_midway(rng)
    start = time.process_time()  # of this process: other work on the core does not count
    for _ in range(1500):
        task, state = sample_midway(rng)
        task.acceptable_steps(state)
    assert 1500 / (time.process_time() - start) > 3000


def test_tasks_load_neither_simulator_nor_learning():
    code = "import sys, sim.tasks; print([m for m in ('pybullet', 'torch', 'cv2') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
