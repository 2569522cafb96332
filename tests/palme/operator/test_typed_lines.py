"""Whatever persons type, and whatever happens meanwhile: each line is kept, in one final state, and shown."""

from __future__ import annotations

import json
import re
from html import escape

import numpy as np
import pytest

from palme.agent import Agent, AgentLimits
from palme.errors import NoMotion
from palme.events import LINE_STATES, Corrected, CorrectionRefused, Finished, Started, Typed
from palme.operator.run_operator import RunOperator
from palme.operator.run_phase import RunPhase, end_of
from palme.operator.run_status import RunStatus
from palme.operator.typed_lines import COMMAND_LINE, REFUSED, REPLACED, TAKEN, WAITING, TypedLines
from palme.report.joints import JointLimits
from palme.report.log import EventLog
from palme.report.record import RunRecord
from palme.report.run_page import run_page
from robots.errors import RobotError
from robots.executor import Executor
from robots.skills import DONE, Step
from robots.teleop.loop import ControlLoop
from robots.types import ActionChunk
from tests.agent_fakes import FakePlanner, FakePolicy
from tests.teleop_rig import shared

PUT = "put the red block in the blue bowl"
OTHER = "put the red block in the green bowl"
TEXTS = (
    "no, the other bowl", OTHER, "the purple bowl", "put everything red into the green bowl {}", "done",
    "stop", "and be quick {}", "sing a song {}", "no", "wait", "<b>{}</b> & put it there", "the other bowl",
    PUT, "put the green block on the red block",
)  # fmt: skip
FINAL = set(LINE_STATES) - {WAITING}


class Seen(list):
    xyz, score = np.zeros((4, 3)), np.ones(4)

    def name(self, i):
        return self[i]

    def sees(self, name):
        return name in self


class Chaos:
    """A run in lock-step; at any tick and in any thought of the agent a person may act, drawn by `seed`."""

    def __init__(self, seed, log):
        self.rng = np.random.default_rng(seed)
        self.shared, self.below, self.clock = shared()
        self.lines = TypedLines(PUT, clock=self.clock)
        self.status = RunStatus()
        self.operator = RunOperator(
            self.shared, ControlLoop(self.shared, ()), self.status, self.lines, RunPhase()
        )
        self.shared.on_tick.append(self.ticked)
        self.typed, self.events, self.record, self.idle, self.log = [], [], RunRecord(), 0, log
        self.lines.listeners += [self.record, log, self.events.append]
        self.policy = Policy(self)
        self.planner = Planner(self)
        self.agent = Agent(
            self.shared, self.planner, self.policy, Executor(self.shared),
            (self.lines, self.events.append, self.record, log, self.status),
            AgentLimits(max_replans=2, max_steps=5), refusals=(RobotError,), supervisor=self.operator,
        )  # fmt: skip
        self.breaks_at = int(self.rng.integers(20, 400)) if self.rng.random() < 0.4 else -1
        self.n = 0

    def ticked(self, tick):
        self.clock.now += 0.05
        self.idle = self.idle + 1 if tick.mode != "autonomous" else 0
        if self.idle > 60:  # nobody waits for ever
            self.operator.rearm(self.shared.takeover.holder or "anna")
            self.operator.hand_back(self.shared.takeover.holder or "anna")
        if self.rng.random() < 0.12:
            self.act()
        self.n += 1
        if self.n == self.breaks_at:
            raise KeyboardInterrupt

    def act(self):
        who = ("anna", "bert")[int(self.rng.integers(2))]
        what = self.rng.choice(
            ["type", "pause", "stop", "take", "hand_back", "rearm"], p=[0.5, 0.1, 0.05, 0.1, 0.15, 0.1]
        )
        if what != "type":
            getattr(self.operator, what)(*((who, "a test") if what == "stop" else (who,)))
            return
        text = str(self.rng.choice(TEXTS)).format(f"nr{len(self.typed)}")
        self.operator.correct(who, text)
        self.typed.append((who, text))

    def run(self):
        result = self.agent.run(PUT)
        self.lines.close()
        return result


