"""`palme bench policy`: single steps on hard scenes, given the right text."""

from __future__ import annotations

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.evaluation.single_steps import bench_policy
from palme.cli.rig.build import build_rig
from palme.cli.settings.bench import BenchPolicyConfig


def _measure(config: BenchPolicyConfig, bar: Bar) -> Figures:
    return bench_policy(build_rig(config, config.seed), config)


BENCH = Bench(BenchPolicyConfig, _measure)
