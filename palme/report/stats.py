"""Confidence intervals of success counts."""

from __future__ import annotations

import math

Z95 = 1.959963984540054


def wilson(successes: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927).

    Unlike the normal interval it stays in [0, 1] and is valid at 0 and at n successes.

    Args:
        successes: number of successes.
        n: number of trials.
        z: quantile of the normal distribution.

    Returns:
        Lower and upper bound; (0, 1) for n = 0.

    Raises:
        ValueError: unless 0 <= successes <= n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} trials: expected 0 <= successes <= n")
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    scale = 1 + z * z / n
    middle = (p + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # exactly 0 and 1 at the ends, where rounding would leave 1e-17
    return (0.0 if successes == 0 else middle - half), (1.0 if successes == n else middle + half)


def newcombe_paired(both: int, only_first: int, only_second: int, neither: int) -> tuple[float, float]:
    """95 % interval of the difference of two shares over the same trials (Newcombe 1998, method 10).

    Args:
        both, only_first, only_second, neither: number of trials by outcome.

    Raises:
        ValueError: a count is negative, or there is no trial.
    """
    a, b, c, d = both, only_first, only_second, neither
    n = a + b + c + d
    if not (min(a, b, c, d) >= 0 and n > 0):
        raise ValueError(f"counts {a}, {b}, {c}, {d}: expected none negative and at least one trial")
    p, q = (a + b) / n, (a + c) / n
    (p_low, p_high), (q_low, q_high) = wilson(a + b, n), wilson(a + c, n)
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    covariance = float(a * d - b * c)
    if covariance > 0:  # continuity correction
        covariance = max(covariance - n / 2, 0.0)
    phi = covariance / math.sqrt(margins) if margins else 0.0

    def width(x: float, y: float) -> float:
        return math.sqrt(max(x * x - 2 * phi * x * y + y * y, 0.0))

    return p - q - width(p - p_low, q_high - q), p - q + width(p_high - p, q - q_low)