class Planner(FakePlanner):
    probability, objects = 0.9, Seen(["red block", "blue bowl", "green bowl", "green block"])

    def __init__(self, chaos):
        super().__init__([PUT])
        self.chaos = chaos

    def next_step(self, context):
        self.contexts.append(context)
        if self.chaos.rng.random() < 0.3:
            self.chaos.act()  # while it thinks
        if "sing" in context.instruction or "<b>" in context.instruction:
            raise NoMotion("I cannot do that.")
        if self.chaos.rng.random() < 0.02:
            raise RuntimeError("a bug of the planner")
        if self.chaos.rng.random() < 0.25:
            return self.planned(DONE)
        return self.planned(Step.parse(OTHER if "green bowl" in context.instruction else PUT))

    def was_successful(self, context, step):
        if self.chaos.rng.random() < 0.3:
            self.chaos.act()
        self.judgements = [bool(self.chaos.rng.random() < 0.6)] * 9
        return super().was_successful(context, step)


class Policy(FakePolicy):
    def __init__(self, chaos):
        super().__init__(2)
        self.chaos = chaos

    def act(self, observation, step):
        if self.chaos.rng.random() < 0.2:
            self.chaos.act()
        super().act(observation, step)
        path = observation.robot.q + np.linspace(0, 0.05, 6)[:, None] * np.linspace(-1, 1, 7)
        return ActionChunk(path, np.ones(6), 20.0)


@pytest.mark.parametrize("seed", range(120))
def test_each_line_ends_in_one_state_and_is_in_log_and_report(seed, tmp_path) -> None:
    with EventLog(tmp_path / "events.jsonl") as log:
        chaos = Chaos(seed, log)
        ended = chaos.run().finished
    assert ended.cause != "error" or "a bug of the planner" in ended.reason  # no error but the injected one
    lines = chaos.lines.lines
    assert [(line.who, line.words) for line in lines] == [(COMMAND_LINE, PUT), *chaos.typed]
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert all(line.state in FINAL for line in lines)
    told = [event for event in chaos.events if isinstance(event, Typed)]
    for line in lines:  # the command line's first state was told before anybody listened
        states = [event.state for event in told if event.number == line.number]
        assert states[-1] == line.state and len(states) <= 2
        assert states[:-1] in ([], [WAITING])
        assert 0 <= line.typed_t <= line.t and line.note
    written = [json.loads(row) for row in (tmp_path / "events.jsonl").read_text().splitlines()]
    final = {row["number"]: row["state"] for row in written if row["event"] == "typed"}
    assert final == {line.number: line.state for line in lines}
    spec = chaos.shared.spec
    limits = JointLimits(spec.joint_names, spec.q_min, spec.q_max, spec.dq_max)
    page = run_page(chaos.record, limits, 20.0)
    at = page.index("<h2>Instructions and interventions")
    for line in lines:  # in order
        at = page.index(f"“{escape(line.words)}”</td>", at) + 1
    for state in FINAL:
        assert page.count(f">{state}</span>") == sum(line.state == state for line in lines)
    nothing_is_done_that_was_not_taken(chaos, lines)


def nothing_is_done_that_was_not_taken(chaos, lines):
    asked = [context.instruction for context in chaos.planner.contexts]
    corrected = [event.words for event in chaos.events if isinstance(event, Corrected)]
    for line in lines[1:]:
        mark = re.search(r"nr\d+", line.words)
        if line.state == REPLACED and mark:
            assert not any(re.search(rf"\b{mark[0]}\b", text) for text in asked)  # neither alone nor glued
            assert line.words not in corrected
        if line.state == TAKEN and mark:
            assert line.words in corrected
    refused = [event.reason for event in chaos.events if isinstance(event, CorrectionRefused)]
    assert len(refused) <= sum(line.state == REFUSED for line in lines)
    instructions = {
        PUT,
        *(e.instruction for e in chaos.events if isinstance(e, Corrected | CorrectionRefused)),
    }
    assert chaos.status.instruction in instructions and set(asked) <= instructions
    assert chaos.status.instruction == chaos.record.instruction


def test_the_interleavings_reach_every_state(tmp_path) -> None:
    states = set()
    for seed in range(30):
        with EventLog(tmp_path / f"{seed}.jsonl") as log:
            chaos = Chaos(seed, log)
            chaos.run()
        states |= {line.state for line in chaos.lines.lines}
    assert states == FINAL


def typing():
    lines = TypedLines(PUT)
    told: list[Typed] = []
    lines.listeners.append(told.append)
    return lines, told


