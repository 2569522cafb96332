"""Promises of the chunk policy's teacher: its paths end at the joints shown as goals, within the limits."""

from __future__ import annotations

from itertools import islice

import numpy as np

from robots.motion.trajectory import effort
from robots.spec import ArmSpec
from sim.data.demonstrations import PHASES, demonstrations

SPEC = ArmSpec.load("panda")
GRASP, PLACE = 1, 4


def ends(demonstration, phase: str, following: str) -> list[int]:
    """Ticks at which `phase` gives way to `following`."""
    phases = [PHASES[k] for k in demonstration.phase]
    return [t for t in range(len(phases) - 1) if (phases[t], phases[t + 1]) == (phase, following)]


def test_motions_end_at_the_goals_that_are_shown():
    seen = 0
    for d in islice(demonstrations(SPEC, 3), 12):
        for before, after, goal in (("approach", "grip", GRASP), ("carry", "release", PLACE)):
            for t in ends(d, before, after):
                seen += 1
                np.testing.assert_allclose(d.q_target[t], d.goals[t][goal], atol=1e-9)
    assert seen > 20


def test_motions_keep_the_arm_s_limits():
    for d in islice(demonstrations(SPEC, 4), 6):
        leaving = np.array(d.q_target)[np.array(d.phase) == PHASES.index("retreat")]
        assert effort(SPEC, d.goals[-1][PLACE], leaving) <= 1.0


def test_the_same_seed_gives_the_same_demonstrations():
    a, b = (next(demonstrations(SPEC, 5)) for _ in range(2))
    np.testing.assert_array_equal(a.q_target, b.q_target)
