"""One evaluation episode: draw a task and a scene from a seed, let the agent work, judge what came of it."""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from palme.agent import AgentLimits
from palme.cli.errors import UsageError
from palme.cli.evaluation.gate_counts import GateCounts
from palme.cli.evaluation.layers import Ending, StepTruth, attributed
from palme.cli.rig.build import Rig
from palme.cli.rig.recording import Recording
from palme.cli.rig.tabletop import Table
from palme.cli.rig.uninterrupted import careful_agent
from palme.cli.signals import held
from palme.data.errors import CameraTimeoutError
from palme.events import Acted, Event, Judged, Planned, Understood
from palme.planners.base import Context, PlannedStep, Planner, Verdict
from palme.report.folder import OutputFolder
from palme.report.log import EventLog
from robots.errors import RobotError
from robots.robot import RobotWrapper
from robots.skills import Step
from robots.types import CameraFrame, Observation
from sim.data.episode_draw import SETTLE_TICKS, draw_episode, entropy
from sim.judging.bystanders import Bystander, bystanders
from sim.judging.formula import Moments
from sim.judging.snapshot import Snapshot
from sim.tasks import NoOtherGoal, Task
from sim.tasks.symbolic import swapped
from sim.world.scene import Scene
from sim.world.state import SceneState

COUNTERFACTUAL = ("unsaid", "swapped")
"""Controls that are the same scene without an instruction, and with that of another goal."""
CONTROLS = (*COUNTERFACTUAL, "blanked", "random")


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
        layer, evidence: of a failure, see `palme.cli.evaluation.layers`; "" of a success.
        told: whether the goal of the sentence that was told, swapped or not, held at the end.
        scene: number that the same scene has in the other runs of this index.
        late_s, late_steps: arm time in [s], and steps, from the goal to "done"; None = it was not both.
        judged: steps judged done, failed and unsure.
        begun: number of steps for which the arm may have moved.
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
    layer: str = ""
    evidence: str = ""
    told: bool = False
    scene: int = 0
    late_s: float | None = None
    late_steps: int | None = None
    judged: tuple[int, int, int] = (0, 0, 0)
    begun: int = 0


class InstructionMismatch(RuntimeError):
    """The instruction that reached the planner is not the task's own text: nothing it does counts."""


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
    rig: Rig,
    spec: EpisodeSpec,
    limits: AgentLimits,
    recording: Recording | None = None,
    logs: Path | None = None,
) -> EpisodeResult:
    """Play one episode in `rig`; `recording` keeps it, unless it is a control; its log goes to `logs`.

    A crash of planner or policy is an episode that failed, with its reason.

    Raises:
        InstructionMismatch: the planner was given another instruction than the task's own.
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
    instruction = "" if spec.control == "unsaid" else told.instruction
    rig.set_goal(None if spec.control == "unsaid" else told)
    watch = _Watch(table, task)
    robot = Blanked(rig.arm) if spec.control == "blanked" else rig.arm
    listeners: tuple[Any, ...] = (watch,)
    kept = None if spec.control else recording
    if kept is not None:
        robot = kept.begin(robot, instruction, scene, SETTLE_TICKS, spec.seed)
        listeners = (watch, robot)
    log = nullcontext() if logs is None else episode_log(logs, rig, instruction, spec.seed)
    if isinstance(log, EventLog):
        listeners = (*listeners, log)
    policy = rig.policy
    if spec.control == "random":
        from palme.cli.rig.baselines import RandomPolicy

        policy = RandomPolicy(rig.arm, spec.index)
    agent = careful_agent(
        robot,
        checked := Told(rig.planner, instruction),
        policy,
        listeners,
        limits=limits,
        refusals=(RobotError, CameraTimeoutError),
        retreat=rig.retreat,
    )
    success: bool | None = None
    with log, held("saving the episode"):
        try:
            result = agent.run(instruction)
            checked.raise_if_other()
            if result.finished.cause == "stopped":
                raise KeyboardInterrupt
            arm_s = table.time
            table.hold(SETTLE_TICKS)
            end = table.snapshot()
            success = task.is_success(end.state)
        finally:  # whatever happened: what was recorded is kept
            if kept is not None:
                kept.save(success)
    ending = Ending(result.done, result.finished.cause, result.reason, watch.read)
    layer, evidence = ("", "") if success or spec.control else attributed(task, watch.truths, ending)
    late = result.done and success and watch.since is not None
    return EpisodeResult(
        spec, instruction, success, watch.ever or success, result.done, result.finished.cause, result.reason,
        result.steps, result.finished.n_replans, arm_s, time.perf_counter() - begin,
        dict(result.finished.seconds), tuple(watch.plan_ms), tuple(watch.policy_ms),
        "" if kept is None else kept.fault,
        gate=GateCounts.of(rig.arm), bystanders=bystanders(Moments(start, end), result.begun),
        layer=layer, evidence=evidence, told=told.is_success(end.state),
        scene=zlib.crc32(scene.to_yaml().encode()),
        late_s=round(arm_s - watch.since, 3) if late and watch.since is not None else None,
        late_steps=len(result.steps) - watch.since_step if late else None, judged=watch.judged,
        begun=len(result.begun),
    )  # fmt: skip


def episode_log(folder: Path, rig: Rig, instruction: str, seed: int) -> EventLog:
    """The log of an episode, or of a suite's case, as `palme run` writes it: for `palme why`."""
    out = OutputFolder(folder, lambda said: print(f"palme eval: {said}", file=sys.stderr))
    out.create()
    failed = partial(out.failed, "events.jsonl")
    name = f"{seed}-{folder.name}"
    return EventLog(
        folder / "events.jsonl", failed, out.write_picture, rig.arm.spec, run=name, instruction=instruction
    )


