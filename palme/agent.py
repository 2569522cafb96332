"""The agent's loop: observe, plan, act, observe again, judge, and plan again until nothing is left to do.

After each step the planner judges from the pictures whether it succeeded, and the verdict enters the history
of the next plan. Nothing here depends on a simulator.

A person may intervene at any time. The current step is then aborted; when the arm is handed back, the agent
observes and plans again and resumes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from palme.errors import NoMotion
from palme.events import (
    Corrected,
    CorrectionRefused,
    Event,
    Finished,
    HandedBack,
    Judged,
    Planned,
    Started,
    TakenOver,
)
from palme.execution import Execution, Executor
from palme.language.account.account import Account
from palme.planners.base import Blocked, PlannedStep, Planner, Verdict, by_name
from palme.planning import Planning
from palme.policies.base import Policy
from palme.supervision import Correction, Person, Supervisor
from robots.errors import NotAutonomous
from robots.robot import Robot
from robots.skills import BadStep, Step
from robots.text import checked_text
from robots.types import ActionChunk, Observation

log = logging.getLogger(__name__)
PARTS = ("observe", "plan", "policy", "execute", "judge")


@dataclass(frozen=True)
class AgentLimits:
    """Limits at which the agent gives up, with a reason.

    Attributes:
        max_replans: plans after a step that was judged to have failed.
        max_steps: executed steps; a tower of four in clutter takes about eight.
        max_ticks: control ticks of a step; 600 are 30 s at 20 Hz.

    Raises:
        ValueError: for a limit below its least value.
    """

    max_replans: int = 6
    max_steps: int = 24
    max_ticks: int = 600

    def __post_init__(self) -> None:
        for name, least in (("max_replans", 0), ("max_steps", 1), ("max_ticks", 1)):
            if not (value := getattr(self, name)) >= least:
                raise ValueError(f"limits.{name}={value}: expected at least {least}")


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        instruction: as the run was started with.
        steps: executed steps, and whether each was judged successful.
        finished: the last event.
        begun: steps for which the arm may have moved, by object names, those that were broken off as well.
    """

    instruction: str
    steps: tuple[tuple[Step, bool], ...]
    finished: Finished
    begun: tuple[Step, ...] = ()

    @property
    def done(self) -> bool:
        """Whether the planner ended the run with "done", judged from pictures."""
        return self.finished.done

    @property
    def reason(self) -> str:
        """Why the run ended, for a person."""
        return self.finished.reason


