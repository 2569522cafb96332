"""Corrected episodes: single steps by a policy, with a person beside it who takes over when it errs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from palme.agent import AgentLimits
from palme.cli.errors import NotRecorded, UsageError
from palme.cli.evaluation.simulated_operator import SimulatedOperator
from palme.cli.evaluation.single_steps import draw_step
from palme.cli.rig.build import Rig, build_rig
from palme.cli.rig.recording import Recording
from palme.cli.rig.uninterrupted import careful_agent
from palme.cli.settings.data import PractiseConfig
from palme.cli.signals import held
from palme.operator.run_operator import RunOperator
from palme.operator.run_status import RunStatus
from palme.planners.base import Context, PlannedStep, Verdict
from robots.errors import RobotError
from robots.skills import DONE, Step
from robots.teleop.arbitration import CORRECTING
from robots.teleop.loop import ControlLoop
from robots.teleop.shared_robot import SharedArm

SETTLE_TICKS = 6
FIRST_SEED = 1_000_000  # of the steps: apart from those that `palme bench policy` is asked for
MOST = 6  # steps for each corrected episode that is wanted, before the policy counts as too good


@dataclass(frozen=True)
class Episode:
    """What came of one: the step, whether a person took over, whether it was achieved in the end."""

    seed: int
    step: Step
    corrected: bool
    achieved: bool


Tell = Callable[[Episode], None]


class OneStep:
    """A planner of one step, which is tried once; whether it was done the person says."""

    def __init__(self, step: Step, person: SimulatedOperator) -> None:
        self._step, self._person = step, person

    def next_step(self, context: Context) -> PlannedStep:
        """See `Planner.next_step`."""
        return PlannedStep(DONE if context.history else self._step, "one step, for practice")

    def was_successful(self, context: Context, step: Step) -> Verdict:
        """See `Planner.was_successful`."""
        return Verdict(self._person.achieved())


def practise(
    rig: Rig, config: PractiseConfig, seed: int, recording: Recording | None, alone: bool = False
) -> Episode:
    """One step by the rig's policy with a person beside it, who `alone` only says how it ended."""
    scene, step = draw_step(FIRST_SEED + seed)
    world, arm = rig.simulation, rig.arm
    world.load(scene)
    arm.hold(SETTLE_TICKS)
    robot: Any = arm
    if recording is not None:
        robot = recording.begin(arm, step.text, scene, SETTLE_TICKS, FIRST_SEED + seed)
    # by the arm's own clock, tick by tick: the same seed gives the same episode
    shared = SharedArm(robot, config.hand, clock=lambda: arm.time)
    person = SimulatedOperator(arm.spec, world)
    person.watch(step, seed)
    if not alone:
        shared.devices.append(person)
    operator = RunOperator(shared, ControlLoop(shared), RunStatus())
    listeners: tuple[Any, ...] = (operator.run_status,)
    if recording is not None:
        robot.is_intervention = lambda: shared.takeover.mode == CORRECTING
        listeners = (robot, operator.run_status)
    agent = careful_agent(
        shared, OneStep(step, person), rig.policy, listeners,
        limits=AgentLimits(max_replans=0), cameras=(config.detector.camera,), refusals=(RobotError,),
        retreat=rig.retreat, supervisor=operator,
    )  # fmt: skip
    achieved: bool | None = None
    with held("saving the episode"):
        try:
            if agent.run(step.text).finished.cause == "stopped":
                raise KeyboardInterrupt
            arm.hold(SETTLE_TICKS)
            achieved = person.achieved()
        finally:  # whatever happened: what was recorded is kept
            if recording is not None:
                recording.save(achieved)
    if recording is not None and recording.fault:  # the data set is what is being made
        raise NotRecorded(recording.fault)
    return Episode(seed, step, person.corrected, achieved)


def collect_corrections(
    config: PractiseConfig, path: Path, tell: Tell = lambda episode: None
) -> list[Episode]:
    """Record steps into a new data set at `path` until `config.corrected` of them were corrected.

    All of them are kept, those that went well too.

    Raises:
        UsageError: there is something at `path`, or the policy is hardly ever corrected.
    """
    wanted, n = config.corrected, 0
    found: list[Episode] = []
    for episode in _recorded(config, path, alone=False):
        found.append(episode)
        tell(episode)
        n += episode.corrected
        if n == wanted:
            break
        if len(found) == MOST * wanted:
            raise UsageError(
                f"only {n} of {len(found)} steps needed a correction: the camera is hardly off; see "
                "configs/camera/knocked.yaml"
            )
    return found


def collect_alone(
    config: PractiseConfig, path: Path, episodes: int, tell: Tell = lambda episode: None
) -> list[Episode]:
    """The first `episodes` of the same steps, with nobody who takes over. Raises as `collect_corrections`."""
    found: list[Episode] = []
    for episode in _recorded(config, path, alone=True):
        found.append(episode)
        tell(episode)
        if len(found) == episodes:
            break
    return found


def _recorded(config: PractiseConfig, path: Path, alone: bool) -> Iterator[Episode]:
    """Without end; the data set is closed with it."""
    if path.exists():
        raise UsageError(f"{path}: is there already; name a path that is not, or remove it")
    rig = build_rig(config)
    recording = Recording(str(path), rig.arm, config.robot, config.codec, "one step", config.policy.name)
    try:
        for seed in count(config.seed):
            yield practise(rig, config, seed, recording, alone)
    finally:
        recording.close()
        rig.close()
