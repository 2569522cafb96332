"""The loop: look, plan, act, look again, judge, plan again until nothing is left to do.

The agent never trusts that a step worked: after each one it asks the planner whether it did, from the
pictures, and the answer goes into the history that the next plan is made from. It knows no simulator.

A person may step in at any instant. What was being done is dropped there and then; when the arm is handed
back the agent looks and plans anew, and resumes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from palme.errors import NoMotion, StepFailed
from palme.events import (
    Acted,
    Corrected,
    Event,
    Finished,
    HandedBack,
    Judged,
    Planned,
    Started,
    TakenOver,
)
from palme.planners.base import Context, PlannedStep, Planner
from palme.policies.base import Policy
from palme.supervision import Correction, Supervisor
from robots.errors import NotAutonomous
from robots.robot import Robot
from robots.skills import BadStep, Step
from robots.types import ActionChunk, JointCommand, Observation


class Executor(Protocol):
    """Sends a chunk tick by tick through the safety gate; see `robots.executor.Executor`."""

    def reset(self) -> None:
        """Forget the chunk before."""
        ...

    def run(
        self, chunk: ActionChunk, n: int | None = None, on_sent: Callable[[JointCommand], None] | None = None
    ) -> Sequence[JointCommand]:
        """Send the chunk; `on_sent` is called with what the gate let through, tick by tick."""
        ...


@dataclass(frozen=True)
class AgentLimits:
    """When the agent gives up, and says so.

    Attributes:
        max_replans: plans made because a step was judged to have failed.
        max_steps: steps carried out in all; a tower of four in clutter takes about eight.
        max_ticks: control ticks a step may take; 600 are 30 s at 20 Hz.
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
    """How a run ended: `finished.done` is the agent's own belief, drawn from pixels."""

    instruction: str
    steps: tuple[tuple[Step, bool], ...]
    finished: Finished

    @property
    def done(self) -> bool:
        return self.finished.done

    @property
    def reason(self) -> str:
        return self.finished.reason