class Agent:
    """Joins a planner, a policy and an arm.

    Args:
        robot: only `observe`, `command` (through `executor`) and `stop` are used.
        planner: see `palme.planners.base.Planner`.
        policy: see `palme.policies.base.Policy`; its `cameras` are the pictures taken during a step.
        executor: see `Executor`.
        listeners: called with each event, in order. One that raises is left out from then on.
        limits: None = `AgentLimits()`.
        cameras: names of the planner's pictures, between steps; None = all.
        refusals: exceptions that mean "the gate refused a command and the arm is holding".
        retreat: path out of the picture after an aborted step; None = the arm stays where it is.
        supervisor: interventions of a person; None = none: `NotAutonomous` is then an ordinary refusal.
        interruptible, held: contexts; a signal may raise KeyboardInterrupt in the first, but not in the
            second within it, where listeners get an event. Where signals are held outside of both, none can
            break off the stop of the arm or the last event.
        person: is asked where the planner has a question; None = nobody is there: a question ends the run.
        confirm: whether `person` is asked before the first motion.
        account: refuses sentences that it cannot account for word by word, and readings other than its own.
            None = the planner reads every sentence, as in an evaluation, which knows its tasks.
    """

    def __init__(
        self,
        robot: Robot,
        planner: Planner,
        policy: Policy,
        executor: Executor,
        listeners: Sequence[Callable[[Event], None]] = (),
        limits: AgentLimits | None = None,
        cameras: Sequence[str] | None = None,
        refusals: tuple[type[Exception], ...] = (),
        retreat: Callable[[Observation], ActionChunk] | None = None,
        supervisor: Supervisor | None = None,
        interruptible: Callable[[], AbstractContextManager[None]] = nullcontext,
        held: Callable[[], AbstractContextManager[None]] = nullcontext,
        account: Account | None = None,
        person: Person | None = None,
        confirm: bool = False,
    ) -> None:
        self._robot = robot
        self._planner = planner
        self._policy = policy
        self._executor = executor
        self._listeners = list(listeners)
        self._limits = limits or AgentLimits()
        self._cameras = cameras
        self._refusals = refusals
        self._retreat = retreat
        self._supervisor = supervisor
        self._interruptible, self._held = interruptible, held
        self._account = account
        self._person, self._confirm = person, confirm

    def run(self, instruction: str) -> RunResult:
        """Work on `instruction` until done, answered, refused, interrupted, or at a limit.

        A refused command (such as a NaN from the policy) and Ctrl-C end the run with the arm holding; both
        are results with a reason, not exceptions.

        Raises:
            TextRefused: `instruction` holds what no log or recording can carry; nothing has moved.
        """
        checked_text(instruction, "instruction")
        self._start = time.monotonic()
        self._observe_s = 0.0
        self._history: list[tuple[Step, bool]] = []
        self._replans = 0
        self._first: dict[str, float] = {}  # [s] to the first command, by part
        self._planning = Planning(
            self._planner, self._account, self._person, self._confirm, self._observe, self._emit, self._now
        )
        self._execution = Execution(
            self._policy, self._executor, self._retreat, self._limits.max_ticks, self._observe, self._emit,
            self._now, self._note_first,
        )  # fmt: skip
        try:
            with self._interruptible():
                done, cause, reason = self._loop(instruction)
        except NoMotion as words:
            done, cause, reason = False, words.cause, str(words)
        except KeyboardInterrupt as interrupt:
            why = str(interrupt) or "stopped by Ctrl-C"
            done, cause, reason = False, "stopped", self._stop(why, "; the arm holds")
        except self._refusals as refusal:
            done, cause, reason = False, "rejected", self._stop(f"{type(refusal).__name__}: {refusal}")
        except Exception as error:  # a bug of planner or policy: the arm holds, the run still has a report
            log.exception("run ended by an unexpected error")
            done, cause, reason = False, "error", self._stop(f"{type(error).__name__}: {error}")
        spent = {"observe": self._observe_s, **self._execution.seconds, **self._planning.seconds}
        seconds = {part: spent[part] for part in PARTS}
        finished = Finished(
            self._now(), done, cause, reason, len(self._history), self._replans, seconds, self._first
        )
        self._emit(finished)
        return RunResult(instruction, tuple(self._history), finished, tuple(self._execution.begun))

    def _stop(self, reason: str, holds: str = "") -> str:
        """Stop the arm for `reason`; returns it with `holds`, or with the error of the stop command."""
        try:
            self._robot.stop(reason)
        except self._refusals as error:  # connection lost: the server's watchdog stops the arm
            kind = type(error).__name__
            known = reason.startswith(f"{kind}:")
            return reason if known else f"{reason}; the stop command failed: {kind}: {error}"
        return reason + holds

    def _loop(self, instruction: str) -> tuple[bool, str, str]:
        observation = self._observe()
        self._emit(Started(self._now(), instruction, observation))
        typed: Step | None = None  # a step that a person typed
        former: str | None = None  # the instruction before a person's correction
        while True:
            started: Step | None = None  # the step that commands may have been sent for
            asked = typed  # the step of this round, if a person typed it
            try:
                try:
                    if typed is None:
                        plan, observation = self._plan(instruction, observation)
                    else:
                        plan = PlannedStep(typed, objects=self._planning.objects)
                except NoMotion as answer:
                    if former is None or self._supervisor is None:
                        raise
                    self._supervisor.ask(f"{answer} Continuing with: {former}")
                    instruction, former = former, None
                    index = len(self._history)
                    self._emit(CorrectionRefused(self._now(), index, str(answer), instruction))
                    self._raise_if_interrupted()
                    continue
                self._raise_if_interrupted()
                step = plan.step
                if step.is_done:
                    return True, "done", plan.closing or self._done(typed)
                if len(self._history) >= self._limits.max_steps:
                    limit = self._limits.max_steps
                    return False, "steps", f"not done after {limit} steps; next step: {step.text!r}"
                typed, started = None, step
                failure = self._execute(plan, observation)
                if failure:
                    self._execution.leave_picture()
                observation = self._observe()
                self._raise_if_interrupted()
            except NotAutonomous as cause:
                if self._supervisor is None:
                    raise
                correction, observation = self._wait_for_handback(self._supervisor, started, str(cause))
                former = instruction if correction.instruction is not None else former
                instruction = correction.instruction or instruction
                typed = self._corrected(correction, instruction, started, observation, asked)
                continue
            former = None
            success = self._judge(instruction, observation, step, failure)
            if not success:
                if self._replans >= self._limits.max_replans:
                    return False, "replans", self._gave_up(step)
                self._replans += 1

    def _raise_if_interrupted(self) -> None:
        """Raise NotAutonomous if a person intervened while no command was sent."""
        if self._supervisor is not None and self._supervisor.interrupted:
            raise NotAutonomous("a person intervened")

    def _wait_for_handback(
        self, supervisor: Supervisor, started: Step | None, cause: str
    ) -> tuple[Correction, Observation]:
        """Wait until the arm is handed back, leave the picture, observe."""
        self._emit(TakenOver(self._now(), len(self._history), started, cause))
        correction: Correction | None = None
        while True:
            latest = supervisor.wait()
            correction = latest if correction is None else correction.then(latest)
            try:
                if started or correction.commands:
                    self._execution.leave_picture()
                observation = self._observe()
                self._raise_if_interrupted()
            except NotAutonomous:  # taken over again
                continue
            back = HandedBack(
                self._now(), len(self._history), correction.who, correction.why, correction.seconds,
                correction.commands, observation,
            )  # fmt: skip
            self._emit(back)
            return correction, observation

    def _corrected(
        self,
        correction: Correction,
        instruction: str,
        step: Step | None,
        observation: Observation,
        asked: Step | None,
    ) -> Step | None:
        """Enter the aborted step into the history; returns the step to do now, None = plan one.

        A step that a person may have finished by hand is judged from the new observation; one that a person
        corrected by words has failed. A step that was only paused is planned again as if it had not started;
        if a person typed it (`asked`), it is the next one again, since no plan knows of it.
        """
        index = len(self._history)
        if correction.words:
            event = Corrected(
                self._now(), index, correction.typed_by, correction.words, correction.step, step, instruction
            )
            self._emit(event)
            if step is not None:
                self._note(step, False, f"{correction.typed_by} typed: {correction.words}")
        elif step is not None and correction.commands:
            self._judge(instruction, observation, step, "")
            asked = None
        if correction.words:
            asked = correction.step
        if asked is not None and not asked.is_done and (correction.words or step is not None):
            rationale = f"typed by {correction.typed_by}" if correction.words else "typed, and interrupted"
            self._emit(Planned(self._now(), len(self._history), asked, rationale, 0.0, observation))
        return asked

    def _done(self, typed: Step | None) -> str:
        return "a person reported it as done" if typed is not None else "the planner found nothing left to do"

    def _plan(self, instruction: str, observation: Observation) -> tuple[PlannedStep, Observation]:
        """See `Planning.next_step`."""
        return self._planning.next_step(instruction, observation, self._history)

    def _execute(self, plan: PlannedStep, observation: Observation) -> str:
        """Carry out a step; returns "" or why it failed."""
        self._execution.begin()
        try:
            step = by_name(plan)
        except BadStep as error:
            return str(error)
        if (name := self._planning.unseen(plan)) is not None:  # of a step that a person typed
            return f"I do not see the {name} on the table"
        return self._execution.run(step, len(self._history), observation)

    def _note_first(self) -> None:
        """Keep how long the first command of the run took from the instruction."""
        read, plan = self._planning.read_s, self._planning.seconds["plan"]
        self._first = {
            "total": self._now(),
            "read": read,
            "look": self._observe_s,
            "plan": max(0.0, plan - read),
            "policy": self._execution.seconds["policy"],
        }

    def _judge(self, instruction: str, observation: Observation, step: Step, failure: str) -> bool:
        verdict, begin = Verdict(False), self._planning.seconds["judge"]
        if not failure:
            verdict, observation = self._planning.judge(instruction, observation, step, self._history)
        seconds = self._planning.seconds["judge"] - begin
        index, gate = len(self._history), self._execution.held_back
        why = "; ".join(dict.fromkeys(filter(None, (failure or verdict.reason, gate))))
        self._note(step, verdict.success, "" if verdict.success else why)
        if self._execution.obstacle and not verdict.success:
            self._planning.blocked.append(Blocked(self._execution.begun[-1], self._execution.obstacle))
        judged = Judged(
            self._now(), index, step, verdict.success, verdict.probability, failure, seconds, observation,
            verdict.reason, verdict.unsure, gate,
        )  # fmt: skip
        self._emit(judged)
        return verdict.success

    def _note(self, step: Step, success: bool, why: str) -> None:
        """Enter a step into the history, with why it failed, which the planner is told."""
        self._history.append((step, success))
        self._planning.failures.append(why)

    def _gave_up(self, failed: Step) -> str:
        tries = sum(1 for step, success in self._history if step == failed and not success)
        times = "once" if tries == 1 else f"{tries} times"
        replans = self._limits.max_replans
        return f"gave up after {replans} replans: {failed.text!r} failed {times}"

    def _observe(self, cameras: Sequence[str] | None = None) -> Observation:
        begin = time.perf_counter()
        observation = self._robot.observe(self._cameras if cameras is None else cameras)
        self._observe_s += time.perf_counter() - begin
        return observation

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _emit(self, event: Event) -> None:
        with self._held():
            for listener in tuple(self._listeners):
                try:
                    listener(event)
                except Exception:
                    log.exception("a listener failed and gets no further event; the run goes on")
                    self._listeners = [other for other in self._listeners if other is not listener]
