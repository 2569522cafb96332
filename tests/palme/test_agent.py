"""What the loop promises, whoever plans and acts."""

from __future__ import annotations

import numpy as np
import pytest

from palme.agent import Agent, AgentLimits
from palme.errors import NoMotion, StepFailed
from palme.events import Acted, Finished, Judged, Planned, Started, Understood
from palme.language.account.account import Account
from palme.language.answers import Goal
from palme.planners.base import PlannedStep
from palme.supervision import Correction
from robots.errors import (
    ArmLatched,
    CommandJumps,
    CommandNotFinite,
    CommandOutside,
    FollowingError,
    LeaseMissing,
    RobotError,
)
from robots.safety.chunk_verdict import ChunkVerdict
from robots.skills import DONE, Step
from robots.types import ActionChunk
from tests.agent_fakes import (
    N_JOINTS,
    FakeArm,
    FakeExecutor,
    FakePlanner,
    FakePolicy,
    FakeRefusal,
    agent,
    steps_of,
)
from tests.planner_fakes import scene, seen

PUT = "put the red block in the blue bowl"
STACK = "put the green block on the red block"


def test_plans_acts_and_judges_until_done():
    arm, policy = FakeArm(), FakePolicy()
    result = agent(FakePlanner([PUT, STACK]), policy, arm).run("tidy up")
    assert result.done and result.finished.cause == "done"
    assert steps_of(result) == ((PUT, True), (STACK, True))
    assert policy.steps == [PUT, PUT, STACK, STACK]
    assert len(arm.sent) == 20


def test_a_failed_step_is_planned_again_from_a_new_look():
    planner = FakePlanner([PUT], verdicts=[False, True])
    result = agent(planner, FakePolicy(), FakeArm()).run(PUT)
    assert result.done and result.finished.n_replans == 1
    assert [success for _, success in planner.contexts[1].history] == [False]
    assert planner.contexts[1].observation is not planner.contexts[0].observation


def test_gives_up_with_the_reason_after_its_replans():
    planner = FakePlanner([PUT], verdicts=[False] * 9)
    result = agent(planner, FakePolicy(), FakeArm(), limits=AgentLimits(max_replans=2)).run(PUT)
    assert not result.done and result.finished.cause == "replans"
    assert PUT in result.reason and "3 times" in result.reason
    assert len(result.steps) == 3


def test_never_runs_more_than_its_steps():
    result = agent(FakePlanner([PUT] * 99), FakePolicy(), FakeArm(), limits=AgentLimits(max_steps=4)).run(PUT)
    assert not result.done and result.finished.cause == "steps" and len(result.steps) == 4


def test_a_policy_that_never_finishes_fails_its_step():
    limits = AgentLimits(max_replans=0, max_ticks=12)
    arm = FakeArm()
    result = agent(FakePlanner([PUT]), FakePolicy(n_chunks=10**6), arm, limits=limits).run(PUT)
    assert not result.done and 12 <= len(arm.sent) <= 16
    assert steps_of(result) == ((PUT, False),) and result.finished.cause == "replans"


def test_a_nan_from_the_policy_ends_as_a_named_refusal_with_the_arm_holding():
    arm = FakeArm()

    def poisoned():
        return ActionChunk(np.full((3, N_JOINTS), np.nan), np.ones(3), 20.0)

    result = agent(FakePlanner([PUT]), FakePolicy(make=poisoned), arm).run(PUT)
    assert not result.done and result.finished.cause == "rejected"
    assert "FakeRefusal" in result.reason and "joint1" in result.reason
    assert arm.sent == [] and arm.stopped == result.reason


def test_a_sentence_outside_the_skills_gets_an_answer_and_no_motion():
    class Polite(FakePlanner):
        def next_step(self, context):
            raise NoMotion("I can move blocks and bowls; I cannot sing.")

    arm = FakeArm()
    result = agent(Polite([]), FakePolicy(), arm).run("sing a song")
    assert not result.done and result.finished.cause == "refused"
    assert result.reason == "I can move blocks and bowls; I cannot sing." and arm.sent == []


def test_a_policy_that_sees_nothing_to_act_on_leads_to_a_new_plan():
    class Blind(FakePolicy):
        def act(self, observation, step):
            if len(self.steps) == 0:
                self.steps.append(step)
                raise StepFailed("no red block in sight")
            return super().act(observation, step)

    events = []
    result = agent(FakePlanner([PUT]), Blind(), FakeArm(), [events.append]).run(PUT)
    assert result.done and steps_of(result) == ((PUT, False), (PUT, True))
    assert [e.reason for e in events if isinstance(e, Judged)] == ["no red block in sight", ""]


