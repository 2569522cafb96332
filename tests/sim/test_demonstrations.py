"""Promises of the chunk policy's teacher: its paths end at the joints shown as goals, within the limits."""

from __future__ import annotations

from itertools import islice

import numpy as np

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


def test_no_target_moves_faster_than_the_joints_and_the_retreat_keeps_their_acceleration_too():
    """Before the retreat a motion may be planned again in its middle: the gate smooths that."""
    for d in islice(demonstrations(SPEC, 4), 6):
        speed = np.diff(d.q_target, axis=0) / SPEC.dt
        assert (np.abs(speed) <= SPEC.dq_max).all()
        retreat = np.array(d.q_target)[np.array(d.phase) == PHASES.index("retreat")]
        place = d.goals[-1][PLACE]
        assert np.abs(retreat[-1] - place).max() > 0.1
        speed = np.diff(np.concatenate([[place, place], retreat, retreat[-1:]]), axis=0) / SPEC.dt
        assert (np.abs(speed) <= SPEC.dq_max).all()
        assert (np.abs(np.diff(speed, axis=0)) / SPEC.dt <= SPEC.ddq_max).all()


def test_the_same_seed_gives_the_same_demonstrations():
    a, b = (next(demonstrations(SPEC, 5)) for _ in range(2))
    np.testing.assert_array_equal(a.q_target, b.q_target)
