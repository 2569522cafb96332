"""`palme bench detector`: what the detector alone get right, object by object and scene by scene."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.evaluation.next_steps import look, scenes
from palme.cli.evaluation.perceive import found_of
from palme.cli.rig.build import build_rig, detector_of
from palme.cli.rig.planners import OracleConfig
from palme.cli.settings.bench import BenchPlannerConfig
from palme.perception.objects import PerceivedObjects
from sim.world.scene import Scene


def bench_detector(detector: Any, rig: Any, config: BenchPlannerConfig) -> dict[str, Any]:
    """Counts over `episodes` scenes on the way to goals of each family, the arm at home.

    Returns:
        Shares of objects found, named right and held by what truly holds them; ghosts a scene; errors of
        place in [mm]; and the share of scenes in which everything is right.
    """
    count: Counter[str] = Counter()
    away: list[float] = []
    for family in config.tasks:
        stream = scenes(config.seed, config.split, family)
        for k in range(config.episodes):
            _, scene = next(stream)
            seen = detector(look(rig, scene))
            wrong = _check(seen, scene, count, away)
            if wrong and config.verbose:
                print(f"{family} {k}: {'; '.join(wrong)}")
    n, scene_count = max(count["objects"], 1), max(count["scenes"], 1)
    return {
        "scenes": count["scenes"],
        "objects": count["objects"],
        "found": round(count["found"] / n, 4),
        "named_right": round(count["named"] / max(count["found"], 1), 4),
        "held_right": round(count["held"] / max(count["found"], 1), 4),
        "ghosts_a_scene": round(count["ghosts"] / scene_count, 4),
        "scene_all_right": round(count["right"] / scene_count, 4),
        "place_mm_p50": float(np.median(away) * 1000),
        "place_mm_p95": float(np.percentile(away, 95) * 1000),
    }


def _check(seen: PerceivedObjects, scene: Scene, count: Counter[str], away: list[float]) -> list[str]:
    found = found_of(seen, scene)
    wrong = []
    first: dict[int, int] = {}
    for k, i in enumerate(found):
        if i >= 0 and i not in first:
            first[i] = k
        else:
            count["ghosts"] += 1
            wrong.append(f"ghost {seen.name(k)} at {np.round(seen.xyz[k], 3)} score {seen.score[k]:.2f}")
    count["scenes"] += 1
    for i, thing in enumerate(scene.objects):
        count["objects"] += 1
        if i not in first:
            wrong.append(f"missed {thing.spec.name}")
            continue
        k = first[i]
        count["found"] += 1
        away.append(float(np.linalg.norm(seen.xyz[k][:2] - thing.position[:2])))
        named = seen.name(k) == thing.spec.name
        j = int(seen.holder_probs[k].argmax())
        held = (None if j == len(seen) else found[j]) == scene.holder[i]
        count["named"] += named
        count["held"] += held
        if not named:
            wrong.append(f"{thing.spec.name} called {seen.name(k)} ({seen.class_probs[k].max():.2f})")
        if not held:
            wrong.append(f"{thing.spec.name} held by {None if j == len(seen) else seen.name(j)}")
    count["right"] += not wrong
    return wrong


def _measure(config: BenchPlannerConfig, bar: Bar) -> Figures:
    rig = build_rig(replace(config, planner=OracleConfig()), config.seed)
    return bench_detector(detector_of(config.detector)(), rig, config)


BENCH = Bench(BenchPlannerConfig, _measure)