def test_ctrl_c_stops_the_arm_and_still_gives_a_result():
    class Interrupted(FakePolicy):
        def act(self, observation, step):
            raise KeyboardInterrupt

    arm, events = FakeArm(), []
    result = agent(FakePlanner([PUT]), Interrupted(), arm, [events.append]).run(PUT)
    assert result.finished.cause == "stopped" and "Ctrl-C" in arm.stopped
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize("k", range(7))
def test_a_listener_that_fails_at_any_event_ends_no_run_and_costs_the_others_nothing(k, caplog):
    calls, before, after = [], [], []

    def failing(event):
        calls.append(event)
        if len(calls) == k + 1:
            raise OSError(28, "No space left on device")

    listeners = [before.append, failing, after.append]
    result = agent(FakePlanner([PUT]), FakePolicy(), FakeArm(), listeners).run(PUT)
    assert result.done and before == after and len(before) == 7
    assert len(calls) == k + 1 and "a listener failed" in caplog.text


def test_a_run_whose_arm_cannot_be_stopped_still_gives_a_result():
    class Gone(FakeArm):
        def stop(self, reason):
            raise FakeRefusal("nobody answers")

    class Interrupted(FakePolicy):
        def act(self, observation, step):
            raise KeyboardInterrupt

    class Refused(FakePolicy):
        def act(self, observation, step):
            raise FakeRefusal("nobody answers")

    class Broken(FakePolicy):
        def act(self, observation, step):
            raise ZeroDivisionError("a bug")

    told = "the stop command failed: FakeRefusal: nobody answers"
    for policy, reason in (
        (Interrupted(), f"stopped by Ctrl-C; {told}"),
        (Refused(), "FakeRefusal: nobody answers"),
        (Broken(), f"ZeroDivisionError: a bug; {told}"),
    ):
        events = []
        result = agent(FakePlanner([PUT]), policy, Gone(), [events.append]).run(PUT)
        assert result.reason == reason and not result.done and isinstance(events[-1], Finished)


def test_events_are_in_order_and_account_for_the_time_of_the_run():
    events = []
    agent(FakePlanner([PUT]), FakePolicy(), FakeArm(), [events.append]).run(PUT)
    assert [type(e) for e in events] == [Started, Planned, Acted, Acted, Judged, Planned, Finished]
    times = [e.t for e in events]
    assert times == sorted(times)
    assert set(events[-1].seconds) == {"observe", "plan", "policy", "execute", "judge"}
    assert sum(events[-1].seconds.values()) <= events[-1].t + 1e-3
    assert len(events[2].sent) == 5 and events[2].localisations[0].role == "pick"


def test_after_a_step_that_broke_off_the_arm_gets_out_of_the_picture():
    class Blind(FakePolicy):
        def act(self, observation, step):
            raise StepFailed("out of reach")

    arm, planner = FakeArm(), FakePlanner([PUT])
    home = ActionChunk(np.full((2, N_JOINTS), 0.5), np.ones(2), 20.0)
    loop = agent(planner, Blind(), arm, limits=AgentLimits(max_replans=0), retreat=lambda seen: home)
    assert loop.run(PUT).finished.cause == "replans"
    assert len(arm.sent) == 2 and arm.q[0] == 0.5


def test_a_bug_in_a_policy_ends_the_run_with_its_name_and_the_arm_holding(caplog):
    class Broken(FakePolicy):
        def act(self, observation, step):
            raise ZeroDivisionError("half a joint")

    arm = FakeArm()
    result = agent(FakePlanner([PUT]), Broken(), arm).run(PUT)
    assert result.finished.cause == "error" and "ZeroDivisionError: half a joint" in result.reason
    assert arm.stopped == result.reason and "Traceback" in caplog.text


def test_objects_may_be_named_by_reference():
    planner, policy = FakePlanner(["put obj_1 in obj_2"]), FakePolicy()
    planner.objects = seen(scene("red block", "blue bowl"))
    assert agent(planner, policy, FakeArm()).run(PUT).done
    assert policy.steps[0] == PUT


IN = Goal("in", ("blue_bowl", "red_block"))


class Reader(FakePlanner):
    """Reads the instruction as the next of `goals` where no goal is kept, and sees the next of `tables`."""

    def __init__(self, steps, goals, tables=()):
        super().__init__(steps)
        self.goals, self.tables = list(goals), list(tables)

    def next_step(self, context):
        self.contexts.append(context)
        goal = context.goal or (self.goals.pop(0) if len(self.goals) > 1 else self.goals[0])
        table = None
        if self.tables:
            table = self.tables.pop(0) if len(self.tables) > 1 else self.tables[0]
        step = Step.parse(self.steps[self.at]) if self.at < len(self.steps) else DONE
        return PlannedStep(step, objects=table, goal=goal)