class Agent:
    """Joins a planner, a policy and an arm.

    Args:
        robot: `Robot`; only `observe`, `command` (through `executor`) and `stop` are used.
        planner: see `palme.planners.base.Planner`.
        policy: see `palme.policies.base.Policy`; it says itself which pictures it wants on the way.
        executor: see `Executor`.
        listeners: called with each event, in order.
        cameras: names of the pictures that the planner looks at, between steps; None = all.
        refusals: exceptions that mean "the gate refused this and the arm is holding".
        retreat: the way out of the picture after a step that broke off; None = the arm stays where it is.
        supervisor: the person beside the loop; None = nobody: `NotAutonomous` is a refusal like any other.
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
    ) -> None:
        self._robot = robot
        self._planner = planner
        self._policy = policy
        self._executor = executor
        self._listeners = tuple(listeners)
        self._limits = limits or AgentLimits()
        self._cameras = cameras
        self._refusals = refusals
        self._retreat = retreat
        self._supervisor = supervisor

    def run(self, instruction: str) -> RunResult:
        """Work on `instruction` until done, answered, out of patience, refused or interrupted.

        A refused command (a NaN from the policy, say) and Ctrl-C end the run with the arm holding; both are
        results with a reason, not exceptions.
        """
        self._start = time.monotonic()
        self._seconds = {"observe": 0.0, "plan": 0.0, "policy": 0.0, "execute": 0.0, "judge": 0.0}
        self._history: list[tuple[Step, bool]] = []
        self._replans = 0
        try:
            done, cause, reason = self._work(instruction)
        except NoMotion as answer:
            done, cause, reason = False, "answer", str(answer)
        except KeyboardInterrupt:
            done, cause, reason = False, "stopped", self._stopped("stopped by Ctrl-C", "; the arm holds")
        except self._refusals as refusal:
            done, cause, reason = False, "refused", self._stopped(f"{type(refusal).__name__}: {refusal}")
        except Exception as error:  # a bug of planner or policy: the arm holds, the run still gets its report
            logging.getLogger(__name__).exception("the run broke off")
            done, cause, reason = False, "error", self._stopped(f"{type(error).__name__}: {error}")
        finished = Finished(
            self._now(), done, cause, reason, len(self._history), self._replans, dict(self._seconds)
        )
        self._tell(finished)
        return RunResult(instruction, tuple(self._history), finished)

    def _stopped(self, reason: str, holds: str = "") -> str:
        """Stop the arm for `reason`; returns it, with `holds`, or with why the arm could not be told."""
        try:
            self._robot.stop(reason)
        except self._refusals as error:  # a link that is gone: at its other end silence stops the arm
            kind = type(error).__name__
            known = reason.startswith(f"{kind}:")
            return reason if known else f"{reason}; it could not be told to stop: {kind}: {error}"
        return reason + holds

    def _work(self, instruction: str) -> tuple[bool, str, str]:
        observation = self._observe()
        self._tell(Started(self._now(), instruction, observation))
        typed: Step | None = None  # a step in a person's words
        former: str | None = None  # the instruction before a person's words
        while True:
            begun: Step | None = None  # what commands may have been sent for
            try:
                try:
                    plan = self._plan(instruction, observation) if typed is None else PlannedStep(typed)
                except NoMotion as answer:
                    if former is None or self._supervisor is None:
                        raise
                    self._supervisor.ask(f"{answer} Going on with: {former}")
                    instruction, former = former, None
                    self._heed()
                    continue
                self._heed()
                step = plan.step
                if step.is_done:
                    return True, "done", self._done(typed)
                if len(self._history) >= self._limits.max_steps:
                    limit = self._limits.max_steps
                    return False, "steps", f"not done after {limit} steps; the next would be {step.text!r}"
                typed, begun = None, step
                failure = self._carry_out(plan, observation)
                if failure:
                    self._go_away()
                observation = self._observe()
                self._heed()
            except NotAutonomous as cause:
                if self._supervisor is None:
                    raise
                correction, observation = self._give_way(self._supervisor, begun, str(cause))
                former = instruction if correction.instruction is not None else former
                instruction = correction.instruction or instruction
                typed = self._corrected(correction, instruction, begun, observation)
                continue
            former = None
            success = self._judge(instruction, observation, step, failure)
            if not success:
                if self._replans >= self._limits.max_replans:
                    return False, "replans", self._why(step)
                self._replans += 1

    def _heed(self) -> None:
        """Raises NotAutonomous where a person has stepped in while no command was sent."""
        if self._supervisor is not None and self._supervisor.interrupted:
            raise NotAutonomous("a person stepped in")

    def _give_way(
        self, supervisor: Supervisor, begun: Step | None, cause: str
    ) -> tuple[Correction, Observation]:
        """Wait until the arm is handed back, get out of the picture, look."""
        self._tell(TakenOver(self._now(), len(self._history), begun, cause))
        correction: Correction | None = None
        while True:
            said = supervisor.wait()
            correction = said if correction is None else correction.then(said)
            try:
                if begun or correction.commands:
                    self._go_away()
                observation = self._observe()
                self._heed()
            except NotAutonomous:  # taken again
                continue
            back = HandedBack(
                self._now(), len(self._history), correction.who, correction.why, correction.seconds,
                correction.commands, observation,
            )  # fmt: skip
            self._tell(back)
            return correction, observation

    def _corrected(
        self, correction: Correction, instruction: str, step: Step | None, observation: Observation
    ) -> Step | None:
        """Into the history goes what came of the step that was broken off; the step to do now, or None.

        By hand it may have been done: that is judged from the new look. By words it was given up. A step that
        was only paused is planned again, as if it had not begun.
        """
        index = len(self._history)
        if correction.words:
            said = Corrected(
                self._now(), index, correction.who, correction.words, correction.step, step, instruction
            )
            self._tell(said)
            if step is not None:
                self._history.append((step, False))
        elif step is not None and correction.commands:
            self._judge(instruction, observation, step, "")
        if correction.step is not None and not correction.step.is_done:
            rationale = f"typed by {correction.who}"
            planned = Planned(self._now(), len(self._history), correction.step, rationale, 0.0, observation)
            self._tell(planned)
        return correction.step

    def _done(self, typed: Step | None) -> str:
        return "a person says that it is done" if typed is not None else "the planner sees nothing left to do"

    def _plan(self, instruction: str, observation: Observation) -> PlannedStep:
        begin = time.perf_counter()
        plan = self._planner.next_step(Context(instruction, observation, tuple(self._history)))
        seconds = self._spent("plan", begin)
        planned = Planned(
            t=self._now(),
            index=len(self._history),
            step=plan.step,
            rationale=plan.rationale,
            seconds=seconds,
            observation=observation,
            sentence=plan.sentence,
            objects=plan.objects,
            probability=plan.probability,
        )
        self._tell(planned)
        return plan

    def _carry_out(self, plan: PlannedStep, observation: Observation) -> str:
        """Run the policy until it is done. Returns "" or why the step could not be finished."""
        try:
            step = self._by_name(plan)
        except BadStep as error:
            return str(error)
        self._policy.reset()
        self._executor.reset()
        ticks = 0
        while True:
            begin = time.perf_counter()
            try:
                chunk = self._policy.act(observation, step)
            except StepFailed as failure:
                self._spent("policy", begin)
                return str(failure)
            policy_s = self._spent("policy", begin)
            begin = time.perf_counter()
            sent: list[JointCommand] = []
            try:
                self._executor.run(chunk, on_sent=sent.append)
            finally:
                execute_s = self._spent("execute", begin)
                looks, index = tuple(self._policy.looks), len(self._history)
                self._tell(Acted(self._now(), index, observation, tuple(sent), looks, policy_s, execute_s))
            ticks += len(sent)
            if self._policy.done:
                return ""
            if not ticks < self._limits.max_ticks:
                return f"not finished after {ticks} control ticks"
            observation = self._observe(self._policy.cameras)

    @staticmethod
    def _by_name(plan: PlannedStep) -> Step:
        """The step with `obj_k` as the detector's names. Raises BadStep for an object not there."""
        if plan.objects is None:
            return plan.step
        return plan.step.resolve([plan.objects.name(i) for i in range(len(plan.objects))])

    def _go_away(self) -> None:
        if self._retreat is not None:
            begin = time.perf_counter()
            self._executor.reset()
            self._executor.run(self._retreat(self._observe(())))
            self._spent("execute", begin)

    def _judge(self, instruction: str, observation: Observation, step: Step, failure: str) -> bool:
        begin = time.perf_counter()
        probability: float | None = None
        if failure:
            success, found = False, ""
        else:
            after = Context(instruction, observation, tuple(self._history))
            verdict = self._planner.was_successful(after, step)
            success, probability, found = verdict.success, verdict.probability, verdict.reason
        seconds = self._spent("judge", begin)
        index = len(self._history)
        self._history.append((step, success))
        judged = Judged(self._now(), index, step, success, probability, failure, seconds, observation, found)
        self._tell(judged)
        return success

    def _why(self, failed: Step) -> str:
        tries = sum(1 for step, success in self._history if step == failed and not success)
        times = "once" if tries == 1 else f"{tries} times"
        replans = self._limits.max_replans
        return f"gave up after {replans} replans: {failed.text!r} was judged to have failed {times}"

    def _observe(self, cameras: Sequence[str] | None = None) -> Observation:
        begin = time.perf_counter()
        observation = self._robot.observe(self._cameras if cameras is None else cameras)
        self._spent("observe", begin)
        return observation

    def _spent(self, part: str, begin: float) -> float:
        seconds = time.perf_counter() - begin
        self._seconds[part] += seconds
        return seconds

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)
