"""`palme bench policy`: one step at a time, given its correct text, on hard scenes; truly judged.

With `moved=true` what is to be grasped is moved 5 to 9 cm across the table in the middle of the approach.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from palme.cli.evaluation.episode import Blanked
from palme.cli.progress import over
from palme.cli.rig.build import Rig
from palme.cli.settings.bench import BenchPolicyConfig
from palme.errors import StepFailed
from robots.errors import RobotError
from robots.executor import Executor
from robots.skills import Step
from sim.data.scene_sampler import SceneDoesNotFit, layout
from sim.geometry.shapes import height, outline, separation
from sim.tasks.steps import indices
from sim.tasks.symbolic import feasible_steps, random_state, sample_midway
from sim.world.scene import Scene
from sim.world.scene_state import judge

MAX_TICKS = 600
MOVED_AT = 10  # control ticks after the step began
MOVED_BY = (0.05, 0.09)  # [m]
SEED_SPACE = 7_000_000  # apart from every seed that data are made with


@dataclass(frozen=True)
class StepResult:
    """One trial. `kind` is "in", "on" or "table"; `others` whether nothing else was moved from its holder."""

    seed: int
    step: Step
    kind: str
    success: bool
    others: bool
    ticks: int
    reason: str
    policy_ms: tuple[float, ...]


def draw_step(seed: int, moved: bool = False) -> tuple[Scene, Step]:
    """A hard scene on the way to a goal and a possible step (`moved`: of an object on the table)."""
    rng, draw = np.random.default_rng([SEED_SPACE, seed]), random.Random(SEED_SPACE + seed)
    while True:
        state = random_state(draw) if draw.random() < 0.4 else sample_midway(draw, "test")[1]
        steps = feasible_steps(state)
        if moved:
            steps = [s for s in steps if state.holder[state.index(s.what)] is None]
        if not steps:
            continue
        step = draw.choice(steps)
        try:
            return layout(state, rng), step
        except SceneDoesNotFit:
            continue


def run_step(rig: Rig, seed: int, moved: bool = False, blanked: bool = False) -> StepResult:
    """Play one trial in `rig`; `blanked`: with black pictures."""
    scene, step = draw_step(seed, moved)
    before, world, arm, policy = scene.state, rig.simulation, rig.arm, rig.policy
    world.load(scene)
    arm.hold(6)
    executor, ticks, reason, spent = Executor(arm), 0, "", []
    i, j = indices(before, step)
    jump = None
    if moved:
        jump = _new_place(scene, i, np.random.default_rng([SEED_SPACE, seed, 1]))
    policy.reset()
    looking = Blanked(arm) if blanked else arm

    def count(_: Any) -> None:
        nonlocal ticks, jump
        ticks += 1
        if jump is not None and ticks >= MOVED_AT and world.held() is None:
            positions, quats = world.poses()
            world.set_pose(i, np.array([*jump, positions[i][2]]), quats[i])
            jump = None

    try:
        while True:
            observation = looking.observe(policy.cameras)
            begin = time.perf_counter()
            chunk = policy.act(observation, step)
            spent.append((time.perf_counter() - begin) * 1000)
            executor.run(chunk, on_sent=count)
            if policy.done:
                break
            if ticks > MAX_TICKS:
                reason = f"not finished after {ticks} ticks"
                break
    except (StepFailed, RobotError) as error:
        reason = f"{type(error).__name__}: {error}"
    arm.hold(10)
    after = judge(world)
    in_bowl = step.skill == "put_in"
    there = after.container(i) == j if in_bowl else after.holder[i] == j
    others = all(after.holder[k] == before.holder[k] for k in range(len(before.objects)) if k != i)
    kind = "table" if j is None else "in" if in_bowl else "on"
    success = there and world.held() is None
    return StepResult(seed, step, kind, bool(success), others, ticks, reason, tuple(spent))


def _new_place(scene: Scene, i: int, rng: np.random.Generator) -> tuple[float, float] | None:
    """Where object `i` could stand instead, 5 to 9 cm away and clear of the rest; None if nowhere."""
    me = scene.objects[i]
    on_table = [o for o in scene.objects if o is not me and o.position[2] <= height(o.spec)]
    others = [outline(o.spec, np.array(o.position[:2]), o.yaw) for o in on_table]
    for _ in range(200):
        angle, away = rng.uniform(-np.pi, np.pi), rng.uniform(*MOVED_BY)
        x, y = me.position[0] + away * np.cos(angle), me.position[1] + away * np.sin(angle)
        if not (0.35 <= x <= 0.65 and -0.28 <= y <= 0.28):
            continue
        here = outline(me.spec, np.array([x, y]), me.yaw)
        if all(separation(here, other) >= 0.025 for other in others):
            return float(x), float(y)
    return None


def bench_policy(rig: Rig, config: BenchPolicyConfig) -> dict[str, Any]:
    """Counts over `episodes` trials from `seed` on, with `moved` as asked."""
    from palme.report.stats import wilson

    results: list[StepResult] = []
    for seed in over(range(config.seed, config.seed + config.episodes), "steps"):
        result = run_step(rig, seed, config.moved)
        results.append(result)
        if not result.success:
            print(f"{seed}: {result.step}: failed after {result.ticks} ticks {result.reason}", flush=True)
    won, n = sum(r.success for r in results), len(results)
    calls = np.array([ms for r in results for ms in r.policy_ms])
    kinds = {
        kind: f"{sum(r.success for r in results if r.kind == kind)}/{sum(r.kind == kind for r in results)}"
        for kind in ("in", "on", "table")
    }
    return {
        "policy": config.policy.name, "moved": config.moved, "steps": n, "success": won,
        "wilson95": [round(x, 4) for x in wilson(won, n)], "by_kind": kinds,
        "nothing_else_moved": sum(r.others for r in results),
        "ticks_mean": float(np.mean([r.ticks for r in results])),
        "policy_ms_p50": float(np.median(calls)), "policy_ms_p95": float(np.percentile(calls, 95)),
    }  # fmt: skip
