"""One case from pixels: lay the table, let the agent work, judge what came of it."""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from palme.agent import AgentLimits, RunResult
from palme.cli.errors import UsageError
from palme.cli.evaluation.episode import SETTLE_TICKS, Blanked, episode_log
from palme.cli.evaluation.suite.case_layers import layer_of
from palme.cli.evaluation.suite.case_result import CaseResult
from palme.cli.evaluation.suite.case_watch import CaseWatch
from palme.cli.evaluation.suite.disturbance import Hand
from palme.cli.evaluation.suite.ideal_arm import plan_from_pixels
from palme.cli.evaluation.suite.specs import BLANKED, DISTURBED, CaseSpec
from palme.cli.rig.build import Rig
from palme.cli.rig.jpeg import Jpeg
from palme.cli.rig.tabletop import Table
from palme.cli.rig.uninterrupted import careful_agent
from palme.cli.signals import held
from palme.data.errors import CameraTimeoutError
from palme.language.account.account import Account
from palme.policies.base import Policy
from robots.errors import RobotError
from robots.robot import Robot
from robots.types import Observation
from sim.judging.formula import Moments
from sim.judging.ideal import NoSuchStep, carried_out
from sim.judging.judge import verdict as judged
from sim.judging.snapshot import Snapshot
from sim.suites.laying import lay
from sim.suites.suite import SuiteTable
from sim.suites.verdict import Ending, Outcome, verdict
from sim.world.scene import Scene

ENDINGS: dict[str, Ending] = {
    "done": "done", "answered": "answered", "asked": "asked", "refused": "refused",
}  # fmt: skip
"""By the cause that the agent gives; all others are "gave up"."""
LAYOUTS = 5
"""Layouts tried until one settles as the suite says."""


def run_case(
    rig: Rig,
    spec: CaseSpec,
    limits: AgentLimits,
    account: Account | None = None,
    logs: Path | None = None,
) -> CaseResult:
    """Play one case in `rig`; its log goes to the folder `logs`, for `palme why`.

    A crash of planner or policy is a run that gave up, with its reason.
    """
    begin = time.perf_counter()
    table = rig.table
    if table is None:
        raise UsageError("a suite sets its table: serve with table=true, and say bridge.table=true")
    scene = settled(table, spec)
    start = table.snapshot()
    _seed(spec)
    rig.set_goal(None)
    watch = CaseWatch(table.snapshot)
    log = None if logs is None else episode_log(logs, rig, spec.said, spec.seed)
    hand = _hand(rig, spec)
    with log or nullcontext(), held("saving the case"):
        arm = Blanked(rig.arm) if spec.control == BLANKED else rig.arm
        listeners: list[Callable[[Any], None]] = [one for one in (watch, log, hand) if one is not None]
        result = _agent(rig, arm, rig.policy, listeners, limits, account).run(spec.said)
        if result.finished.cause == "stopped":
            raise KeyboardInterrupt
        arm_s = table.time
        table.hold(SETTLE_TICKS)
        end = table.snapshot()
        after = _front(rig.arm.observe(("front",))) if "front" in rig.arm.cameras else None
    moments = Moments(start, end)
    plan = _plan(rig, spec, scene, start, moments, watch, result, limits, account)
    ending = ENDINGS.get(result.finished.cause, "gave up")
    outcome = Outcome(ending, bool(result.begun), result.reason, moments, plan)
    grade = verdict(spec.case, outcome)
    layer, evidence = "", ""
    if spec.case.want is not None and grade.grade != "right" and spec.control in ("", DISTURBED):
        layer, evidence = layer_of(
            spec.case.want, watch.program, start, watch.truths, result.finished.cause, result.reason
        )
    return CaseResult(
        spec.case, spec.said, spec.control, grade, ending, result.reason,
        program=watch.program,
        probability=watch.probability,
        confidence=watch.confidence,
        lines=watch.lines,
        steps=tuple((step.text, success) for step, success in result.steps),
        read_ms=watch.read_ms,
        replan_ms=tuple(watch.replan_ms),
        arm_s=arm_s,
        wall_s=time.perf_counter() - begin,
        seconds=dict(result.finished.seconds),
        pictures=_pictures(watch.first, after) if not spec.control else None,
        layer=layer,
        layer_evidence=evidence,
        disturbed=0 if hand is None else hand.n,
    )  # fmt: skip


