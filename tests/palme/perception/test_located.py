"""The hand is turned where it would hit what stands beside, and only there."""

import math

import numpy as np
import pytest

from palme.perception.located import turn_with_room

EDGE, OPENING = 0.042, 0.066


def _points(*things: tuple[float, float, float]) -> np.ndarray:
    """(3, H, W) of solids (x, y, half width) in [m] on a table, seen from above; all as high as wide."""
    line = np.arange(-0.15, 0.15, 0.003)
    x, y = np.meshgrid(line, line, indexing="ij")
    z = np.zeros_like(x)
    for a, b, half in things:
        z = np.where((abs(x - a) <= half) & (abs(y - b) <= half), 2 * half, z)
    return np.stack([x + 0.5, y, z])


def _turned(angle: float, is_round: bool, away: float, yaw: float) -> float:
    """By how much the hand is turned for a thing with a neighbour at `angle`, `away` from it."""
    beside = (away * math.cos(angle), away * math.sin(angle), EDGE / 2)
    found, opening = turn_with_room(
        _points((0.0, 0.0, EDGE / 2), beside), np.array([0.5, 0.0, EDGE]), yaw, OPENING, EDGE, is_round
    )
    assert EDGE + 0.008 < opening <= OPENING
    turned = (found - yaw) % math.pi
    return min(turned, math.pi - turned)


@pytest.mark.parametrize("side", (1, -1))
def test_a_block_with_a_neighbour_where_a_finger_goes_is_taken_the_other_way(side: int) -> None:
    # At yaw 0 the fingers close along y.
    assert _turned(side * math.pi / 2, False, 0.055, 0.0) == pytest.approx(math.pi / 2)
    assert _turned(0.0 if side > 0 else math.pi, False, 0.055, 0.0) == 0.0


@pytest.mark.parametrize("k", range(8))
def test_a_cylinder_is_taken_beside_its_neighbour_wherever_that_is(k: int) -> None:
    angle = k * math.pi / 4
    turned = _turned(angle, True, 0.055, angle - math.pi / 2)
    assert turned > math.radians(40)
    assert _turned(angle, True, 0.055, angle) == 0.0


@pytest.mark.parametrize("angle", (0.0, 1.0, 2.0, 3.0))
def test_where_nothing_is_near_the_hand_keeps_its_turn(angle: float) -> None:
    for yaw in (0.0, 0.5, 1.0):
        assert _turned(angle, False, 0.11, yaw) == 0.0 == _turned(angle, True, 0.11, yaw)
