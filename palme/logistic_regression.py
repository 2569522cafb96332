"""Logistic regression by Newton's method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEPS = 50
FREE = 1e-6
"""Penalty of the offset: as good as none, and the equations have a solution."""


def logistic_regression(
    x: NDArray[np.float64], y: NDArray[np.float64], ridge: float
) -> tuple[NDArray[np.float64], float]:
    """Weights (F,) and the offset, in log-odds, that fit best.

    Args:
        x: (N, F) features.
        y: (N,) 1 = it is so, 0 = it is not.
        ridge: penalty of squared weights, > 0; the offset has none.
    """
    rows = np.column_stack([x, np.ones(len(x))])  # (N, F + 1)
    penalty = np.diag([ridge] * x.shape[1] + [FREE])
    w: NDArray[np.float64] = np.zeros(rows.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(rows @ w, -30, 30)))
        slope = rows.T @ (y - p) - penalty @ w
        step = np.linalg.solve(rows.T @ (rows * (p * (1 - p))[:, None]) + penalty, slope)
        w += step
        if np.abs(step).max() < 1e-8:
            break
    return w[:-1], float(w[-1])