def _hand(rig: Rig, spec: CaseSpec) -> Hand | None:
    if not spec.disturb > 0:
        return None
    if rig.world is None:
        raise UsageError("disturb= moves things in the simulator of this process: name an arm, robot=panda")
    return Hand(rig.world, rig.arm, spec)


def settled(table: Table, spec: CaseSpec) -> Scene:
    """Load the case's scene; it is laid anew where something falls off what it rests on."""
    for attempt in range(LAYOUTS):
        scene = lay(spec.table, spec.seed, spec.case.id, attempt)
        table.load(scene, SETTLE_TICKS)
        if _is_as_told(table.snapshot(), spec.table):
            return scene
    what = f"{spec.case.id}: table {spec.table.name} does not stay as the suite says in {LAYOUTS} layouts"
    print(f"palme eval: {what}", file=sys.stderr)
    return scene


def _is_as_told(table: Snapshot, told: SuiteTable) -> bool:
    there, meant = table.state, told.state
    return all(
        there.container(i) == meant.container(i)
        and (there.holder[i] == below or (below is not None and told.specs[below].kind == "bowl"))
        for i, below in enumerate(meant.holder)
    )


def _agent(
    rig: Rig, arm: Robot, policy: Policy, listeners: Sequence[Callable[[Any], None]],
    limits: AgentLimits, account: Account | None,
) -> Any:  # fmt: skip
    return careful_agent(
        arm, rig.planner, policy, listeners,
        limits=limits, refusals=(RobotError, CameraTimeoutError), retreat=rig.retreat, account=account,
    )  # fmt: skip


def _plan(
    rig: Rig, spec: CaseSpec, scene: Scene, start: Snapshot, moments: Moments, watch: CaseWatch,
    result: RunResult, limits: AgentLimits, account: Account | None,
) -> Moments | None:  # fmt: skip
    """What the table would be had the arm done as it was told, where that matters for the verdict.

    First each step that was begun is carried out as it was meant. Where that is not enough because the run
    was broken off, the same planner plans the case again from pixels, with an arm that cannot fail; that
    counts only if every step that was begun is among its steps.
    """
    want = spec.case.want
    if want is None or spec.control or not result.begun or judged(want, moments).holds:
        return None
    if watch.unclear or len(watch.placements) != len(result.begun):
        return None
    now = start
    try:
        for placement in watch.placements:
            now = carried_out(now, placement)
    except NoSuchStep:
        return None
    if judged(want, Moments(start, now)).holds:
        return Moments(start, now)
    if result.done or rig.world is None:
        return None
    make = partial(_agent, rig, rig.arm, limits=limits, account=account)
    with held("planning the case again"):
        again = plan_from_pixels(rig, scene, spec.said, make)
    begun = {(p.what, p.onto) for p in watch.placements}
    if again is None or not begun <= {(p.what, p.onto) for p in again.placements}:
        return None
    return Moments(again.start, again.end)


def _front(observation: Observation) -> Any:
    frame = observation.images.get("front")
    return None if frame is None else frame.rgb


def _pictures(first: Observation | None, after: Any) -> tuple[bytes, bytes] | None:
    before = None if first is None else _front(first)
    if before is None or after is None or not Jpeg.is_available():
        return None
    return Jpeg().encode(before), Jpeg().encode(after)


def _seed(spec: CaseSpec) -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(zlib.crc32(f"{spec.seed} {spec.case.id}".encode()))
