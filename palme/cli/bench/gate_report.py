"""`palme bench gate`: runs `bench.gate` on the arms that are asked for, and prints what was found."""

from __future__ import annotations

from typing import Any

from palme.cli.bench.base import Bar, Bench, Figures
from palme.cli.bench.gate import bench_gate
from palme.cli.settings.bench import GateConfig
from robots.spec import ArmSpec


def _measure(config: GateConfig, bar: Bar) -> Figures:
    arms = config.arms or ArmSpec.available()
    found = bench_gate(arms, config.commands, config.rates, config.seed, config.faults, config.hours)
    return {f"{arm.robot}_{arm.control_hz:g}_hz": arm.as_dict() for arm in found}


def _show(figures: Figures) -> None:
    for arm in figures.values():
        print(
            f"{arm['robot']} at {arm['control_hz']:g} Hz: {arm['commands']} commands, "
            f"{arm['foretold']} predicted, {arm['ticks']} sent, {arm['rate']:.0f} a second"
        )
        print("  largest share of a limit  " + _listed(arm["used"], "{:.9f}"))
        print(
            "  least margin [mm]         " + _listed({k: 1e3 * v for k, v in arm["room"].items()}, "{:.4f}")
        )
        print("  refused                   " + _listed(dict(sorted(arm["refusals"].items()))))
        print("  held back by              " + _listed(dict(sorted(arm["held"].items()))))
        _show_following(arm["following"])
        print("  violations                " + (_listed(arm["violations"]) or "none"))


def _show_following(found: dict[str, Any]) -> None:
    if found["faults"]:
        kinds = {f"{n} x {kind}, within": found["noticed_s"].get(kind) for kind, n in found["faults"].items()}
        print("  not where it was sent [s]  " + _listed(kinds))
    if found["ordinary_s"]:
        print(
            f"  ordinary motion           {found['ordinary_s'] / 60:g} minutes, false holds "
            f"{found['false_holds']}, ticks limited {found['limited']}"
        )


def _listed(values: dict[str, Any], form: str = "{}") -> str:
    return ", ".join(f"{name} {form.format(value)}" for name, value in values.items())


def _has_failed(figures: Figures) -> bool:
    return any(arm["violations"] for arm in figures.values())


BENCH = Bench(GateConfig, _measure, _has_failed, _show)
