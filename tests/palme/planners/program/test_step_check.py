"""A step is not judged done, and nothing breaks, where what it is about is not seen any more."""

import numpy as np
import pytest

from palme.planners.program.goals import Beside, Between, Goal, InBowl, On
from palme.planners.program.step_check import check
from palme.planners.program.tracker import Tracker
from tests.palme.planners.program.scenes import scene
from tests.palme.planners.program.test_tracker import _detected

GONE = 9


@pytest.mark.parametrize(
    "goal", [InBowl(0, GONE), On(0, GONE), Beside(0, "left", GONE), Between(0, 1, GONE), On(GONE, 0)]
)
def test_a_step_about_what_is_gone_is_unsure(goal: Goal) -> None:
    seen, tracker = scene("red block 0.4 0.0", "blue block 0.5 0.1"), Tracker()
    objects = _detected(seen, np.random.default_rng(0))
    here = tracker.update(objects)
    verdict = check(goal, here, objects, tracker.rows)
    assert not verdict.success and verdict.unsure and verdict.reason
