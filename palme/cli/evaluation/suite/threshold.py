"""Verdicts as they would be if readings below a threshold of confidence were refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from palme.cli.evaluation.suite.case_result import CaseResult

STEPS = 101


@dataclass(frozen=True)
class Point:
    """Shares of all cases at one threshold.

    Attributes:
        threshold: readings of less confidence, or probability where there is none, are refused, in [0, 1].
        right, wrong: verdicts.
        acted: readings that are acted on, or answered.
    """

    threshold: float
    right: float
    wrong: float
    acted: float


def sweep(results: Sequence[CaseResult]) -> tuple[Point, ...]:
    """Points from threshold 0 to 1; () where no reading has a probability.

    A reading below the threshold is refused, which is right where that was wanted; one above it is acted on.
    What was refused without a reading stays as it was. The confidence counts where there is one.
    """
    calibrated = any(r.confidence is not None for r in results)
    sure = np.array([_or_none(r.confidence if calibrated else r.probability) for r in results])
    if not (sure >= 0).any():
        return ()
    grades = [(r.if_acted_on or r.verdict).grade for r in results]
    right, wrong = (np.array([grade == one for grade in grades]) for one in ("right", "wrong"))
    wanted = np.array([r.case.refuse for r in results])
    points = []
    for threshold in np.linspace(0.0, 1.0, STEPS):
        below = (sure >= 0) & (sure < threshold)
        points.append(
            Point(
                round(float(threshold), 4),
                float(np.where(below, wanted, right).mean()),
                float((wrong & ~below).mean()),
                float(((sure >= 0) & ~below).mean()),
            )
        )
    return tuple(points)


def _or_none(value: float | None) -> float:
    """-1 in place of None."""
    return -1.0 if value is None else value
