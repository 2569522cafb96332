"""results.json of a suite: verdicts counted in all and by category, cases, timings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from palme.cli.evaluation.layers import LAYERS
from palme.cli.evaluation.suite.case_result import CaseResult
from palme.cli.evaluation.suite.specs import DISTURBED
from palme.cli.evaluation.suite.threshold import sweep
from palme.cli.version import commit
from palme.report.stats import wilson
from sim.suites.verdict import GRADES

SCHEMA = "palme-suite/1"


def summary(
    results: Sequence[CaseResult], categories: Iterable[str], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of results.json. Everything but `timing` is the same whenever the seed is."""
    real = [r for r in results if not r.control]
    categories = tuple(dict.fromkeys(categories))
    out: dict[str, Any] = {
        "schema": SCHEMA,
        "commit": commit(),
        "settings": dict(settings),
        "suite": counts(real),
        "categories": _by_category(real, categories),
        "cases": [_case(r) for r in real],
        "timing": timing(real),
        "threshold": [asdict(point) for point in sweep(real)],
    }
    out["failed_by_layer"] = by_layer(real)
    if disturbed := [r for r in results if r.control == DISTURBED]:
        out["disturbed"] = {
            "suite": counts(disturbed),
            "categories": _by_category(disturbed, categories),
            "moved_by_hand": sum(r.disturbed for r in disturbed),
            "failed_by_layer": by_layer(disturbed),
            "cases": [_case(r) for r in disturbed],
        }
    controls = sorted({r.control for r in results if r.control not in ("", DISTURBED)})
    if controls:
        out["controls"] = {name: counts([r for r in results if r.control == name]) for name in controls}
        out["controls_by_category"] = {
            name: _by_category([r for r in results if r.control == name], categories) for name in controls
        }
    return out


def _by_category(results: Sequence[CaseResult], categories: Iterable[str]) -> dict[str, Any]:
    return {name: counts([r for r in results if r.case.category == name]) for name in categories}


def by_layer(results: Sequence[CaseResult]) -> dict[str, int]:
    """Cases that are not right, of those in which something was to be done, by the layer that failed."""
    return {layer: sum(r.layer == layer for r in results) for layer in LAYERS}


def counts(results: Sequence[CaseResult]) -> dict[str, Any]:
    """How many have which verdict, and Wilson's 95 % interval of each share."""
    n = len(results)
    by_grade: dict[str, int] = {grade: sum(r.verdict.grade == grade for r in results) for grade in GRADES}
    intervals = {grade: [round(x, 4) for x in wilson(k, n)] for grade, k in by_grade.items()}
    return {"n": n, **by_grade, "wilson95": intervals}


def timing(results: Sequence[CaseResult]) -> dict[str, Any]:
    """Medians and 95th percentiles in [ms], None where nothing was measured; sums in [s]."""
    return {
        "read_ms": _spread([r.read_ms for r in results if r.read_ms is not None]),
        "replan_ms": _spread([ms for r in results for ms in r.replan_ms]),
        "wall_s": round(sum(r.wall_s for r in results), 2),
        "arm_s": round(sum(r.arm_s for r in results), 2),
    }


def _case(r: CaseResult) -> dict[str, Any]:
    return {
        "id": r.case.id,
        "category": r.case.category,
        "say": r.case.say,
        "verdict": r.verdict.grade,
        "program": r.program,
        "steps": [text for text, _ in r.steps],
        "reason": r.verdict.why or r.told,
        "layer": r.layer,
        "layer_evidence": r.layer_evidence,
        "moved_by_hand": r.disturbed,
        "ending": r.ending,
        "told": r.told,
        "probability": None if r.probability is None else round(r.probability, 6),
        "confidence": None if r.confidence is None else round(r.confidence, 6),
        "if_acted_on": None if r.if_acted_on is None else r.if_acted_on.grade,
        "weakest": None if r.weakest is None else [round(r.weakest[0], 6), r.weakest[1]],
        "evidence": None if r.evidence is None else {key: round(v, 6) for key, v in r.evidence.items()},
        "doubts": list(r.doubts),
        "table": r.case.table,
        "lines": [[line.text, line.found, line.said] for line in r.lines],
    }


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"median": None, "p95": None}
    return {"median": round(float(np.median(values)), 2), "p95": round(float(np.percentile(values, 95)), 2)}
