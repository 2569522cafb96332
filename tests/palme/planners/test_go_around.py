"""Planners with a goal take another right step where the arm was kept from one, or say why not."""

from __future__ import annotations

import pytest

from palme.errors import NoMotion, OutOfReach, Stuck
from palme.planners.base import Blocked, Context, PlannedStep, Planner
from palme.planners.go_around import untried
from palme.planners.palme import PalmePlanner
from palme.planners.readout import ReadoutPlanner
from robots.safety.chunk_verdict import OBSTACLES
from robots.skills import DONE, Step
from tests.planner_fakes import observation, scene, seen

WORDS = [*OBSTACLES.values(), OutOfReach.obstacle]
SORT = "put the blocks in the bowls with matching colors"


@pytest.fixture(scope="module", params=[PalmePlanner.load, ReadoutPlanner], ids=["palme", "readout"])
def planner(request: pytest.FixtureRequest) -> Planner:
    table = scene("red block", "blue block", "green block", "blue bowl", "red bowl", "green bowl")
    detected = seen(table)
    return request.param(lambda _: detected)


def plan(planner: Planner, *blocked: Blocked, sentence: str = SORT) -> PlannedStep:
    history = tuple((one.step, False) for one in blocked)
    return planner.next_step(Context(sentence, observation(), history, blocked=blocked))


def by_name(planned: PlannedStep) -> Step:
    assert planned.objects is not None
    return planned.step.resolve([planned.objects.name(i) for i in range(len(planned.objects))])


@pytest.mark.parametrize("words", WORDS)
def test_other_blocks_come_first_and_at_last_it_says_why_not(planner, words):
    blocked: list[Blocked] = []
    for _ in range(6):
        blocked.append(Blocked(by_name(plan(planner, *blocked)), words))
    steps = [one.step.text for one in blocked]
    assert len(set(steps[:3])) == len(set(steps[3:])) == 3, steps
    with pytest.raises(Stuck, match=f"I cannot put the .* block in the .* bowl: {words}"):
        plan(planner, *blocked)


@pytest.mark.parametrize("words", WORDS)
def test_the_only_right_step_is_tried_once_more(planner, words):
    sentence = "put the red block in the blue bowl"
    one = Blocked(Step.parse(sentence), words)
    assert by_name(plan(planner, one, sentence=sentence)) == one.step
    with pytest.raises(Stuck, match=words):
        plan(planner, one, one, sentence=sentence)


def test_no_more_plans_are_made_than_are_needed():
    made = []

    def plans():
        for text in ("put the red block in the blue bowl", "put the blue block on the table"):
            made.append(text)
            yield PlannedStep(Step.parse(text))

    assert untried(plans(), ()).step.what == "red block" and len(made) == 1


def _stopping(*texts: str):
    for text in texts:
        yield PlannedStep(Step.parse(text))
    raise NoMotion("I do not know another step.")


def test_what_cannot_be_planned_next_does_not_lose_what_is_worth_a_try():
    first = "put the red block in the blue bowl"
    one = Blocked(Step.parse(first), WORDS[0])
    assert untried(_stopping(first), (one,)).step.text == first
    with pytest.raises(Stuck, match=WORDS[0]):
        untried(_stopping(first), (one, one))
    with pytest.raises(NoMotion, match="another"):
        untried(_stopping(), (one,))


def test_it_is_not_done_while_a_step_is_worth_a_try():
    first = "put the red block in the blue bowl"
    one = Blocked(Step.parse(first), WORDS[0])
    plans = [PlannedStep(Step.parse(first)), PlannedStep(DONE)]
    assert untried(plans, (one,)).step.text == first
    assert untried(plans[1:], (one,)).step.is_done
