"""`palme bench WHAT`: speed, parts alone, the wire, the disk, the page, the clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from palme.cli.bench.bounds import check
from palme.cli.config import is_override, load
from palme.cli.errors import UsageError, unknown


def main(arguments: Sequence[str]) -> int:
    """Returns 0, or 1 where a target (`bench.environment.TARGETS`) is missed or the gate failed."""
    benches: dict[str, tuple[str, Callable[[dict[str, Any]], int]]] = {
        "env": ("bench", _env),
        "gate": ("bench_gate", _gate),
        "detector": ("bench_planner", _detector),
        "policy": ("bench_policy", _policy),
        "corrections": ("bench_corrections", _corrections),
        "planner": ("bench_planner", _planner),
        "bridge": ("bench_bridge", _bridge),
        "soak": ("bench_soak", _soak),
        "fuzz": ("bench_fuzz", _fuzz),
        "record": ("bench_record", _record),
        "console": ("bench_console", _console),
        "clock": ("bench_clock", _clock),
        "install": ("bench_install", _install),
    }
    names = [word for word in arguments if not is_override(word)]
    if len(names) != 1:
        raise UsageError(f"name what to measure, one of {', '.join(benches)}: palme bench env")
    if names[0] not in benches:
        raise unknown("bench", names[0], benches)
    config_name, bench = benches[names[0]]
    config = load(config_name, [word for word in arguments if is_override(word)])
    check(names[0], config)
    return bench(config)


def _env(config: dict[str, Any]) -> int:
    from palme.cli.bench.environment import TARGETS, bench_env

    found = bench_env(config["rounds"], config["steps"], config["picture_steps"]).as_dict()
    _write(config, found)
    missed = 0
    for name, value in found.items():
        target = TARGETS.get(name)
        met = target is None or value >= target
        missed += not met
        wanted = "" if target is None else f"  (target {target:g}{'' if met else ', missed'})"
        shown = f"{value:12.2f}" if isinstance(value, float) else f"{value!s:>12}"
        print(f"{name:<22} {shown}{wanted}")
    return 1 if missed else 0


def _gate(config: dict[str, Any]) -> int:
    from palme.cli.bench.gate import bench_gate
    from robots.spec import ArmSpec

    arms = config["arms"] or ArmSpec.available()
    for name in arms:
        if name not in ArmSpec.available():
            raise unknown("arm", name, ArmSpec.available())
    found = bench_gate(arms, config["commands"], config["rates"], config["seed"])
    _write(config, {f"{arm.robot}_{arm.control_hz:g}_hz": arm.as_dict() for arm in found})
    for arm in found:
        print(
            f"{arm.robot} at {arm.control_hz:g} Hz: {arm.commands} commands, {arm.foretold} foretold, "
            f"{arm.ticks} sent, {arm.rate:.0f} a second"
        )
        print("  most used    " + ", ".join(f"{name} {share:.9f}" for name, share in arm.used.items()))
        print("  least room   " + ", ".join(f"{name} {1e3 * room:.4f} mm" for name, room in arm.room.items()))
        print("  refused      " + ", ".join(f"{name} {n}" for name, n in sorted(arm.refusals.items())))
        print("  held back by " + ", ".join(f"{name} {n}" for name, n in sorted(arm.held.items())))
        print("  violations   " + (", ".join(f"{name} {n}" for name, n in arm.violations.items()) or "none"))
    return 1 if any(arm.violations for arm in found) else 0


def _detector(config: dict[str, Any]) -> int:
    from palme.cli.bench.detector import bench_detector
    from palme.cli.rig.build import build_rig
    from palme.perception.detector import Detector

    _check_tasks(config)
    rig = build_rig(config | {"planner": {"name": "oracle"}}, config["seed"])
    return _told(config, bench_detector(Detector.load(), rig, config))


def _policy(config: dict[str, Any]) -> int:
    from palme.cli.evaluation.single_steps import bench_policy
    from palme.cli.rig.build import build_rig

    return _told(config, bench_policy(build_rig(config, config["seed"]), config))


def _corrections(config: dict[str, Any]) -> int:
    from palme.cli.bench.corrections import bench_corrections

    return 0 if bench_corrections(config, _bar)["gain"]["interval95"][0] > 0 else 1


def _planner(config: dict[str, Any]) -> int:
    from palme.cli.evaluation.next_steps import bench_planner
    from palme.cli.rig.build import build_rig

    _check_tasks(config)
    return _told(config, bench_planner(build_rig(config, config["seed"]), config))


def _bridge(config: dict[str, Any]) -> int:
    from palme.cli.bench.bridge import LIMITS, bench_bridge, missed

    found = bench_bridge(config, _bar)
    outside = missed(found)
    _write(config, found)
    for name, value in found.items():
        shown = f"{value:.3f}" if isinstance(value, float) else str(value)
        least, most = LIMITS.get(name, (0.0, 0.0))
        wanted = f">= {least:g}" if most == float("inf") else f"<= {most:g}"
        judged = f"  ({wanted}{', missed' if name in outside else ''})" if name in LIMITS else ""
        print(f"{name:<36} {shown:>12}{judged}")
    return 1 if outside else 0


def _soak(config: dict[str, Any]) -> int:
    from palme.cli.bench.soak import bench_soak

    found = bench_soak(config, _bar)
    _told(config, found)
    return 1 if found["unintended"] or found["server_failed"] or found["motion_after_the_end_rad"] else 0


def _fuzz(config: dict[str, Any]) -> int:
    from palme.cli.bench.fuzz import bench_fuzz

    found = bench_fuzz(config, _bar)
    _told(config, found)
    return 1 if found["crashes"] or found["executed"] or found["moved_rad"] else 0


def _record(config: dict[str, Any]) -> int:
    from palme.cli.bench.record import bench_record

    found = bench_record(config, _bar)
    _told(config, found)
    return 1 if found.get("lost") or found.get("unreadable") else 0


def _console(config: dict[str, Any]) -> int:
    from palme.cli.bench.browser import why_not

    if why_not():
        raise UsageError(why_not())
    from palme.cli.bench.console import TARGETS, bench_console

    found = bench_console(config["seconds"], config["presses"], config["camera_hz"], _bar)
    _told(config, found)
    return 1 if any(found[name] > target for name, target in TARGETS.items()) else 0


def _clock(config: dict[str, Any]) -> int:
    from palme.cli.bench.browser import why_not

    if why_not():
        raise UsageError(why_not())
    from palme.cli.bench.clock import bench_clock

    found = bench_clock(config, _bar)
    _told(config, found)
    return 1 if found["cycles_late_by_5_ms"] else 0


def _install(config: dict[str, Any]) -> int:
    from palme.cli.bench.install import SERVING, bench_install

    found = bench_install(config, _bar)
    _told(config, found)
    return 1 if found["serving_s_p50"] > SERVING or found["not_base_but_there"] else 0


def _check_tasks(config: dict[str, Any]) -> None:
    """Raises UsageError for a family or a split that there is not, or one without the other."""
    from sim.tasks import SPLITS, UnknownTask, family_named

    if config["split"] not in SPLITS:
        raise unknown("split", str(config["split"]), SPLITS)
    try:
        for name in config["tasks"]:
            family_named(str(name))
    except UnknownTask as error:
        raise UsageError(str(error)) from error
    if config["split"] == "held_out" and set(config["tasks"]) == {"match_bowls"}:
        raise UsageError("tasks=[match_bowls] split=held_out: it pairs no two colours; name another task")


def _bar(what: str, total: int) -> Any:
    import sys

    from tqdm import tqdm

    return tqdm(total=total, desc=what, file=sys.stderr, dynamic_ncols=True, mininterval=0.3)


def _told(config: dict[str, Any], found: dict[str, Any]) -> int:
    for name, value in found.items():
        print(f"{name:<20} {value}")
    _write(config, found)
    return 0


def _write(config: dict[str, Any], found: dict[str, Any]) -> None:
    if config["out"] is not None:
        path = Path(config["out"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
