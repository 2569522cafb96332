"""The arm of lines keeps the promises of a operator, so that what is tried on it holds on a run."""

from __future__ import annotations

import time

import numpy as np
import pytest

from palme.operator.operator import MODES, Jog
from palme.operator.rehearsal.arm import ACCELERATION, HIGH, LOW, Q_MAX, Q_MIN, LineArm, joints, points
from palme.operator.rehearsal.operator import RehearsalOperator
from tests.console_fakes import eventually

pytest.importorskip("PIL")
UP = Jog((0.0, 0.0, 1.0))


@pytest.fixture
def operator():
    with RehearsalOperator() as operator:
        yield operator


def test_the_joints_bring_the_tool_where_it_is():
    draw = np.random.default_rng(0)
    for xyz in draw.uniform(LOW, HIGH, (200, 3)):
        q = joints(xyz, 0.3)
        assert np.allclose(points(q)[-1], xyz, atol=1e-9)
        assert (Q_MIN <= q).all() & (q <= Q_MAX).all()


def test_the_arm_stays_in_its_box_and_says_what_holds_it():
    arm = LineArm()
    for _ in range(300):
        before = arm.velocity.copy()
        arm.tick(0.01, np.array([0.0, 0.0, -0.25]), 0.0, None)
        if not arm.limited_by:
            assert np.linalg.norm(arm.velocity - before) <= ACCELERATION * 0.01 + 1e-9
    assert arm.xyz[2] == LOW[2] and arm.limited_by == "table: fingers"


@pytest.mark.timing
def test_a_jog_lasts_a_tenth_of_a_second(operator):
    assert not operator.jog("console 1", UP).done
    assert operator.take("console 1").done
    eventually(lambda: operator._arm.still)
    assert operator.jog("console 1", UP).done
    eventually(lambda: not operator._arm.still)
    begin = time.monotonic()
    eventually(lambda: operator._arm.still)
    assert time.monotonic() - begin < 0.6
    assert operator._arm.xyz[2] < HIGH[2] - 0.05


def test_one_has_control_and_anybody_stops_it(operator):
    operator.take("console 1")
    for refused in (operator.take, operator.pause, operator.hand_back, lambda who: operator.jog(who, UP)):
        told = refused("console 2")
        assert not told.done and "console 1 has control" in told.message
    assert operator.stop("console 2", "seen").done and operator.status().mode == "stopped"
    assert not operator.take("console 1").done
    eventually(lambda: operator.rearm("console 1").done)
    assert operator.status().mode == "paused"
    assert operator.hand_back("console 1").done and operator.status().mode == "autonomous"


def test_who_left_holds_nothing(operator):
    operator.take("console 1")
    operator.disconnect("console 2")
    assert operator.status().holder == "console 1"
    operator.disconnect("console 1")
    assert (operator.status().mode, operator.status().holder) == ("paused", "")


def test_status_is_what_the_operator_promises(operator):
    status = operator.status()
    assert status.mode in MODES and status.cameras == ("front", "side")
    eventually(lambda: operator.picture("front"))
    assert operator.picture("front").rgb.shape == (480, 640, 3) and operator.picture("nose") is None
    assert not operator.reach("console 1", "nose", 1, 1).done
