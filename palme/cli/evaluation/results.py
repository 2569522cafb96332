"""results.json: counts, intervals and timings out of episode results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from palme.cli.evaluation.episode import EpisodeResult
from palme.cli.evaluation.gate_counts import by_episode, totals
from palme.cli.evaluation.layers import LAYERS
from palme.cli.version import commit
from palme.report.stats import wilson

SCHEMA = "palme-eval/1"


def summary(
    results: Sequence[EpisodeResult], tasks: Iterable[str], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of results.json. Everything but `timing` is the same whenever the seed is."""
    tasks = list(tasks)
    real = [r for r in results if not r.spec.control]
    out: dict[str, Any] = {
        "schema": SCHEMA,
        "commit": commit(),
        "settings": dict(settings),
        "tasks": {name: _of([r for r in real if r.spec.family == name], failures=True) for name in tasks},
        "overall": _of(real),
        "timing": timing(real),
        "done": done(real),
        "failed_by_layer": by_layer(real),
    }
    if follow := {name: followed([r for r in results if r.spec.family == name]) for name in tasks}:
        if any(follow.values()):
            out["follow"] = {name: row for name, row in follow.items() if row} | {
                "overall": followed(results)
            }
    controls = sorted({r.spec.control for r in results if r.spec.control})
    if controls:
        out["controls"] = {
            control: {
                name: _of([r for r in results if r.spec.control == control and r.spec.family == name])
                for name in tasks
            }
            for control in controls
        }
    return out


def _of(results: Sequence[EpisodeResult], failures: bool = False) -> dict[str, Any]:
    n, won = len(results), sum(r.success_at_end for r in results)
    low, high = wilson(won, n)
    out: dict[str, Any] = {
        "episodes": n,
        "success_at_end": won,
        "success_ever": sum(r.success_ever for r in results),
        "wilson95": [round(low, 4), round(high, 4)],
        "steps_mean": _mean([len(r.steps) for r in results]),
        "replans_mean": _mean([r.replans for r in results]),
        "said_done_but_was_not": sum(r.believed and not r.success_at_end for r in results),
    }
    out["gate"] = totals([r.gate for r in results])
    out["bystanders_moved_n"] = sum(len(r.bystanders) for r in results)
    if failures:
        out["gate_by_episode"] = by_episode([(r.spec.index, r.spec.seed, r.gate) for r in results])
        out["bystanders_moved"] = _bystanders(results)
        out["failures"] = [
            {
                "index": r.spec.index,
                "seed": r.spec.seed,
                "instruction": r.instruction,
                "cause": r.cause,
                "reason": r.reason,
                "layer": r.layer,
                "evidence": r.evidence,
                "steps": [[step.text, success] for step, success in r.steps],
            }
            for r in sorted(results, key=lambda r: r.spec.index)
            if not r.success_at_end
        ]
    return out


def done(results: Sequence[EpisodeResult]) -> dict[str, Any]:
    """How well the planner knows when it is done.

    `false`: said done, and it was not. `missed`: the goal was reached at the end, and it was not said.
    `late_s`, `late_steps`: arm time and steps from the goal to "done", of the episodes that are both.
    """
    said = [r for r in results if r.believed]
    reached = [r for r in results if r.success_at_end]
    late = [r.late_s for r in results if r.late_s is not None]
    steps = [r.late_steps for r in results if r.late_steps is not None]
    false, missed = sum(not r.success_at_end for r in said), sum(not r.believed for r in reached)
    judged = [sum(r.judged[k] for r in results) for k in range(3)]
    return {
        "said": len(said),
        "false": false,
        "false_rate": round(false / len(said), 4) if said else None,
        "reached": len(reached),
        "missed": missed,
        "missed_rate": round(missed / len(reached), 4) if reached else None,
        "late_s": _spread(late),
        "late_steps_mean": _mean(steps),
        "steps_judged": dict(zip(("done", "failed", "unsure"), judged, strict=True)),
    }


def by_layer(results: Sequence[EpisodeResult]) -> dict[str, int]:
    """Failed episodes by the layer that they failed in; see `palme.cli.evaluation.layers`."""
    return {layer: sum(r.layer == layer for r in results) for layer in LAYERS}


def followed(results: Sequence[EpisodeResult]) -> dict[str, Any] | None:
    """Whether the arm does what the words say: pairs of one scene, told its own and a swapped sentence.

    `goes_where_told`: runs, two a pair, that reached the goal they were told. `avoids_the_other`: swapped
    runs that did not reach the goal of the other sentence. `followed`: pairs of which both runs reached
    their own goal and the swapped one not the other's. `unsaid`: runs without an
    instruction, and `moved_unsaid` those in which the arm moved. None without pairs.
    """
    own = {(r.spec.family, r.spec.index): r for r in results if not r.spec.control}
    swapped = {(r.spec.family, r.spec.index): r for r in results if r.spec.control == "swapped"}
    unsaid = [r for r in results if r.spec.control == "unsaid"]
    both = [(own[k], swapped[k]) for k in sorted(own.keys() & swapped.keys())]
    pairs = [(a, b) for a, b in both if a.scene == b.scene]
    if not pairs and not unsaid:
        return None
    n = sum(a.told and b.told and not b.success_at_end for a, b in pairs)
    low, high = wilson(n, len(pairs))
    return {
        "pairs": len(pairs),
        "goes_where_told": sum(a.told + b.told for a, b in pairs),
        "avoids_the_other": sum(not b.success_at_end for _, b in pairs),
        "followed": n,
        "wilson95": [round(low, 4), round(high, 4)],
        "unsaid": len(unsaid),
        "moved_unsaid": sum(r.begun > 0 for r in unsaid),
    }


def timing(results: Sequence[EpisodeResult]) -> dict[str, Any]:
    """Medians and 95th percentiles in [ms], and the arm's time over the wall's."""
    plan = [t for r in results for t in r.plan_ms]
    policy = [t for r in results for t in r.policy_ms]
    wall, arm = sum(r.wall_s for r in results), sum(r.arm_s for r in results)
    names = results[0].seconds if results else ()
    parts = {part: sum(r.seconds.get(part, 0.0) for r in results) for part in names}
    return {
        "planner_ms": _spread(plan),
        "policy_ms": _spread(policy),
        "wall_s": round(wall, 2),
        "arm_s": round(arm, 2),
        "times_real_time": round(arm / wall, 2) if wall > 0 else None,
        "parts_s": {part: round(seconds, 2) for part, seconds in parts.items()},
        "times_real_time_by_task": _speed_by_task(results),
    }


def _speed_by_task(results: Sequence[EpisodeResult]) -> dict[str, float]:
    speeds = {}
    for name in sorted({r.spec.family for r in results}):
        mine = [r for r in results if r.spec.family == name]
        speeds[name] = round(sum(r.arm_s for r in mine) / max(sum(r.wall_s for r in mine), 1e-9), 2)
    return speeds


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {"median": round(float(np.median(values)), 2), "p95": round(float(np.percentile(values, 95)), 2)}


def _mean(values: Sequence[int]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def _bystanders(results: Sequence[EpisodeResult]) -> list[dict[str, Any]]:
    """What else moved, of the episodes in which something did."""
    return [
        {
            "index": r.spec.index,
            "seed": r.spec.seed,
            "moved": [{"name": b.name, "metres": b.metres} for b in r.bystanders],
        }
        for r in sorted(results, key=lambda r: r.spec.index)
        if r.bystanders
    ]
