"""A calibrated confidence: logistic regression over what is known of a reading."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from palme.logistic_regression import logistic_regression
from palme.planners.program.agreement.features import NAMES


@dataclass(frozen=True)
class Calibration:
    """Weights by feature, an offset, and the confidence from which a reading is acted on.

    Attributes:
        threshold: in [0, 1]; chosen so that at most `wrong` of the readings it was fitted on are acted on
            although they are wrong.
    """

    weights: Mapping[str, float]
    offset: float
    threshold: float

    def __call__(self, features: Mapping[str, float]) -> float:
        """Probability that a reading is right, in [0, 1]."""
        score = self.offset + sum(weight * features[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


@cache
def shipped() -> Calibration:
    """The calibration that comes with the model: `calibration.yaml`, which says what it was fitted on."""
    import yaml

    text = (files("palme.planners.program.agreement") / "calibration.yaml").read_text(encoding="utf-8")
    raw: dict[str, Any] = yaml.safe_load(text)
    return Calibration(raw["weights"], float(raw["offset"]), float(raw["threshold"]))


def fitted(rows: Sequence[Mapping[str, float]], right: Sequence[bool], ridge: float = 1.0) -> Calibration:
    """A calibration by logistic regression.

    Args:
        rows: features of each reading.
        right: whether it was.
        ridge: penalty of squared weights; the offset has none.

    Raises:
        ValueError: no rows, or all right or all wrong: nothing can be told apart.
    """
    if not rows or all(right) or not any(right):
        raise ValueError(f"{len(rows)} readings, {sum(right)} right: a calibration needs some of either kind")
    x = np.array([[row[name] for name in NAMES] for row in rows])  # (N, F)
    w, offset = logistic_regression(x, np.array(right, float), ridge)
    weights = {name: float(v) for name, v in zip(NAMES, w, strict=True)}
    return Calibration(weights, offset, 0.5)


def threshold_for(confidences: Sequence[float], right: Sequence[bool], wrong: float = 0.01) -> float:
    """The least confidence from which at most a share `wrong` of all readings is acted on and wrong."""
    pairs = sorted(zip(confidences, right, strict=True), reverse=True)
    allowed, errors, least = int(wrong * len(pairs)), 0, 1.0
    for confidence, is_right in pairs:
        errors += not is_right
        if errors > allowed:
            break
        least = confidence
    return least