def test_the_newest_of_two_waiting_lines_decides_and_both_are_shown() -> None:
    lines, _ = typing()
    lines.add("anna", "the green one", None, "a")
    lines.add("bert", "no, the pink one", None, "b")
    assert [line.state for line in lines.lines[1:]] == [REPLACED, WAITING]
    assert lines.lines[1].note == "by the newer “no, the pink one”"
    found = lines.read()
    assert found is not None and found.instruction == "b" and lines.read() is None


def test_a_line_after_the_end_is_refused_with_how_the_run_ended() -> None:
    lines, _ = typing()
    lines(Finished(1.0, True, "done", "the planner found nothing left to do", 1, 0))
    assert not lines.add("anna", "the green one", None, None)
    assert lines.lines[1].state == REFUSED and "the run ended" in lines.lines[1].note


@pytest.mark.parametrize("word", ["stop", "Stop!", "stop it", "please stop", "STOP NOW", "halt.", "freeze"])
def test_the_word_stop_stops_the_arm(word) -> None:
    chaos = Chaos(0, lambda event: None)
    assert chaos.operator.correct("anna", word).done
    assert chaos.shared.takeover.mode == "stopped"
    assert chaos.lines.lines[-1].state == TAKEN and "stopped" in chaos.lines.lines[-1].note


@pytest.mark.parametrize("word", ["wait", "Pause.", "hold on", "please wait a moment"])
def test_the_word_wait_pauses(word) -> None:
    chaos = Chaos(0, lambda event: None)
    assert chaos.operator.correct("anna", word).done
    assert chaos.shared.takeover.mode == "paused" and chaos.lines.lines[-1].note == "paused"


def test_words_that_no_file_can_hold_are_refused_before_they_are_kept() -> None:
    chaos = Chaos(0, lambda event: None)
    assert not chaos.operator.correct("anna", "put it \ud800 there").done
    assert len(chaos.lines.lines) == 1


class Calm(Chaos):
    """Only what `acts` says happens: (tick, action)."""

    def __init__(self, log, *acts):
        super().__init__(0, log)
        self.breaks_at, self.acts = -1, list(acts)
        self.planner.next_step = super(Planner, self.planner).next_step
        self.shared.on_tick.append(self.due)

    def act(self):
        pass

    def due(self, tick):
        if self.acts and self.n >= self.acts[0][0]:
            self.acts.pop(0)[1](self.operator)


@pytest.mark.parametrize("pause_at", range(4, 14))
def test_a_typed_step_that_is_paused_is_done_after_the_pause(tmp_path, pause_at) -> None:
    blocks = "put the green block on the red block"
    with EventLog(tmp_path / "events.jsonl") as log:
        run = Calm(
            log,
            (3, lambda operator: operator.correct("anna", blocks)),
            (pause_at, lambda operator: operator.pause("bert")),
        )
        result = run.run()
    assert any(step.text == blocks for step, _ in result.steps)
    assert run.lines.lines[1].state == TAKEN and blocks in run.lines.lines[1].note


def test_a_refused_correction_leaves_the_former_instruction_in_console_and_report(tmp_path) -> None:
    with EventLog(tmp_path / "events.jsonl") as log:
        run = Calm(log, (3, lambda operator: operator.correct("anna", "sing a song nr0")))
        plan = run.planner.next_step

        def next_step(context):
            if "sing" in context.instruction:
                raise NoMotion("I cannot do that.")
            return plan(context)

        run.planner.next_step = next_step
        run.run()
    assert run.lines.lines[1].state == REFUSED and run.lines.lines[1].note == "I cannot do that."
    assert run.status.instruction == run.record.instruction == PUT


def test_a_line_typed_when_the_run_has_ended_reaches_no_agent() -> None:
    run = Chaos(0, lambda event: None)
    run.operator.phase.finish(end_of(Finished(1.0, False, "stopped", "stopped by Ctrl-C", 0, 0)))
    reply = run.operator.correct("anna", "the other bowl")
    assert not reply.done and "the run has ended" in reply.message and "Stopped" in reply.message
    assert run.lines.lines[-1].state == REFUSED


def test_the_command_line_is_the_first_line_and_is_answered() -> None:
    lines, _ = typing()
    lines(Started(0.0, PUT, None))  # type: ignore[arg-type]
    lines(Finished(1.0, False, "refused", "I see no purple bowl.", 0, 0))
    (line,) = lines.lines
    assert (line.who, line.state, line.note) == (COMMAND_LINE, REFUSED, "I see no purple bowl.")
