"""The confidence is fitted to what was right, and its threshold keeps what is wrong below its share."""

import random

import pytest

from palme.planners.program.agreement.confidence import fitted, shipped, threshold_for
from palme.planners.program.agreement.features import NAMES


def _row(**some: float) -> dict[str, float]:
    return dict.fromkeys(NAMES, 0.0) | some


def _readings(n: int) -> tuple[list[dict[str, float]], list[bool]]:
    rng = random.Random(4)
    rows, right = [], []
    for _ in range(n):
        doubt = rng.random()
        rows.append(_row(log_probability=-doubt, disagrees=float(rng.random() < doubt)))
        right.append(rng.random() > doubt)
    return rows, right


def test_what_speaks_against_a_reading_lowers_its_confidence() -> None:
    calibration = fitted(*_readings(400))
    assert calibration(_row(log_probability=-0.1)) > calibration(_row(log_probability=-0.9))
    assert calibration(_row()) > calibration(_row(disagrees=1.0))


def test_it_is_calibrated() -> None:
    rows, right = _readings(1000)
    calibration = fitted(rows, right)
    confidences = [calibration(row) for row in rows]
    for low, high in ((0.2, 0.5), (0.5, 0.8)):
        within = [k for k, one in enumerate(confidences) if low <= one < high]
        mean = sum(confidences[k] for k in within) / len(within)
        assert sum(right[k] for k in within) / len(within) == pytest.approx(mean, abs=0.1)


@pytest.mark.parametrize("wrong", [0.0, 0.01, 0.05])
def test_the_threshold_keeps_the_wrong_ones_below_their_share(wrong: float) -> None:
    rows, right = _readings(600)
    calibration = fitted(rows, right)
    confidences = [calibration(row) for row in rows]
    least = threshold_for(confidences, right, wrong)
    acted = [is_right for one, is_right in zip(confidences, right, strict=True) if one >= least]
    assert acted.count(False) <= wrong * len(right)
    assert threshold_for(confidences, right, 0.2) <= least


def test_nothing_can_be_learnt_from_readings_of_one_kind() -> None:
    with pytest.raises(ValueError, match="either kind"):
        fitted([_row()] * 3, [True] * 3)


def test_the_shipped_one_doubts_what_it_should() -> None:
    calibration = shipped()
    assert set(calibration.weights) == set(NAMES)
    sure = _row(agrees=1.0)
    assert calibration(sure) >= calibration.threshold
    for doubt in (
        {"log_probability": -1.0, "weakest": -1.0},
        {"grave_violations": 2 / 3, "rival": 1.0},
        {"disagrees": 1.0, "log_probability": -1.0},
    ):
        assert calibration(_row(**doubt)) < calibration.threshold
