"""`palme bench planner`: next steps from pixels, in scenes on the way to a goal."""

from __future__ import annotations

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.evaluation.next_steps import bench_planner
from palme.cli.rig.build import build_rig
from palme.cli.settings.bench import BenchPlannerConfig


def _measure(config: BenchPlannerConfig, bar: Bar) -> Figures:
    return bench_planner(build_rig(config, config.seed), config)


BENCH = Bench(BenchPlannerConfig, _measure)
