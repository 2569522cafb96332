"""`palme bench planner`: next steps from pixels, in the middle of tasks, checked against all right ones."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from palme.cli.rig.build import Rig
from palme.cli.settings.bench import BenchPlannerConfig
from palme.errors import NoMotion
from palme.planners.base import Context
from robots.skills import Step
from robots.types import Observation
from sim.data.scene_sampler import SceneDoesNotFit, layout
from sim.tasks import Task
from sim.tasks.symbolic import sample_midway
from sim.world.scene import Scene

SEED_SPACE = 8_000_000  # apart from every seed that data are made with


def scenes(seed: int, split: str, family: str | None) -> Iterator[tuple[Task[Any], Scene]]:
    """Tasks and rendered-to-be scenes somewhere on the way, deterministic in the arguments."""
    rng, draw = np.random.default_rng([SEED_SPACE, seed]), random.Random(SEED_SPACE + seed)
    while True:
        task, state = sample_midway(draw, split, family)
        try:
            yield task, layout(state, rng)
        except SceneDoesNotFit:
            continue


def look(rig: Rig, scene: Scene) -> Observation:
    """What the front camera sees of `scene` with the arm at home."""
    world = rig.simulation
    world.place(scene)
    world.set_arm(rig.arm.spec.q_home, 1.0)
    return Observation({"front": world.render(rig.arm.cameras["front"])}, rig.arm.state(), 0.0)


def bench_planner(rig: Rig, config: BenchPlannerConfig) -> dict[str, Any]:
    """Share of right next steps for each family of `tasks` in `split`, over `episodes` scenes each."""
    from palme.report.stats import wilson

    out: dict[str, Any] = {"planner": config.planner.name, "split": config.split}
    spent: list[float] = []
    total = [0, 0]
    for family in config.tasks:
        if family == "match_bowls" and config.split == "held_out":
            continue  # it pairs no two colours
        right = 0
        stream = scenes(config.seed, config.split, family)
        for k in range(config.episodes):
            task, scene = next(stream)
            observation = look(rig, scene)
            context = Context(task.instruction, observation, ())
            begin = time.perf_counter()
            said: Step | str
            try:
                said = rig.planner.next_step(context).step
            except NoMotion as answer:
                said = str(answer)
            spent.append((time.perf_counter() - begin) * 1000)
            wanted = task.acceptable_steps(scene.state)
            right += said in wanted
            if said not in wanted and config.verbose:
                right_were = sorted(map(str, wanted))
                print(f"{family} {k}: {task.instruction!r}: said {str(said)!r}, right were {right_were}")
        low, high = wilson(right, config.episodes)
        out[family] = {
            "right": right,
            "asked": config.episodes,
            "wilson95": [round(low, 4), round(high, 4)],
        }
        total = [total[0] + right, total[1] + config.episodes]
    out["overall"] = round(total[0] / max(total[1], 1), 4)
    out["plan_ms_p50"], out["plan_ms_p95"] = float(np.median(spent)), float(np.percentile(spent, 95))
    return out