@pytest.mark.parametrize(
    "sentence",
    ["do not put the red block in the blue bowl", "sing", "put the big red block in the blue bowl"],
)
def test_words_without_an_account_move_nothing(sentence):
    arm, planner, events = FakeArm(), Reader([PUT], [IN]), []
    result = agent(planner, FakePolicy(), arm, [events.append], account=Account()).run(sentence)
    assert result.finished.cause == "refused" and "I do not understand" in result.reason
    assert not arm.sent and not planner.contexts and [type(e) for e in events] == [Started, Finished]


@pytest.mark.parametrize(
    "goal",
    [
        Goal("in", ("red_bowl", "blue_block")),
        Goal("in", ("blue_bowl", "red_cylinder")),
        Goal("stack", ("blue_block", "red_block")),
        Goal("match"),
    ],
)
def test_a_reading_that_is_not_that_of_the_account_moves_nothing(goal):
    arm = FakeArm()
    result = agent(Reader([PUT], [goal]), FakePolicy(), arm, account=Account()).run(PUT)
    assert result.finished.cause == "refused" and "I am not sure what is meant" in result.reason
    assert goal.text in result.reason and IN.text in result.reason and not arm.sent


def test_an_instruction_is_read_once_and_the_reading_is_kept():
    flipping = [IN, Goal("in", ("green_bowl", "red_block")), Goal("match")]
    planner, events = Reader([PUT, STACK], flipping), []
    result = agent(planner, FakePolicy(), FakeArm(), [events.append], account=Account()).run(PUT)
    assert result.done and len(planner.contexts) == 3
    assert [context.goal for context in planner.contexts] == [None, IN, IN]
    told = [event for event in events if isinstance(event, Understood)]
    assert [event.goal for event in told] == ["the red block in the blue bowl"]
    again = agent(planner, FakePolicy(), FakeArm()).run(PUT)  # another run reads anew
    assert planner.contexts[3].goal is None and again.done


PURPLE = "put the purple block in the purple bowl"


def test_a_step_aimed_at_what_is_not_seen_is_never_carried_out():
    goal, table = Goal("in", ("purple_bowl", "purple_block")), seen(scene("purple block", "blue bowl"))
    arm, policy, events = FakeArm(), FakePolicy(), []
    result = agent(Reader([PURPLE], [goal], [table]), policy, arm, [events.append]).run(PURPLE)
    assert not result.done and result.finished.cause == "refused"
    assert "I do not see the purple bowl" in result.reason
    assert not arm.sent and not policy.steps and arm.looks == 2  # it looked again
    assert not [event for event in events if isinstance(event, Planned)]


def test_nothing_is_cleared_on_the_way_to_what_is_not_there():
    goal = Goal("in", ("purple_bowl", "purple_block"))
    table = seen(scene("purple block", "green block > purple block", "blue bowl"))
    arm = FakeArm()
    clear = "put the green block on the table"
    result = agent(Reader([clear], [goal], [table]), FakePolicy(), arm).run(PURPLE)
    assert "I do not see the purple bowl" in result.reason and not arm.sent


def test_what_a_second_look_shows_is_acted_on():
    goal = Goal("in", ("purple_bowl", "purple_block"))
    tables = [seen(scene("purple block", "blue bowl")), seen(scene("purple block", "purple bowl"))]
    result = agent(Reader([PURPLE], [goal], tables), FakePolicy(), FakeArm()).run(PURPLE)
    assert result.done and steps_of(result) == ((PURPLE, True),)


def test_what_was_seen_once_may_be_hidden_later():
    goal = Goal("in", ("purple_bowl", "purple_block"))
    tables = [seen(scene("purple block", "purple bowl", "red block")), seen(scene("red block"))]
    planner = Reader(["put the red block on the table", PURPLE], [goal], tables)
    assert agent(planner, FakePolicy(), FakeArm()).run(PURPLE).done


class Person:
    """Says `correction` once the arm has moved."""

    def __init__(self, arm, correction):
        self.arm, self.correction, self.asked = arm, correction, []

    @property
    def interrupted(self):
        return bool(self.arm.sent) and self.correction is not None

    def wait(self):
        said, self.correction = self.correction or Correction("anna", "paused"), None
        return said

    def ask(self, message):
        self.asked.append(message)


