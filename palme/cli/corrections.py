"""Corrected episodes: single steps by a policy, with a person beside it who takes over when it errs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palme.agent import Agent, AgentLimits
from palme.cli.assisted import _limits
from palme.cli.build import Rig, build_rig
from palme.cli.errors import UsageError
from palme.cli.person import SimulatedPerson
from palme.cli.privileged import TrueContext, TrueStep
from palme.cli.recording import Recording
from palme.cli.single_steps import draw_step
from palme.teleop.desk import RunDesk
from palme.teleop.story import Story
from robots.errors import RobotError
from robots.executor import Executor
from robots.teleop.loop import ControlLoop
from robots.teleop.mode import CORRECTING
from robots.teleop.shared import SharedArm
from sim.tasks.steps import DONE

SETTLE_TICKS = 6
FIRST_SEED = 1_000_000  # of the steps: apart from those that `palme bench policy` is asked for
MOST = 6  # steps for each corrected episode that is wanted, before the policy counts as too good


@dataclass(frozen=True)
class Episode:
    """What came of one: the step, whether a person took over, whether it was achieved in the end."""

    seed: int
    step: str
    corrected: bool
    achieved: bool


class OneStep:
    """A planner of one step, which is tried once; whether it was done the person says."""

    def __init__(self, step: str, person: SimulatedPerson) -> None:
        self._step, self._person = step, person

    def next_step(self, context: TrueContext) -> TrueStep:
        return TrueStep(DONE if context.history else self._step, "one step, for practice")

    def was_successful(self, context: TrueContext, step: TrueStep) -> bool:
        return self._person.achieved()


def practise(rig: Rig, config: Mapping[str, Any], seed: int, recording: Recording | None) -> Episode:
    """One step by the rig's policy with a person beside it."""
    scene, step = draw_step(FIRST_SEED + seed)
    world, arm = rig.world, rig.arm
    world.load(scene)
    arm.hold(SETTLE_TICKS)
    robot: Any = arm
    if recording is not None:
        robot = recording.begin(arm, step, scene, SETTLE_TICKS, FIRST_SEED + seed)
    # by the arm's own clock, tick by tick: the same seed gives the same episode
    shared = SharedArm(robot, _limits(config["hand"]), clock=lambda: arm.time)
    person = SimulatedPerson(arm.spec, world)
    person.watch(step, seed)
    shared.devices.append(person)
    desk = RunDesk(shared, ControlLoop(shared), Story())
    listeners: tuple[Any, ...] = (desk.story,)
    if recording is not None:
        robot.person = lambda: shared.takeover.mode == CORRECTING
        listeners = (robot, desk.story)
    agent = Agent(
        shared, OneStep(step, person), rig.policy, Executor(shared), TrueContext, listeners,
        AgentLimits(max_replans=0), cameras=("front",), refusals=(RobotError,), retreat=rig.retreat,
        supervisor=desk,
    )  # fmt: skip
    agent.run(step)
    arm.hold(SETTLE_TICKS)
    achieved = person.achieved()
    if recording is not None and (line := recording.save(achieved)) and "episode" not in line:
        raise UsageError(line)
    return Episode(seed, step, person.corrected, achieved)


def collect_corrections(
    config: Mapping[str, Any], path: Path, tell: Callable[[Episode], None] = lambda episode: None
) -> list[Episode]:
    """Record steps into a new data set at `path` until `config["corrected"]` of them were corrected.

    All of them are kept, those that went well too.

    Raises:
        UsageError: there is something at `path`, or the policy is hardly ever corrected.
    """
    if path.exists():
        raise UsageError(f"{path}: is there already; name a path that is not, or remove it")
    wanted, found = config["corrected"], []
    config = {**config, "planner": {"name": "oracle"}}  # for the rig; the one step is planned by nobody
    rig = build_rig(config)
    recording = Recording(str(path), rig, {**config, "planner": {"name": "one step"}})
    try:
        while sum(episode.corrected for episode in found) < wanted:
            if len(found) >= MOST * wanted:
                n = sum(episode.corrected for episode in found)
                raise UsageError(
                    f"only {n} of {len(found)} steps needed a correction: camera={config['camera']} disturbs "
                    "too little; see configs/camera/knocked.yaml"
                )
            found.append(practise(rig, config, config["seed"] + len(found), recording))
            tell(found[-1])
    finally:
        recording.close()
        rig.close()
    return found
