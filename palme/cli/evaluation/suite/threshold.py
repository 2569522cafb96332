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
        threshold: readings of less probability are refused, in [0, 1].
        right, wrong: verdicts.
        acted: readings that are acted on, or answered.
    """

    threshold: float
    right: float
    wrong: float
    acted: float


def sweep(results: Sequence[CaseResult]) -> tuple[Point, ...]:
    """Points from threshold 0 to 1; () where no reading has a probability.

    A reading below the threshold is refused: right where that was wanted. What was refused without a
    reading stays as it was.
    """
    if not any(r.probability is not None for r in results):
        return ()
    right = np.array([r.verdict.grade == "right" for r in results])
    wrong = np.array([r.verdict.grade == "wrong" for r in results])
    wanted = np.array([r.case.refuse for r in results])
    sure = np.array([-1.0 if r.probability is None else r.probability for r in results])
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
