"""The page of a suite says what its figures are of."""

from __future__ import annotations

import pytest

from palme.report.suite_page import suite_page
from palme.report.suite_results import SuiteResults

ONE = {"n": 1, "right": 0, "wrong": 0, "refused": 1, "failed": 0,
       "wilson95": {name: [0, 1] for name in ("right", "wrong", "refused", "failed")}}  # fmt: skip
SPREAD = {"median": None, "p95": None}


def page(reading_only: bool, plot: bytes | None = b"png") -> str:
    case = {
        "id": "a-1", "category": "relation", "say": "put it <there>", "verdict": "refused", "program": "",
        "steps": [], "reason": "I am not sure.", "confidence": 0.25,
    }  # fmt: skip
    content = {
        "commit": "0" * 40, "settings": {"reading_only": reading_only}, "suite": ONE,
        "categories": {"relation": ONE}, "cases": [case],
        "timing": {"read_ms": SPREAD, "replan_ms": SPREAD, "wall_s": 1.0, "arm_s": 1.0},
    }  # fmt: skip
    return suite_page(SuiteResults.from_json(content), {}, plot)


@pytest.mark.parametrize("reading_only", [True, False])
def test_from_pixels_what_was_refused_as_unsure_stays_refused(reading_only: bool) -> None:
    """What would have come of it is known where the reading alone is judged."""
    assert ("refused as unsure stays refused at every threshold" in page(reading_only)) != reading_only
    assert ("no success figure" in page(reading_only)) == reading_only


def test_without_a_plot_nothing_is_said_of_thresholds() -> None:
    assert "threshold" not in page(False, None)


def test_a_case_is_shown_as_text_with_its_confidence() -> None:
    assert "put it &lt;there&gt;" in page(False) and "confidence 0.250" in page(False)
