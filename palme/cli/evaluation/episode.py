"""One evaluation episode: draw a task and a scene from a seed, let the agent work, judge what came of it."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from palme.agent import AgentLimits
from palme.cli.errors import UsageError
from palme.cli.evaluation.gate_counts import GateCounts
from palme.cli.rig.build import Rig
from palme.cli.rig.recording import Recording
from palme.cli.rig.tabletop import Table
from palme.cli.rig.uninterrupted import careful_agent
from palme.cli.signals import held
from palme.data.errors import CameraTimeoutError
from palme.events import Acted, Event, Judged, Planned
from robots.errors import RobotError
from robots.robot import RobotWrapper
from robots.skills import Step
from robots.types import CameraFrame, Observation
from sim.data.episode_draw import SETTLE_TICKS, draw_episode, entropy
from sim.judging.bystanders import Bystander, bystanders
from sim.judging.formula import Moments
from sim.tasks import NoOtherGoal, Task
from sim.tasks.symbolic import swapped
from sim.world.scene import Scene
from sim.world.state import SceneState

CONTROLS = ("blanked", "swapped", "random")


@dataclass(frozen=True)
class EpisodeSpec:
    """Which episode: everything in it follows from these.

    Attributes:
        control: "" or one of `CONTROLS`.
        templates: phrasings in place of those of `split`, () = the split's own.
    """

    family: str
    index: int
    seed: int
    split: str = "test"
    control: str = ""
    templates: tuple[str, ...] = ()
    distractors: int | None = None

    @property
    def entropy(self) -> list[int]:
        """Seeds the generator; the same for an episode and its controls."""
        return entropy(self.family, self.seed, self.index)


@dataclass(frozen=True)
class EpisodeResult:
    """What came of it.

    Attributes:
        arm_s: the arm's own time; `seconds`: by part.
        not_recorded: why this episode, or an earlier one, is not in the data set; "" if all are.
        gate: what the safety gate did; None where it is at the other end of a bridge.
        bystanders: what moved by more than 2 cm although no step was about it.
    """

    spec: EpisodeSpec
    instruction: str
    success_at_end: bool
    success_ever: bool
    believed: bool
    cause: str
    reason: str
    steps: tuple[tuple[Step, bool], ...]
    replans: int
    arm_s: float
    wall_s: float
    seconds: Mapping[str, float] = field(default_factory=dict)
    plan_ms: tuple[float, ...] = ()
    policy_ms: tuple[float, ...] = ()
    not_recorded: str = ""
    gate: GateCounts | None = None
    bystanders: tuple[Bystander, ...] = ()


def draw(spec: EpisodeSpec) -> tuple[Task[Any], Scene]:
    """The task and the scene of an episode."""

    def accepts(task: Task[Any], state: SceneState) -> bool:
        if spec.control != "swapped":
            return True
        try:
            swapped(task, np.random.default_rng(spec.entropy), state)
        except NoOtherGoal:
            return False
        return True

    templates = spec.templates or None
    return draw_episode(spec.family, spec.seed, spec.index, spec.split, spec.distractors, templates, accepts)


def run_episode(
    rig: Rig, spec: EpisodeSpec, limits: AgentLimits, recording: Recording | None = None
) -> EpisodeResult:
    """Play one episode in `rig`; `recording` keeps it, unless it is a control.

    A crash of planner or policy is an episode that failed, with its reason.
    """
    begin = time.perf_counter()
    task, scene = draw(spec)
    table = rig.table
    if table is None:
        raise UsageError("an evaluation sets its table: serve with table=true, and say bridge.table=true")
    table.load(scene, SETTLE_TICKS)
    start = table.snapshot()
    _seed(spec)
    told = task
    if spec.control == "swapped":
        told = swapped(task, np.random.default_rng(spec.entropy), scene.state)
    instruction = told.instruction
    rig.set_goal(told)
    watch = _Watch(table, task)
    robot = Blanked(rig.arm) if spec.control == "blanked" else rig.arm
    listeners: tuple[Any, ...] = (watch,)
    kept = None if spec.control else recording
    if kept is not None:
        robot = kept.begin(robot, instruction, scene, SETTLE_TICKS, spec.seed)
        listeners = (watch, robot)
    policy = rig.policy
    if spec.control == "random":
        from palme.cli.rig.baselines import RandomPolicy

        policy = RandomPolicy(rig.arm, spec.index)
    agent = careful_agent(
        robot,
        rig.planner,
        policy,
        listeners,
        limits=limits,
        refusals=(RobotError, CameraTimeoutError),
        retreat=rig.retreat,
    )
    success: bool | None = None
    with held("saving the episode"):
        try:
            result = agent.run(instruction)
            if result.finished.cause == "stopped":
                raise KeyboardInterrupt
            arm_s = table.time
            table.hold(SETTLE_TICKS)
            end = table.snapshot()
            success = task.is_success(end.state)
        finally:  # whatever happened: what was recorded is kept
            if kept is not None:
                kept.save(success)
    return EpisodeResult(
        spec, instruction, success, watch.ever or success, result.done, result.finished.cause, result.reason,
        result.steps, result.finished.n_replans, arm_s, time.perf_counter() - begin,
        dict(result.finished.seconds), tuple(watch.plan_ms), tuple(watch.policy_ms),
        "" if kept is None else kept.fault,
        gate=GateCounts.of(rig.arm), bystanders=bystanders(Moments(start, end), result.begun),
    )  # fmt: skip


class _Watch:
    """Listens for timings, and asks the judge after every chunk whether the goal was reached by then."""

    def __init__(self, table: Table, task: Task[Any]) -> None:
        self._table, self._task = table, task
        self.ever = False
        self.plan_ms: list[float] = []
        self.policy_ms: list[float] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Planned):
            self.plan_ms.append(1e3 * event.seconds)
        elif isinstance(event, Acted):
            self.policy_ms.append(1e3 * event.policy_s)
        if isinstance(event, (Acted, Judged)) and not self.ever:
            self.ever = self._task.is_success(self._table.truth())


class Blanked(RobotWrapper):
    """Control: the same arm with blank images, black and 1 m deep everywhere."""

    def observe(self, cameras: Sequence[str] | None = None) -> Observation:
        """The state as measured, every image blank."""
        seen = self.robot.observe(cameras)
        return replace(seen, images={name: _blank(frame) for name, frame in seen.images.items()})


def _blank(frame: CameraFrame) -> CameraFrame:
    depth = None if frame.depth is None else np.ones_like(frame.depth)
    return replace(frame, rgb=np.zeros_like(frame.rgb), depth=depth)


def _seed(spec: EpisodeSpec) -> None:
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(zlib.crc32(repr(spec.entropy).encode()))