def test_a_correction_that_is_not_understood_is_asked_about_and_the_former_instruction_stands():
    arm = FakeArm()
    words = "put the red block in the blue bowl, but not yet"
    person = Person(arm, Correction("anna", "told", words="but not yet", instruction=words))
    planner = Reader([PUT], [IN])
    result = agent(planner, FakePolicy(), arm, account=Account(), supervisor=person).run(PUT)
    assert result.done and {context.instruction for context in planner.contexts} == {PUT}
    assert (
        len(person.asked) == 1 and '"but"' in person.asked[0] and f"Continuing with: {PUT}" in person.asked[0]
    )


def test_a_typed_step_aimed_at_what_is_not_seen_is_not_carried_out():
    arm, policy = FakeArm(), FakePolicy()
    person = Person(arm, Correction("anna", "told", words=PURPLE, step=Step.parse(PURPLE)))
    planner = Reader([PUT], [IN], [seen(scene("red block", "blue bowl"))])
    result = agent(planner, policy, arm, account=Account(), supervisor=person).run(PUT)
    assert (PURPLE, False) in steps_of(result) and PURPLE not in policy.steps and result.done


class Gate(FakeExecutor):
    """An executor whose gate answers the chunks of step number `at` with `verdict` or `refusal`."""

    def __init__(self, arm, at=0, verdict=None, refusal=None):
        super().__init__(arm)
        self.at, self.n, self.given, self.refusal = at, -1, verdict, refusal

    def reset(self):
        self.n += 1

    def run(self, chunk, n=None, on_sent=None):
        if self.n == self.at and self.refusal is not None:
            self.verdict = ChunkVerdict(refused=f"{type(self.refusal).__name__}: {self.refusal}")
            raise self.refusal
        super().run(chunk, n, on_sent)
        if self.n == self.at and self.given is not None:
            self.verdict = self.given


def gated(planner, **what):
    arm, events = FakeArm(), []
    loop = Agent(arm, planner, FakePolicy(), Gate(arm, **what), [events.append], refusals=(RobotError,))
    return arm, loop.run("tidy up"), events


@pytest.mark.parametrize("kind", [CommandJumps, CommandOutside])
def test_a_place_that_the_gate_refuses_is_a_reason_for_the_planner(kind):
    planner = FakePlanner([PUT])
    arm, result, _ = gated(planner, refusal=kind("joint2: 3.1 rad is outside [-2.8, 2.8]"))
    assert result.done and arm.stopped is None
    assert steps_of(result) == ((PUT, False), (PUT, True))
    (why,) = planner.contexts[1].failures
    assert "refused" in why and kind.__name__ in why and "joint2" in why
    assert planner.contexts[0].failures == ()


@pytest.mark.parametrize("kind", [ArmLatched, FollowingError, CommandNotFinite, LeaseMissing])
def test_after_a_fault_the_arm_holds_and_nothing_is_planned(kind):
    planner = FakePlanner([PUT])
    arm, result, _ = gated(planner, refusal=kind("stopped"))
    assert not result.done and result.finished.cause == "rejected"
    assert arm.stopped and len(planner.contexts) == 1


def test_what_the_gate_held_back_is_told_to_the_planner_where_the_step_failed():
    held = ChunkVerdict(clamped=9, causes={"workspace: tool x at its most": 9})
    planner = FakePlanner([PUT], verdicts=[False, True])
    _, result, events = gated(planner, verdict=held)
    assert result.done
    assert "workspace: tool x at its most" in planner.contexts[1].failures[0]
    first, second = [e for e in events if isinstance(e, Judged)]
    assert "workspace" in first.gate and second.gate == ""


def test_a_step_that_succeeded_although_it_was_held_back_has_no_failure():
    held = ChunkVerdict(clamped=9, causes={"table: hand": 9})
    planner = FakePlanner([PUT, STACK])
    gated(planner, verdict=held)
    assert planner.contexts[-1].failures == ("", "")


def test_every_chunk_tells_what_was_asked_and_what_the_gate_made_of_it():
    _, _, events = gated(FakePlanner([PUT]))
    acted = [e for e in events if isinstance(e, Acted)]
    assert [a.verdict.first_tick for a in acted] == [0, 5]
    assert all(len(a.chunk.q_targets) == len(a.sent) == a.verdict.ticks for a in acted)


def test_the_time_to_the_first_command_is_measured_by_part():
    _, result, events = gated(FakePlanner([PUT]))
    first = result.finished.first
    assert set(first) == {"total", "read", "look", "plan", "policy"}
    assert 0 <= sum(v for k, v in first.items() if k != "total") <= first["total"] <= result.finished.t
    assert first["total"] <= next(e.t for e in events if isinstance(e, Acted))


def test_without_a_command_there_is_no_first_one():
    _, result, _ = gated(FakePlanner([]))
    assert result.done and result.finished.first == {}
