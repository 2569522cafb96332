"""An agent with the program planner: it says what it understood, asks what is meant, and waits for a yes."""

from __future__ import annotations

import numpy as np
import pytest

from palme.agent import RunResult
from palme.events import Asked, Event, Planned, Understood
from palme.planners.program.planner import ProgramPlanner
from palme.planners.program.scene import SeenScene
from palme.planners.program.written import WrittenReader
from palme.report.joints import JointLimits
from palme.report.record import RunRecord
from palme.report.run_page import run_page
from robots.skills import TABLE
from tests.agent_fakes import FakeArm, FakeExecutor, FakePolicy
from tests.palme.planners.program.scenes import scene
from tests.palme.planners.program.test_tracker import _detected

TABLE_SEEN = scene(
    "small red block 0.4 -0.2", "large red block 0.4 0.1", "small blue block 0.6 -0.1", "blue bowl 0.55 0.2"
)
PUT = "put ( red block , in blue bowl )"


class Typist:
    """Answers from a list; nobody after that."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.questions = list(answers), []

    def answer(self, question: str) -> str | None:
        self.questions.append(question)
        return self.answers.pop(0) if self.answers else None


def _run(
    text: str, person: object = None, confirm: bool = False, seen: SeenScene = TABLE_SEEN
) -> tuple[RunResult, list[Event], FakeArm]:
    from palme.agent import Agent, AgentLimits

    rng = np.random.default_rng(0)
    planner = ProgramPlanner(WrittenReader(), lambda observation: _detected(seen, rng, 0.001))
    arm, events = FakeArm(), []
    agent = Agent(
        arm, planner, FakePolicy(), FakeExecutor(arm), [events.append], AgentLimits(max_replans=0),
        person=person, confirm=confirm,
    )  # fmt: skip
    return agent.run(text), events, arm


def _first(events: list[Event]) -> Planned:
    return next(event for event in events if isinstance(event, Planned))


def test_without_a_person_a_question_back_ends_the_run_and_says_which_things_were_meant() -> None:
    result, events, arm = _run(PUT)
    assert result.finished.cause == "asked" and not arm.sent
    assert "the small red block or the large red block" in result.reason
    assert [event.answer for event in events if isinstance(event, Asked)] == [None]


@pytest.mark.parametrize(
    ("answer", "y"),
    [
        ("the large one", 0.1), ("small", -0.2), ("left", -0.2), ("the right one please", 0.1),
        ("the one on the left", -0.2), ("the second", 0.1), ("The LITTLE one!", -0.2), ("2", 0.1),
    ],
)  # fmt: skip
def test_the_answer_goes_on_in_the_same_run(answer: str, y: float) -> None:
    person = Typist(answer)
    _, events, arm = _run(PUT, person)
    assert len(person.questions) == 1 and arm.sent
    assert _first(events).step.what_at[1] == pytest.approx(y, abs=0.01)
    (told,) = [event for event in events if isinstance(event, Understood)]
    assert events.index(told) < events.index(_first(events)) and "red block in the blue bowl" in told.goal


def test_both_are_both() -> None:
    _, events, _ = _run(PUT, Typist("both"))
    (told,) = [event for event in events if isinstance(event, Understood)]
    assert told.understanding.moved == ("the small red block", "the large red block")


@pytest.mark.parametrize("answer", ["never mind", "No.", "neither of them", "stop", "cancel, please"])
def test_a_person_who_calls_it_off_is_heard(answer: str) -> None:
    result, _, arm = _run(PUT, Typist(answer))
    assert result.finished.cause == "refused" and not arm.sent


@pytest.mark.parametrize("answer", ["purple", "the one that I like", "bowl", "left, right", "the middle one"])
def test_an_answer_that_is_not_understood_is_asked_for_again_and_nothing_is_guessed(answer: str) -> None:
    person = Typist(answer)
    result, _, arm = _run(PUT, person)
    assert len(person.questions) == 2 and answer in person.questions[1]
    assert result.finished.cause == "asked" and not arm.sent


@pytest.mark.parametrize("answer", ["no", None, ".", "wait", "nein", "the other one", "yes, later? no"])
def test_confirm_begins_only_after_a_yes(answer: str | None) -> None:
    text = "put ( blue block , in blue bowl )"
    result, _, arm = _run(text, Typist(answer) if answer else None, confirm=True)
    assert result.finished.cause == "refused" and "not confirmed" in result.reason and not arm.sent
    person = Typist("yes")
    _, _, arm = _run(text, person, confirm=True)
    assert arm.sent and "I will move the blue block" in person.questions[0]


@pytest.mark.parametrize(
    ("text", "cause", "words"),
    [
        ("count ( red block )", "answered", "2 (two) red blocks"),
        ("refuse ( unsafe )", "refused", "could hurt"),
        ("put ( pink block , in blue bowl )", "refused", "no pink block"),
        ("nothing ( )", "done", "nothing to do"),
        ("put ( blue block , on table )", "done", "As wanted"),
    ],
)
def test_an_answer_a_refusal_and_a_goal_that_holds_are_told_apart_and_move_nothing(
    text: str, cause: str, words: str
) -> None:
    result, events, arm = _run(text)
    assert result.finished.cause == cause and words in result.reason and not arm.sent
    assert any(isinstance(event, Understood) and event.understanding.program for event in events)


def test_a_step_that_was_not_done_is_not_judged_done_and_the_run_ends_with_the_reason() -> None:
    result, _, _ = _run("put ( blue block , in blue bowl )")
    assert result.steps and not result.steps[0][1]
    assert result.finished.cause == "replans" and "blue block" in result.reason
    assert result.steps[0][0].target != TABLE


def test_the_report_shows_program_finds_and_meaning_line_by_line() -> None:
    rng = np.random.default_rng(0)
    record, arm = RunRecord(), FakeArm()
    from palme.agent import Agent

    planner = ProgramPlanner(WrittenReader(), lambda observation: _detected(TABLE_SEEN, rng, 0.001))
    Agent(arm, planner, FakePolicy(), FakeExecutor(arm), [record], person=Typist("the large one")).run(PUT)
    spec = arm.spec
    page = run_page(record, JointLimits(spec.joint_names, spec.q_min, spec.q_max, spec.dq_max), 20.0)
    for shown in (PUT, "the large red block in the blue bowl", "the large one"):
        assert shown in page
