"""Where in a bowl there is room, on measured points that are made up: free of walls and of what is inside."""

import math
import random

import numpy as np
import pytest

from palme.perception.bowl_spot import INNER, has_rim, spot_in_bowl

AT = (0.5, 0.1, 0.004)
Content = tuple[float, float, float, float]
"""x and y from the bowl's middle, half width and height of its top above the table, all in [m]."""


def _points(inner: float, contents: list[Content]) -> np.ndarray:
    """(3, H, W) of a bowl on a table, seen from above, with square things in it."""
    line = np.arange(-0.1, 0.1, 0.0025)
    x, y = np.meshgrid(line, line, indexing="ij")
    away = np.hypot(x, y)
    z = np.where(away < inner, 0.004, np.where(away < inner + 0.007, 0.030, 0.0))
    for a, b, half, top in contents:
        z = np.where((abs(x - a) <= half) & (abs(y - b) <= half), np.maximum(z, top), z)
    return np.stack([x + AT[0], y + AT[1], z])


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("edge", (0.034, 0.042))
@pytest.mark.parametrize("is_round", (False, True))
def test_the_first_thing_in_a_bowl_leaves_room_beside_it(inner: float, edge: float, is_round: bool) -> None:
    spot = spot_in_bowl(_points(inner, []), AT, edge, is_round)
    assert spot is not None and spot.yaw is not None and spot.xyz[2] == pytest.approx(0.004)
    off = float(np.hypot(*(spot.xyz[:2] - AT[:2])))
    assert 0.004 < off <= inner - edge / 2


@pytest.mark.parametrize("seed", range(20))
def test_what_is_inside_is_neither_hit_nor_shut_in(seed: int) -> None:
    rng = random.Random(seed)
    inner, edge = rng.choice(INNER), rng.choice((0.034, 0.042))
    contents: list[Content] = []
    for _ in range(rng.randint(1, 2)):
        half = rng.choice((0.017, 0.021))
        a, r = rng.uniform(0, 2 * math.pi), inner - 1.42 * half - 0.002
        place = (r * math.cos(a), r * math.sin(a))
        if all(math.dist(place, one[:2]) > 0.05 for one in contents):
            contents.append((*place, half, 0.004 + 2 * half))
    spot = spot_in_bowl(_points(inner, contents), AT, edge, False)
    assert spot is not None
    x, y = spot.xyz[:2] - AT[:2]
    if spot.yaw is None:  # on the lowest of what is inside
        top = min(content[3] for content in contents)
        assert spot.xyz[2] == pytest.approx(top, abs=0.002)
        assert any(math.hypot(x - a, y - b) < 0.006 for a, b, *_ in contents)
        return
    turn = np.array([[-math.sin(spot.yaw), math.cos(spot.yaw)], [math.cos(spot.yaw), math.sin(spot.yaw)]])
    corners = np.array([[i, j] for i in (-1, 1) for j in (-1, 1)]) * edge / 2 @ turn + [x, y]
    assert np.hypot(*corners.T).max() <= inner
    for a, b, half, _ in contents:
        grid = (
            np.stack(np.meshgrid(*(np.linspace(-half, half, 12),) * 2), -1).reshape(-1, 2) + [a, b] - [x, y]
        )
        assert (np.abs(grid @ turn.T).max(1) > edge / 2).all()


def test_a_pile_in_a_bowl_gets_higher_only_on_its_top() -> None:
    pile: list[Content] = [(0.0, 0.0, 0.021, 0.046), (0.001, 0.002, 0.017, 0.080)]
    spot = spot_in_bowl(_points(INNER[0], pile), AT, 0.034, False)
    assert spot is not None and spot.yaw is None and spot.xyz[2] == pytest.approx(0.080, abs=0.002)


def test_no_bowl_no_spot() -> None:
    flat = _points(INNER[1], [])
    flat[2] = 0.0
    assert spot_in_bowl(flat, AT, 0.034, False) is None


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("contents", ([], [(0.0, 0.0, 0.021, 0.046)]), ids=("empty", "filled"))
def test_a_bowl_has_a_rim_all_around(inner: float, contents: list[Content]) -> None:
    points = _points(inner, contents)
    assert has_rim(points, AT)
    assert not has_rim(points, (AT[0] + 0.12, AT[1], AT[2]))  # beside it


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize(("seen", "told"), [(11, True), (9, True), (6, False), (3, False)])
def test_a_rim_that_is_hidden_for_the_most_part_is_none(inner: float, seen: int, told: bool) -> None:
    points = _points(inner, [])
    angle = np.arctan2(points[1] - AT[1], points[0] - AT[0]) % (2 * math.pi)
    points[2] = np.where(angle < seen * math.pi / 6, points[2], 0.0)  # 12 parts of a turn
    assert has_rim(points, AT) == told


@pytest.mark.parametrize("top", (0.034, 0.042, 0.076))
def test_solids_have_no_rim(top: float) -> None:
    points = _points(INNER[0], [(0.0, 0.0, 0.021, top)])
    points[2] = np.where(np.hypot(points[0] - AT[0], points[1] - AT[1]) < INNER[0] - 0.01, points[2], 0.0)
    assert not has_rim(points, AT)
