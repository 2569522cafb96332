"""Fits the confidence to readings that were judged: what `palme eval suite=FILE reading_only=true` found.

    palme eval suite=FILE reading_only=true planner=program planner.weights=DIR out=OUT
    python -m palme.planners.program.agreement.fit OUT/results.json

What was refused as unsure counts by the verdict that it would have had. Prints the calibration as YAML, and
what it gave on tables that it was not fitted on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from palme.planners.program.agreement.confidence import Calibration, fitted, threshold_for

FOLDS = 5


@dataclass(frozen=True)
class Judged:
    """A reading that moved something or answered.

    Attributes:
        evidence: its features.
        right: whether its verdict was; else it was wrong.
        table: of its case.
    """

    evidence: Mapping[str, float]
    right: bool
    table: str

    @property
    def is_stopped(self) -> bool:
        """Whether the word check forbids it, however confident."""
        return self.evidence["sure_violations"] > 0


def judged(cases: Sequence[Mapping[str, Any]]) -> list[Judged]:
    """Readings of results that were right or wrong; what was refused tells nothing of them."""
    grades = [case.get("if_acted_on") or case["verdict"] for case in cases]
    return [
        Judged(case["evidence"], grade == "right", str(case["table"]))
        for case, grade in zip(cases, grades, strict=True)
        if case.get("evidence") and grade in ("right", "wrong")
    ]


def crossed(readings: Sequence[Judged]) -> list[float]:
    """The confidence of each by a calibration that was fitted on other tables; 0 for what is stopped."""
    tables = sorted({one.table for one in readings})
    fold_of = {table: k % FOLDS for k, table in enumerate(tables)}
    found = [0.0] * len(readings)
    for fold in range(FOLDS):
        rest = [one for one in readings if fold_of[one.table] != fold and not one.is_stopped]
        if not any(fold_of[one.table] == fold for one in readings):
            continue
        calibration = fitted([one.evidence for one in rest], [one.right for one in rest])
        for k, one in enumerate(readings):
            if fold_of[one.table] == fold and not one.is_stopped:
                found[k] = calibration(one.evidence)
    return found


def fit(readings: Sequence[Judged], n: int, wrong: float = 0.01) -> Calibration:
    """A calibration by all of them, with the threshold that tables not fitted on ask for.

    Args:
        n: cases in all, those that were refused among them.
        wrong: largest share of them that is acted on although it is wrong.
    """
    confidences = crossed(readings)
    rest = [one for one in readings if not one.is_stopped]
    calibration = fitted([one.evidence for one in rest], [one.right for one in rest])
    share = wrong * n / max(len(readings), 1)
    return replace(calibration, threshold=threshold_for(confidences, [one.right for one in readings], share))


def main(paths: Sequence[str]) -> None:
    """Print the calibration of results."""
    import yaml

    cases = [case for path in paths for case in json.loads(Path(path).read_text(encoding="utf-8"))["cases"]]
    readings = judged(cases)
    calibration, confidences = fit(readings, len(cases)), crossed(readings)
    acted = [
        one.right for one, sure in zip(readings, confidences, strict=True) if sure >= calibration.threshold
    ]
    right = sum(one.right for one in readings)
    print(f"# Logistic regression over {len(readings)} readings, {right} of them right.")
    print(f"# On other tables: {len(acted)} acted on, {acted.count(False)} wrong, of {len(cases)} cases.")
    weights = {name: round(weight, 3) for name, weight in calibration.weights.items()}
    said = {
        "threshold": round(calibration.threshold, 4),
        "offset": round(calibration.offset, 3),
        "weights": weights,
    }
    print(yaml.safe_dump(said, sort_keys=False).strip())


if __name__ == "__main__":
    main(sys.argv[1:])
