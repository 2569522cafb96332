"""`palme eval suite=FILE` or `families=[...]`: plays the cases, counts verdicts, writes results and pages."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from palme.cli.errors import UsageError, reason
from palme.cli.evaluation.suite.case_result import CaseResult
from palme.cli.evaluation.suite.results import summary
from palme.cli.evaluation.suite.specs import BLANKED, SHUFFLED, CaseSpec, specs_of
from palme.cli.evaluation.suite.workers import play
from palme.cli.evaluation.worker_lost import WorkerLost
from palme.cli.evaluation.writing import RESULTS, chosen_files, write_results
from palme.cli.exit_codes import exit_code
from palme.cli.out_lock import locked
from palme.cli.progress import Progress, plural
from palme.cli.settings.run import EvalConfig
from palme.cli.signals import held
from palme.report.suite_page import suite_page
from palme.report.suite_results import SuiteResults
from palme.report.threshold_plot import threshold_plot
from robots.errors import RobotError
from robots.files import replacing, write_texts
from sim.suites.errors import BadSuite
from sim.suites.families import FAMILIES
from sim.suites.families.drawing import drawn_suite
from sim.suites.loading import read_suite, suite_of
from sim.suites.suite import Suite
from sim.suites.verdict import GRADES

SUITE = "suite.yaml"
"""In `out`: the cases that families drew, to be looked at or played again by suite=."""


def evaluate(config: EvalConfig) -> int:
    """Play the suite, or the families. Returns 0; otherwise as `palme.cli.commands.eval.main`."""
    drawn = None if config.suite is not None else _drawn(config)
    suite = _read(Path(config.suite)) if config.suite is not None else suite_of(drawn, "families")
    suite = _chosen(suite, config.only)
    programs = config.planner.name == "written"
    controls: tuple[str, ...] = (
        (SHUFFLED,) if config.reading_only else (BLANKED,) if programs else (BLANKED, SHUFFLED)
    )
    specs = specs_of(suite, config.seed, controls if config.controls else (), config.disturb, programs)
    if not specs:
        raise UsageError(f"planner=written: no case of {suite.source} says its program; leave it out")
    if config.dry_run:
        return _planned_only(config, suite, specs)
    with locked(config.out) as out:
        if drawn is not None:
            write_texts({out / SUITE: yaml.safe_dump(drawn, sort_keys=False, allow_unicode=True)})
        print(_announcement(config, suite, specs), flush=True)
        return _evaluated(out, config, suite, specs)


def _drawn(config: EvalConfig) -> dict[str, Any]:
    """The suite of `config.families`, in the form of a file."""
    families = [FAMILIES[name] for name in dict.fromkeys(config.families)]
    return drawn_suite(families, config.episodes, config.seed)


def _read(path: Path) -> Suite:
    try:
        return read_suite(path)
    except BadSuite as error:
        raise UsageError(f"suite={error}") from error
    except OSError as error:
        raise UsageError(
            f"suite={path}: {reason(error)}; name a YAML file of tables and cases, see docs/suites.md"
        ) from error


def _chosen(suite: Suite, only: Sequence[str]) -> Suite:
    """The suite with the cases that are called so alone. Raises UsageError."""
    known = {case.id for case in suite.cases} | set(suite.categories)
    for name in only:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise UsageError(
                f"only={name}: no case or category of {suite.source}; nearest: {near}; "
                f"categories are {', '.join(suite.categories)}"
            )
    if not only:
        return suite
    cases = tuple(case for case in suite.cases if case.id in only or case.category in only)
    return replace(suite, cases=cases)


def _evaluated(out: Path, config: EvalConfig, suite: Suite, specs: Sequence[CaseSpec]) -> int:
    results: list[CaseResult] = []
    code, ended = 0, ""
    with Progress("eval", len(specs), "case") as bar, held("saving the case"):
        try:
            for result in play(config, specs):
                results.append(result)
                bar.set_postfix_str(_score(results), refresh=False)
                bar.update(1)
        except KeyboardInterrupt:
            code, ended = exit_code(False, stopped=True), "stopped"
        except (RobotError, WorkerLost) as error:  # what was played until then counts
            code, ended = exit_code(False), f"{type(error).__name__}: {error}"
        except BadSuite as error:
            raise UsageError(f"suite={suite.source}: {error}") from error
    if ended:
        print(f"palme eval: {len(results)} of {len(specs)} cases: {ended}", file=sys.stderr)
    if results or not ended:
        with held("saving the results"):
            _write(out, config, suite, results, finished=code == 0)
    return code


def _write(out: Path, config: EvalConfig, suite: Suite, results: list[CaseResult], finished: bool) -> None:
    order = {case.id: k for k, case in enumerate(suite.cases)}
    results.sort(key=lambda r: (r.control, order[r.case.id]))
    settings: dict[str, Any] = {
        "suite": suite.source, "seed": config.seed, "workers": config.workers, "complete": finished,
        "families": ", ".join(config.families) or None, "disturb": config.disturb,
        "reading_only": config.reading_only, "only": ", ".join(config.only) or None,
    }  # fmt: skip
    if config.reading_only:
        settings |= {"model": config.reader.model, "weights": _text(config.reader.weights)}
    else:
        settings |= {
            "robot": config.robot.name, "planner": config.planner.name, "policy": config.policy.name
        }  # fmt: skip
        if weights := getattr(config.planner, "weights", None):
            settings["weights"] = str(weights)
    content = summary(results, suite.categories, settings)
    files = chosen_files(out, content, finished)
    pictures = {r.case.id: r.pictures for r in results if r.pictures is not None and not r.control}
    plot = _plot(content["threshold"])
    write_results(files, content, suite_page(SuiteResults.from_json(content), pictures, plot))
    if plot is not None:
        with replacing(files[0].with_name("threshold.png" if finished else "threshold.partial.png")) as png:
            png.write_bytes(plot)
    for name, row in content["categories"].items():
        print(f"{name:<14} {_counted(row)}")
    print(f"{'all':<14} {_counted(content['suite'])}")
    if disturbed := content.get("disturbed"):
        print(f"disturbed with a chance of {config.disturb:g} after a step:")
        for name, row in disturbed["categories"].items():
            print(f"{name:<14} {_counted(row)}")
    for control, rows in content.get("controls_by_category", {}).items():
        print(f"control {control}:")
        for name, row in rows.items():
            print(f"  {name:<12} {_counted(row)}")
    for name, where in (("", content), (" disturbed", content.get("disturbed", {}))):
        if failed := {layer: n for layer, n in where.get("failed_by_layer", {}).items() if n}:
            print(f"failed{name} in:", ", ".join(f"{layer} {n}" for layer, n in failed.items()))
    if config.reading_only:
        print("the reading layer alone, on the true scene: no success figure")
    if files[0].name != RESULTS:
        print(f"{out / RESULTS} holds more than this unfinished evaluation and stays as it was")
    print(*files, sep="\n")


def _plot(points: Sequence[dict[str, float]]) -> bytes | None:
    """The plot of `palme.cli.evaluation.suite.threshold`; None without points."""
    if not points:
        return None
    names = {"right": "right", "wrong": "wrong", "acted": "acted on"}
    shares = {name: [point[key] for point in points] for key, name in names.items()}
    return threshold_plot([point["threshold"] for point in points], shares)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _counted(row: dict[str, Any]) -> str:
    low, high = row["wilson95"]["right"]
    counted = ", ".join(f"{grade} {row[grade]}" for grade in GRADES)
    return f"{row['n']:>4} cases: {counted}; right 95 % [{low:.3f}, {high:.3f}]"


def _announcement(config: EvalConfig, suite: Suite, specs: Sequence[CaseSpec]) -> str:
    controls = ", each disturbed as well" if config.disturb > 0 else ""
    controls += ", and its controls" if config.controls else ""
    how = (
        f"reading only, {config.reader.model}"
        if config.reading_only
        else f"planner={config.planner.name} policy={config.policy.name} robot={config.robot.name}"
    )
    return (
        f"{plural(len(suite.cases), 'case')} of {suite.source}{controls}; {how} seed={config.seed}\n"
        f"{plural(min(config.workers, len(specs)), 'worker')}; results go to {config.out}"
    )


def _planned_only(config: EvalConfig, suite: Suite, specs: Sequence[CaseSpec]) -> int:
    print(_announcement(config, suite, specs))
    for spec in specs:
        print(f"  {spec.control or spec.case.category} {spec.case.id}: {spec.said}")
    print("dry run: nothing was played or written")
    return 0


def _score(results: Sequence[CaseResult]) -> str:
    real = [r.verdict.grade for r in results if not r.control]
    return ", ".join(f"{grade} {real.count(grade)}" for grade in GRADES)
