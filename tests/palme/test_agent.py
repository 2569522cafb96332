"""What the loop promises, whoever plans and acts."""

from __future__ import annotations

import numpy as np

from palme.agent import AgentLimits
from palme.errors import NoMotion, StepFailed
from palme.events import Acted, Finished, Judged, Planned, Started
from robots.types import ActionChunk
from tests.agent_fakes import N_JOINTS, FakeArm, FakePlanner, FakePolicy, FakeRefusal, agent, steps_of

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
    assert not result.done and result.finished.cause == "refused"
    assert "FakeRefusal" in result.reason and "joint1" in result.reason
    assert arm.sent == [] and arm.stopped == result.reason


def test_a_sentence_outside_the_skills_gets_an_answer_and_no_motion():
    class Polite(FakePlanner):
        def next_step(self, context):
            raise NoMotion("I can move blocks and bowls; I cannot sing.")

    arm = FakeArm()
    result = agent(Polite([]), FakePolicy(), arm).run("sing a song")
    assert not result.done and result.finished.cause == "answer"
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
    class Names(list):
        def name(self, i):
            return self[i]

    planner, policy = FakePlanner(["put obj_1 in obj_2"]), FakePolicy()
    planner.objects = Names(["red block", "blue bowl"])
    assert agent(planner, policy, FakeArm()).run(PUT).done
    assert policy.steps[0] == PUT
