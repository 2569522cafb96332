"""What each command takes, as frozen dataclasses: one file a group of commands, checked once in `load`.

`configs/*.yaml` hold numbers and names; the fields here hold types, limits, units and reasons, and `--help`
shows what their docstrings say. An entry of `CONFIGS` is named as its YAML file.
"""

from __future__ import annotations

from typing import Any

from palme.registry import Registry

CONFIGS: Registry[type[Any]] = Registry(
    "configuration",
    {
        "run": "palme.cli.settings.run:RunConfig",
        "eval": "palme.cli.settings.run:EvalConfig",
        "teleop": "palme.cli.settings.run:TeleopConfig",
        "collect": "palme.cli.settings.data:CollectConfig",
        "replay": "palme.cli.settings.data:ReplayConfig",
        "view": "palme.cli.settings.data:ViewConfig",
        "find": "palme.cli.settings.data:FindConfig",
        "why": "palme.cli.settings.data:WhyConfig",
        "data_info": "palme.cli.settings.data:InfoConfig",
        "data_check": "palme.cli.settings.data:CheckConfig",
        "data_repair": "palme.cli.settings.data:RepairConfig",
        "data_merge": "palme.cli.settings.data:MergeConfig",
        "data_split": "palme.cli.settings.data:SplitConfig",
        "data_stats": "palme.cli.settings.data:StatsConfig",
        "setup_language": "palme.cli.settings.setup:SetupLanguageConfig",
        "serve_policy": "palme.cli.settings.serve:ServePolicyConfig",
        "serve_agent": "palme.cli.settings.serve:ServeAgentConfig",
        "serve_gello": "palme.cli.settings.serve:ServeGelloConfig",
        "bench_env": "palme.cli.settings.bench:EnvConfig",
        "bench_gate": "palme.cli.settings.bench:GateConfig",
        "bench_planner": "palme.cli.settings.bench:BenchPlannerConfig",
        "bench_language": "palme.cli.settings.bench:LanguageBenchConfig",
        "bench_clip": "palme.cli.settings.bench:ClipBenchConfig",
        "bench_questions": "palme.cli.settings.bench:QuestionsConfig",
        "sense": "palme.cli.settings.senses:SenseConfig",
        "bench_senses": "palme.cli.settings.senses:SensesBenchConfig",
        "bench_policy": "palme.cli.settings.bench:BenchPolicyConfig",
        "bench_corrections": "palme.cli.settings.bench:CorrectionsConfig",
        "bench_bridge": "palme.cli.settings.bench:BridgeBenchConfig",
        "bench_soak": "palme.cli.settings.bench:SoakConfig",
        "bench_fuzz": "palme.cli.settings.bench:FuzzConfig",
        "bench_record": "palme.cli.settings.bench:RecordBenchConfig",
        "bench_console": "palme.cli.settings.bench:ConsoleBenchConfig",
        "bench_clock": "palme.cli.settings.bench:ClockConfig",
        "bench_install": "palme.cli.settings.bench:InstallConfig",
    },
)
