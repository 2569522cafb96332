"""Execution: one step at a time, by a policy through an executor, and what it took and was kept from."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from palme.errors import OutOfReach, StepFailed
from palme.events import Acted, Event
from palme.policies.base import Policy
from robots.errors import CommandJumps, CommandOutside, Unreachable
from robots.safety.chunk_verdict import ChunkVerdict
from robots.skills import Step
from robots.types import ActionChunk, JointCommand, Observation

TO_PLAN_AROUND = (CommandJumps, CommandOutside)
"""Refusals of a place: the arm holds and is not stopped, so the step has failed and another may do. Every
other refusal is a fault of the program or of the arm, and ends the run."""


class Executor(Protocol):
    """Sends a chunk tick by tick through the safety gate; see `robots.executor.Executor`.

    Attributes:
        verdict: what the gate made of the last chunk.
    """

    verdict: ChunkVerdict

    def reset(self) -> None:
        """Drop the previous chunk."""
        ...

    def run(
        self, chunk: ActionChunk, n: int | None = None, on_sent: Callable[[JointCommand], None] | None = None
    ) -> Sequence[JointCommand]:
        """Send the first `n` ticks of the chunk (None = all); `on_sent` gets each command that was sent."""
        ...


class Execution:
    """Executes the steps of one run.

    Args:
        policy: see `palme.policies.base.Policy`.
        executor: see `Executor`.
        retreat: see `palme.agent.Agent`.
        max_ticks: control ticks of a step.
        observe: takes the pictures that are named, none of them for ().
        emit: tells the listeners of an event.
        now: [s] since the run began.
        first: is called once, after the first command of the run was sent.

    Attributes:
        seconds: spent in the policy, and executing.
        begun: steps for which the arm may have moved, by object names.
        held_back: what the gate kept the arm from in the last step; "" = nothing.
        obstacle: the same, or that it is out of reach, for a person.
    """

    def __init__(
        self,
        policy: Policy,
        executor: Executor,
        retreat: Callable[[Observation], ActionChunk] | None,
        max_ticks: int,
        observe: Callable[[Sequence[str] | None], Observation],
        emit: Callable[[Event], None],
        now: Callable[[], float],
        first: Callable[[], None],
    ) -> None:
        self._policy, self._executor, self._retreat = policy, executor, retreat
        self._max_ticks, self._observe, self._emit, self._now, self._first = (
            max_ticks, observe, emit, now, first
        )  # fmt: skip
        self._is_first = True
        self.seconds = {"policy": 0.0, "execute": 0.0}
        self.begun: list[Step] = []
        self.held_back = self.obstacle = ""

    def begin(self) -> None:
        """A step is due: nothing kept the arm from it yet."""
        self.held_back = self.obstacle = ""

    def run(self, step: Step, index: int, observation: Observation) -> str:
        """Run the policy until it is done; returns "" or why the step failed.

        Args:
            step: by object names.
            index: number of the step.
            observation: that the policy begins with.
        """
        self.begun.append(step)
        self._policy.reset()
        self._executor.reset()
        ticks = 0
        while True:
            begin = time.perf_counter()
            try:
                chunk = self._policy.act(observation, step)
            except (StepFailed, Unreachable) as failure:
                self._add_seconds("policy", begin)
                if isinstance(failure, OutOfReach | Unreachable):
                    self.obstacle = OutOfReach.obstacle
                return str(failure)
            policy_s = self._add_seconds("policy", begin)
            begin = time.perf_counter()
            sent: list[JointCommand] = []
            try:
                self._executor.run(chunk, on_sent=partial(self._sent, sent))
            except TO_PLAN_AROUND:
                return self._executor.verdict.reason
            finally:
                execute_s = self._add_seconds("execute", begin)
                verdict = self._executor.verdict
                self.held_back = verdict.reason or self.held_back
                self.obstacle = verdict.obstacle or self.obstacle
                acted = Acted(
                    self._now(), index, observation, tuple(sent),
                    tuple(self._policy.localisations), policy_s, execute_s, chunk=chunk, verdict=verdict,
                )  # fmt: skip
                self._emit(acted)
            ticks += len(sent)
            if self._policy.done:
                return ""
            if not ticks < self._max_ticks:
                return f"not finished after {ticks} control ticks"
            observation = self._observe(self._policy.cameras)

    def leave_picture(self) -> None:
        """Go out of the picture, where there is a way."""
        if self._retreat is not None:
            begin = time.perf_counter()
            self._executor.reset()
            self._executor.run(self._retreat(self._observe(())))
            self._add_seconds("execute", begin)

    def _sent(self, commands: list[JointCommand], command: JointCommand) -> None:
        commands.append(command)
        if self._is_first:
            self._is_first = False
            self._first()

    def _add_seconds(self, part: str, begin: float) -> float:
        seconds = time.perf_counter() - begin
        self.seconds[part] += seconds
        return seconds
