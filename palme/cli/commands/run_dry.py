"""`palme run ... dry_run=true`: the scene and the first step; nothing moves, and no file is written."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from palme.cli.settings.run import RunConfig

if TYPE_CHECKING:
    from palme.cli.rig.build import Rig
    from palme.events import Event
    from palme.language.programs.calls import Program
    from palme.planners.base import PlannedStep
    from robots.types import Observation
    from sim.world.scene import Scene

SETTLE_TICKS = 5
REFUSED = "dry run: the sentence would be answered so, and nothing would move"


def dry_run(sentence: str, config: RunConfig) -> int:
    """Print what a run would begin with.

    A served arm is read, not acquired, and its table is not set.

    Returns:
        0 where a first step would be done, or nothing is left to do; 1 where the sentence would be refused.
    """
    from palme.cli.rig.account import task_for
    from palme.cli.rig.build import build_rig
    from palme.errors import NoMotion
    from palme.language.account.account import Reading

    try:
        reading = config.planner.read(sentence)
    except NoMotion as refusal:
        print(f"“{sentence}”\n   {refusal}\n{REFUSED}")
        return 1
    scene = _scene(sentence, config, None if isinstance(reading, Reading) else reading.program)
    rig = build_rig(config, config.seed, commands=False)
    try:
        print(f"“{sentence}”")
        print(f"scene: {_told(scene, config)}")
        if scene is not None and rig.table is not None:
            rig.table.load(scene, SETTLE_TICKS)
            if isinstance(reading, Reading):
                rig.set_goal(task_for(reading, sentence))
        return _first_step(sentence, rig, config)
    finally:
        rig.close()


def _scene(sentence: str, config: RunConfig, program: Program | None) -> Scene | None:
    """What would stand on the table; None where a served arm's stays as it is."""
    from palme.cli.rig.scene_from_text import scene_for

    if config.robot.is_remote:
        return None
    return scene_for(sentence, config.seed, config.distractors, config.scene, program)


def _told(scene: Scene | None, config: RunConfig) -> str:
    if scene is None:
        return f"what stands before the arm at {config.remote.address}"
    origin = f"from {config.scene}" if config.scene is not None else f"drawn with seed={config.seed}"
    state, names = scene.state, [spec.name for spec in scene.state.objects]
    things = [
        name if (holder := state.holder[i]) is None else f"{name} on {names[holder]}"
        for i, name in enumerate(names)
    ]
    return f"{origin}: {', '.join(things)}"


def _first_step(sentence: str, rig: Rig, config: RunConfig) -> int:
    from palme.errors import NoMotion
    from palme.planning import Planning

    planning = Planning(
        rig.planner, config.planner.account, None, False, rig.arm.observe, _say, time.perf_counter
    )
    begun = time.perf_counter()
    try:
        planned, observation = planning.next_step(sentence, rig.arm.observe(), ())
    except NoMotion as words:
        print(f"   {words}\n{REFUSED}")
        return 0 if words.cause == "answered" else 1
    took = 1e3 * (time.perf_counter() - begun)
    if planned.rationale:
        print(f"   {planned.rationale}")
    print(f" 1 {planned.step.text}  {took:.0f} ms")
    if planned.step.is_done:
        print("dry run: nothing is left to do; nothing was moved")
        return 0
    return _motion(rig, planned, observation)


def _say(event: Event) -> None:
    from palme.events import Understood

    if isinstance(event, Understood) and event.understanding is not None:
        print(f"   {event.goal}")


def _motion(rig: Rig, planned: PlannedStep, observation: Observation) -> int:
    """What the policy would send first; its refusal is the run's."""
    from palme.errors import StepFailed
    from robots.errors import RobotError

    try:
        rig.policy.reset()
        chunk = rig.policy.act(observation, planned.step)
    except (StepFailed, RobotError) as error:
        print(f"   {type(rig.policy).__name__} would not begin: {error}\ndry run: nothing was moved")
        return 1
    n = len(chunk.q_targets)
    print(f"   the policy would begin with {n} commands, {n / chunk.control_hz:.1f} s of motion")
    print("dry run: nothing was moved or written")
    return 0