class _Watch:
    """Listens for timings, and keeps how each step truly went; none of it reaches planner or policy."""

    def __init__(self, table: Table, task: Task[Any]) -> None:
        self._table, self._task = table, task
        self.ever = False
        self.since: float | None = None  # [s] arm time since which the goal holds
        self.since_step = 0  # steps judged until then
        self.truths: list[StepTruth] = []
        self.read: tuple[str, ...] | None = None
        self.plan_ms: list[float] = []
        self.policy_ms: list[float] = []
        self._judged = [0, 0, 0]

    @property
    def judged(self) -> tuple[int, int, int]:
        """Steps judged done, failed and unsure."""
        done, failed, unsure = self._judged
        return done, failed, unsure

    def __call__(self, event: Event) -> None:
        if isinstance(event, Understood) and event.names is not None:
            self.read = tuple(name.replace("_", " ") for name in event.names)
        elif isinstance(event, Planned):
            self.plan_ms.append(1e3 * event.seconds)
            self.truths.append(StepTruth(event.step, event.objects, self._look()))
        elif isinstance(event, Acted):
            self.policy_ms.append(1e3 * event.policy_s)
            last, gate = self.truths[-1], event.verdict.reason if event.verdict is not None else ""
            grip = float(event.sent[-1].gripper) if event.sent else 0.0
            self.truths[-1] = replace(
                last,
                during=(*last.during, self._look()),
                grips=(*last.grips, grip),
                gate=gate or last.gate,
            )
        elif isinstance(event, Judged):
            self._judged[0 if event.success else 2 if event.unsure else 1] += 1
            self.truths[-1] = replace(self.truths[-1], after=self._look(event.index + 1))

    def _look(self, steps: int | None = None) -> Snapshot:
        now = self._table.snapshot()
        if not self._task.is_success(now.state):
            self.since = None
        elif self.since is None:
            self.ever, self.since = True, self._table.time
            self.since_step = self._judged_n if steps is None else steps
        return now

    @property
    def _judged_n(self) -> int:
        return sum(self._judged)


class Told:
    """The planner, and a check that what reaches it is the task's own instruction."""

    def __init__(self, planner: Planner, instruction: str) -> None:
        self._planner, self._instruction = planner, instruction
        self._other: str | None = None

    def next_step(self, context: Context) -> PlannedStep:
        """Delegates to the planner."""
        self._compare(context)
        return self._planner.next_step(context)

    def was_successful(self, context: Context, step: Step) -> Verdict:
        """Delegates to the planner."""
        self._compare(context)
        return self._planner.was_successful(context, step)

    def raise_if_other(self) -> None:
        """Raise InstructionMismatch if another instruction reached the planner."""
        if self._other is not None:
            raise InstructionMismatch(
                f"the planner was told {self._other!r}, the task says {self._instruction!r}; "
                "the evaluation stops, since nothing it measures would be of the task"
            )

    def _compare(self, context: Context) -> None:
        if context.instruction != self._instruction:
            self._other = context.instruction


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
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(zlib.crc32(repr(spec.entropy).encode()))
