"""What moved besides is seen, whoever pushed it; what the steps moved is not."""

from __future__ import annotations

import pytest

from robots.skills import DONE, Step
from sim.judging.bystanders import bystanders
from tests.sim.judging.tables import moments

PUT = Step.put("green block", "blue bowl")
RED = Step.put("red block", "blue bowl")


@pytest.mark.parametrize(
    ("changes", "steps", "expected"),
    [
        (None, (PUT, DONE), []),
        ({"g": (0.50, 0.22, "B")}, (PUT, DONE), []),
        ({"g": (0.50, 0.22, "B")}, (), ["green block"]),
        ({"c": (0.52, -0.22, None)}, (PUT,), []),  # 2 cm are allowed
        ({"c": (0.52, -0.219, None)}, (PUT,), ["orange cylinder"]),
        ({"B": (0.53, 0.22, None), "c": (0.6, -0.2, None)}, (PUT,), ["blue bowl", "orange cylinder"]),
        ({"p": (0.45, 0.10, None)}, (PUT,), ["purple block"]),  # fell off while the green one was lifted
        ({"p": (0.45, 0.10, None)}, (Step.put("purple block", "table"), PUT), []),
        ({"r": (0.5, 0.0, None)}, (RED,), []),
        ({"r": (0.5, 0.0, None), "R": (0.7, 0.1, None)}, (RED,), ["red block"]),
    ],
)  # fmt: skip
def test_bystanders_are_what_moved_by_more_than_2_cm_and_no_step_was_about(changes, steps, expected):
    found = bystanders(moments(changes), steps)
    assert sorted(b.name for b in found) == expected
    assert all(b.metres > 0.02 for b in found)
