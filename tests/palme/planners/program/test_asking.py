"""A person's yes goes on with what was understood; other words are read as what is wanted instead."""

from __future__ import annotations

import numpy as np
import pytest

from palme.agent import Agent, AgentLimits, RunResult
from palme.errors import NoMotion, Question
from palme.events import Asked, Event, Planned
from palme.language.programs.parser import parse
from palme.planners.program.asking import understood, understood_with
from palme.planners.program.load import RememberingReader
from palme.planners.program.planner import ProgramPlanner
from palme.planners.program.reader import NotRead, NotSure, Reading
from tests.agent_fakes import FakeArm, FakeExecutor, FakePolicy
from tests.palme.planners.program.scenes import scene
from tests.palme.planners.program.test_tracker import _detected
from tests.palme.test_planning import Typist

SAID = "the green thing, bowlwards"
ASKED = "Do you mean: put the green block in the blue bowl?"
SEEN = scene(
    "small red block 0.4 -0.2", "small green block 0.4 0.1", "large green block 0.6 0.0", "blue bowl 0.55 0.2"
)


class Unsure:
    """Doubts `SAID`, does not know some words, and reads other sentences as given."""

    def __init__(self, asks: bool = True, text: str = "put(small green block, in blue bowl)") -> None:
        self.asks, self.text, self.times = asks, text, 0
        self.sure = {f"{SAID}, no, the red one": "put(red block, in blue bowl)"}
        self.sure["leave everything as it is"] = "nothing()"

    def read(self, sentence: str) -> Reading:
        self.times += 1
        if sentence == SAID:
            raise NotSure(ASKED, _reading(SAID, self.text), self.asks)
        if sentence not in self.sure:
            raise NotRead(f"I do not understand {sentence!r}")
        return _reading(sentence, self.sure[sentence])


def _reading(sentence: str, text: str) -> Reading:
    return Reading(sentence, parse(text), 0.5, (0.5, "green"), 0.1)


def _run(reader: Unsure, person: Typist | None) -> tuple[RunResult, list[Event], FakeArm]:
    rng = np.random.default_rng(0)
    planner = ProgramPlanner(reader, lambda observation: _detected(SEEN, rng, 0.001))
    arm, events = FakeArm(), list[Event]()
    agent = Agent(
        arm, planner, FakePolicy(), FakeExecutor(arm), [events.append], AgentLimits(max_replans=0),
        person=person,
    )  # fmt: skip
    return agent.run(SAID), events, arm


def _moved(events: list[Event]) -> str:
    return next(event for event in events if isinstance(event, Planned)).step.what


@pytest.mark.parametrize("answer", ["yes", "Yes, please!", "ok", "yeah do it"])
def test_a_yes_goes_on_with_that_reading_in_the_same_run(answer: str) -> None:
    person = Typist(answer)
    _, events, arm = _run(Unsure(), person)
    assert person.questions == [ASKED] and arm.sent
    assert _moved(events) == "green block"


@pytest.mark.parametrize("answer", ["no", "never mind", "no, thanks"])
def test_a_no_ends_the_run_and_nothing_moves(answer: str) -> None:
    result, _, arm = _run(Unsure(), Typist(answer))
    assert result.finished.cause == "refused" and not arm.sent
    assert "Nothing is done" in result.reason


def test_other_words_are_read_as_what_is_wanted_instead() -> None:
    _, events, arm = _run(Unsure(), Typist("no, the red one"))
    assert arm.sent and _moved(events) == "red block"


def test_a_whole_sentence_in_answer_is_read_by_itself() -> None:
    result, _, arm = _run(Unsure(), Typist("leave everything as it is"))
    assert not arm.sent and result.finished.cause != "asked"


def test_an_answer_that_is_not_understood_is_asked_about_again() -> None:
    person = Typist("wibble", "yes")
    _, events, arm = _run(Unsure(), person)
    assert len(person.questions) == 2 and "wibble" in person.questions[1] and ASKED in person.questions[1]
    assert arm.sent and _moved(events) == "green block"


def test_after_the_yes_it_can_still_be_asked_which_thing_is_meant() -> None:
    person = Typist("yes", "the large one")
    _, events, arm = _run(Unsure(text="put(green block, in blue bowl)"), person)
    assert len(person.questions) == 2 and "Which green block" in person.questions[1] and arm.sent
    planned = next(event for event in events if isinstance(event, Planned))
    assert planned.step.what_at[0] == pytest.approx(0.6, abs=0.01)


def test_without_a_person_the_question_ends_the_run() -> None:
    result, events, arm = _run(Unsure(), None)
    assert result.finished.cause == "asked" and result.reason == ASKED and not arm.sent
    assert [event.answer for event in events if isinstance(event, Asked)] == [None]


def test_what_cannot_be_done_is_not_asked_for() -> None:
    with pytest.raises(NoMotion) as raised:
        understood(Unsure(asks=False), SAID)
    assert not isinstance(raised.value, Question)


def test_answers_that_it_took_to_read_are_counted() -> None:
    assert understood_with(Unsure(), SAID, ("wibble", "yes", "the large one"))[1] == 2
    assert understood_with(Unsure(), "leave everything as it is", ("the large one",))[1] == 0


def test_a_doubted_sentence_is_read_once() -> None:
    unsure = Unsure()
    reader = RememberingReader(unsure)
    for _ in range(3):
        with pytest.raises(NotSure):
            reader.read(SAID)
    assert unsure.times == 1
