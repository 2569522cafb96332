"""A run with a person in it: taken over in the middle of a chunk, handed back, corrected by words."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from palme.agent import Agent, AgentLimits
from palme.cli.rig.console_logger import ConsoleLogger
from palme.errors import NoMotion
from palme.events import Corrected, HandedBack, Judged, Planned, TakenOver
from palme.operator.operator import MODES, Jog
from palme.operator.run_operator import RunOperator
from palme.operator.run_status import RunStatus
from palme.report.log import EventLog
from palme.report.record import RunRecord
from robots.errors import RobotError
from robots.executor import Executor
from robots.skills import DONE, Step
from robots.teleop.loop import ControlLoop
from robots.types import ActionChunk
from tests.agent_fakes import FakePlanner, FakePolicy, steps_of
from tests.teleop_rig import shared, ticks, worst_change

PUT = "put the red block in the blue bowl"
OTHER = "put the red block in the green bowl"


class Seen(list):
    xyz, score = np.zeros((3, 3)), np.ones(3)

    def name(self, i):
        return self[i]

    def sees(self, name):
        return name in self


class Planner(FakePlanner):
    """Puts the red block into the bowl that the instruction names, and judges by `verdicts`."""

    probability, objects = 1.0, Seen(["red block", "blue bowl", "green bowl"])

    def __init__(self, verdicts=()):
        super().__init__([PUT], verdicts)
        self.judged = []

    def next_step(self, context):
        self.contexts.append(context)
        if self.at:
            return self.planned(DONE)
        return self.planned(Step.parse(OTHER if "green bowl" in context.instruction else PUT))

    def was_successful(self, context, step):
        self.judged.append(step.text)
        return super().was_successful(context, step)


class Policy(FakePolicy):
    def __init__(self, n_chunks=4):
        super().__init__(n_chunks)
        self.resets = 0
        self.began_at = []

    def reset(self):
        super().reset()
        self.resets += 1

    def act(self, observation, step):
        if self.left == self.n_chunks:
            self.began_at.append(observation.robot.q.copy())
        super().act(observation, step)
        path = observation.robot.q + np.linspace(0, 0.2, 8)[:, None] * np.linspace(-1, 1, 7)
        return ActionChunk(path, np.ones(8), 20.0)


class Run:
    """An agent at a operator; `when[n]` is what a person does after the n-th tick of the policy."""

    def __init__(self, planner=None, policy=None, limits=None, supervised=True):
        self.shared, self.below, self.clock = shared()
        self.operator = RunOperator(self.shared, ControlLoop(self.shared, ("front",)), RunStatus())
        self.planner, self.policy = planner or Planner(), policy or Policy()
        self.events, self.when, self.policy_ticks, self.own_ticks = [], {}, 0, 0
        self.at_rest_for = 6
        self.shared.on_tick.append(self.ticked)
        self.agent = Agent(
            self.shared, self.planner, self.policy, Executor(self.shared),
            (self.events.append, self.operator.run_status), limits, refusals=(RobotError,),
            supervisor=self.operator if supervised else None,
        )  # fmt: skip

    def ticked(self, tick):
        self.clock.now += 0.05
        if tick.by == "policy":
            self.policy_ticks += 1
            act = self.when.pop(self.policy_ticks, None)
            if act is not None:
                self.own_ticks = 0
                act(self.operator)
        elif tick.mode != "autonomous":
            self.own_ticks += 1
            if tick.mode == "correcting" and self.own_ticks < 20:
                self.operator.jog("anna", Jog((0.0, 0.0, 0.6)))
            elif self.own_ticks == 25:
                if tick.mode == "stopped":
                    assert self.operator.rearm("anna").done
                assert self.operator.hand_back("anna").done

    def of(self, kind):
        return [e for e in self.events if isinstance(e, kind)]

    def run(self, sentence=PUT):
        return self.agent.run(sentence)


def test_a_takeover_in_the_middle_of_a_chunk_ends_it_and_after_hand_back_all_is_new() -> None:
    run = Run(Planner(verdicts=[False, True]))
    run.when = {11: lambda operator: operator.take("anna")}
    result = run.run()
    assert result.done and run.policy.resets == 2
    lifted = np.abs(run.policy.began_at[1] - run.policy.began_at[0]).max()
    assert lifted > 0.05  # planned from where the hand left the arm, not from the stale chunk
    first, second = run.planner.contexts[:2]
    assert second.observation is not first.observation
    assert [(s.text, ok) for s, ok in second.history] == [(PUT, False)]  # judged from the new look
    assert worst_change(run.below) <= 1.0
    taken, back = run.of(TakenOver)[0], run.of(HandedBack)[0]
    assert str(taken.step) == PUT and "anna" in taken.reason
    assert (back.who, back.why) == ("anna", "taken") and len(back.commands) == 25
    assert result.finished.n_replans == 0  # a person's doing is no failure of the plan


def test_a_step_that_was_done_by_hand_is_judged_so_and_not_done_again() -> None:
    run = Run(Planner(verdicts=[True]))
    run.when = {5: lambda operator: operator.take("anna")}
    result = run.run()
    assert result.done and steps_of(result) == ((PUT, True),)
    assert run.policy.resets == 1 and run.planner.judged == [PUT]
    assert [line.state for line in run.operator.status().steps] == ["corrected"]


def test_a_pause_resumes_nothing_but_plans_anew() -> None:
    run = Run()
    run.when = {7: lambda operator: operator.pause("anna")}
    result = run.run()
    assert result.done and run.policy.resets == 2
    assert run.planner.contexts[1].history == ()  # only broken off: neither done nor failed
    assert run.of(HandedBack)[0].commands == ()
    assert [line.state for line in run.operator.status().steps] == ["replaced", "done"]


def test_a_stop_waits_for_rearm_and_hand_back_and_then_plans_anew() -> None:
    run = Run()
    run.when = {7: lambda operator: operator.stop("bert", "a hand on the table")}
    result = run.run()
    assert result.done and run.policy.resets == 2 and run.below.gate.latched is None
    assert run.of(HandedBack)[0].why == "stopped" and run.of(HandedBack)[0].who == "bert"


def test_a_typed_step_replaces_the_present_one_at_once() -> None:
    run = Run()
    run.when = {6: lambda operator: told.append(operator.correct("anna", OTHER))}
    told: list = []
    result = run.run()
    assert told[0].done and run.policy.steps[-1] == OTHER and run.policy_ticks == 6 + 32
    assert steps_of(result) == ((PUT, False), (OTHER, True))
    corrected = run.of(Corrected)[0]
    assert (str(corrected.step), str(corrected.before), corrected.who) == (OTHER, PUT, "anna")
    assert run.planner.contexts[-1].instruction == OTHER  # else it would be carried back
    assert [line.state for line in run.operator.status().steps] == ["replaced", "done"]
    assert run.of(Planned)[1].rationale == "typed by anna"


def test_no_the_other_bowl_goes_on_with_the_other_bowl() -> None:
    run = Run()
    run.when = {6: lambda operator: operator.correct("anna", "no, the other bowl")}
    result = run.run()
    assert steps_of(result) == ((PUT, False), (OTHER, True))
    assert run.operator.status().instruction == OTHER


def test_a_whole_sentence_is_planned_from_with_what_happened_in_the_history() -> None:
    run = Run()
    run.when = {6: lambda operator: operator.correct("anna", "put everything red into the green bowl")}
    assert steps_of(run.run()) == ((PUT, False), (OTHER, True))
    assert run.planner.contexts[1].instruction == "put everything red into the green bowl"
    assert [(s.text, ok) for s, ok in run.planner.contexts[1].history] == [(PUT, False)]


def test_words_that_lead_nowhere_pause_the_run_and_the_old_instruction_stands() -> None:
    class Picky(Planner):
        def next_step(self, context):
            if "sing" in context.instruction:
                raise NoMotion("I cannot sing.")
            return super().next_step(context)

    messages = []
    run = Run(Picky())
    run.when = {6: lambda operator: operator.correct("anna", "and sing a song")}
    run.shared.on_tick.append(lambda tick: messages.append(run.operator.status().message))
    result = run.run()
    assert result.done and steps_of(result)[-1] == (PUT, True)
    assert any(m.startswith("I cannot sing.") and PUT in m for m in messages)


def test_words_while_the_arm_is_held_wait_for_the_hand_back() -> None:
    run = Run(Planner(verdicts=[True]))

    def take_and_say(operator):
        operator.take("anna")
        assert "after hand-back" in operator.correct("anna", "no, the green one").message
        assert "anna" in operator.correct("bert", "no, the blue one").message  # the holder speaks for it

    run.when = {6: take_and_say}
    assert steps_of(run.run()) == ((PUT, False), (OTHER, True))


def test_done_is_not_believed_of_a_scene_that_a_person_is_changing() -> None:
    class Hasty(Planner):
        def next_step(self, context):
            plan = super().next_step(context)
            if plan.step.is_done and not run.planner.told:
                run.planner.told = True
                run.operator.take("anna")  # while it was thinking
            return plan

    planner = Hasty()
    planner.told = False
    run = Run(planner)
    result = run.run()
    assert result.done and len(run.of(TakenOver)) == 1 and len(planner.contexts) == 3


def test_a_person_may_say_that_it_is_done() -> None:
    run = Run()
    run.when = {6: lambda operator: operator.correct("anna", "done")}
    result = run.run()
    assert result.done and "a person reported it as done" in result.reason


def test_a_second_takeover_on_the_way_home_is_one_more_wait() -> None:
    run = Run(Planner(verdicts=[True]))
    run.agent._retreat = lambda seen: ActionChunk(
        seen.robot.q + np.linspace(0, 0.1, 10)[:, None], np.ones(10), 20.0
    )
    run.when = {5: lambda operator: operator.take("anna"), 9: lambda operator: operator.take("anna")}
    result = run.run()
    assert result.done and len(run.of(TakenOver)) == 1 and len(run.of(HandedBack)) == 1
    assert len(run.of(HandedBack)[0].commands) == 50 and worst_change(run.below) <= 1.0


def test_without_anybody_beside_the_loop_a_taken_arm_ends_the_run() -> None:
    run = Run(supervised=False)
    run.when = {5: lambda operator: operator.take("anna")}
    result = run.run()
    assert result.finished.cause == "rejected" and "NotAutonomous" in result.reason


def test_events_of_a_person_are_told_logged_and_recorded(tmp_path) -> None:
    run = Run(Planner(verdicts=[False, True]))
    run.when = {
        5: lambda operator: operator.take("anna"),
        20: lambda operator: operator.correct("anna", "the other bowl"),
    }
    said, record = io.StringIO(), RunRecord()
    with EventLog(tmp_path / "events.jsonl") as log:
        run.agent._listeners += (ConsoleLogger(said), log, record)
        run.run()
    text = said.getvalue()
    assert "anna took control" in text and "25 ticks by hand" in text and "“the other bowl”" in text
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    kinds = [line["event"] for line in lines]
    assert {"takenover", "handedback", "corrected"} <= set(kinds)
    assert len(next(line for line in lines if line["event"] == "handedback")["q_sent"]) == 25
    by_policy = sum(len(a.sent) for step in record.steps for a in step.acted)
    assert len(record.q_sent) == by_policy + 25 == len(record.gripper_sent)


def test_giving_up_still_counts_only_the_agent_s_own_failures() -> None:
    run = Run(Planner(verdicts=[False] * 9), limits=AgentLimits(max_replans=1))
    run.when = {5: lambda operator: operator.take("anna")}
    result = run.run()
    assert result.finished.cause == "replans" and len(run.of(Judged)) == 3


# -- the operator --------------------------------------------------------------------------------------


def test_the_operator_tells_what_stands_now() -> None:
    run = Run()
    run.run()
    status = run.operator.status()
    assert status.mode in MODES and status.holder == "policy" and status.instruction == PUT
    assert [j.name for j in status.joints] == list(run.shared.spec.joint_names)
    assert all(j.q_min < j.q < j.q_max for j in status.joints)
    assert status.cameras == ("front",) and status.state_age < 1.0
    assert status.steps[0].text == PUT and status.probability == 1.0


def test_only_the_holder_s_jog_counts_and_refusals_are_told() -> None:
    run = Run()
    operator = run.operator
    assert "take control" in operator.jog("anna", Jog((1.0, 0.0, 0.0))).message
    assert operator.take("anna").done and operator.take("anna").done
    assert operator.jog("anna", Jog((1.0, 0.0, 0.0))).done
    told = operator.jog("bert", Jog((1.0, 0.0, 0.0)))
    assert not told.done and "anna" in told.message
    for bad in (Jog((np.nan, 0.0, 0.0)), Jog(gripper=np.inf), Jog(("a", 0, 0)), Jog(gripper="shut")):  # type: ignore[arg-type]
        assert not operator.jog("anna", bad).done
    assert (
        not operator.take("bert").done
        and not operator.hand_back("bert").done
        and not operator.pause("bert").done
    )
    operator.disconnect("bert")
    assert operator.status().mode == "correcting"
    operator.disconnect("anna")
    assert operator.status().mode == "paused"


def test_a_click_brings_the_tool_over_what_is_seen_there_while_it_is_held() -> None:
    run = Run()
    operator, loop = run.operator, run.operator.loop
    assert "take control" in operator.reach("anna", "front", 40, 24).message
    operator.take("anna")
    assert "no image" in operator.reach("anna", "front", 40, 24).message
    loop._frames["front"] = (run.below.picture(), 0.0)
    assert "not in the picture" in operator.reach("anna", "front", 400, 24).message
    run.own_ticks = -10_000
    run.shared.on_tick.clear()
    for _ in range(120):
        assert operator.reach("anna", "front", 40, 24).done  # (0.45, -0.1, 0)
        ticks(run.shared, run.clock, 1)
    tool = run.below.observe(()).robot.base_from_ee[:3, 3]
    np.testing.assert_allclose(tool, [0.45, -0.1, run.shared.limits.hover], atol=0.004)


def test_a_rearm_that_is_not_needed_is_told() -> None:
    told = Run().operator.rearm("anna")
    assert not told.done and "not stopped" in told.message


@pytest.mark.parametrize("text", ["", "x" * 301])
def test_words_that_are_none_are_refused(text: str) -> None:
    assert not Run().operator.correct("anna", text).done
