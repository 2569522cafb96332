"""Grasps and places keep clear of what stands around, and mean the same wherever the scene is turned."""

from __future__ import annotations

import random

import numpy as np
import pytest

from robots.skills import COLOURS
from sim.data.scene_sampler import layout
from sim.geometry.footprints import Obstacles, box_disc_gap, box_gap, yaws_of
from sim.geometry.grasps import NoRoom, free_space, grasp_candidates, place_point
from sim.geometry.shapes import BOWL_FLOOR, BOWL_INNER, EDGE
from sim.tasks.table import random_state
from sim.world.state import ObjectSpec

BLOCK, LARGE = ObjectSpec("red", "block"), ObjectSpec("blue", "block", "large")
CYLINDER, BOWL = ObjectSpec("green", "cylinder"), ObjectSpec("pink", "bowl", "large")


def at(*points: tuple[float, float, float]) -> np.ndarray:
    return np.array(points, dtype=np.float64)


def edge_points(box: np.ndarray) -> np.ndarray:
    """(400, 2) points of the outline of a box: x, y, yaw, half length, half width."""
    x, y, yaw, length, width = box
    t, one = np.linspace(-1, 1, 100), np.ones(100)
    local = np.concatenate([np.stack(p, 1) for p in ((t, one), (t, -one), (one, t), (-one, t))])
    c, s = np.cos(yaw), np.sin(yaw)
    return local * (length, width) @ np.array([[c, s], [-s, c]]) + (x, y)


def test_gaps_are_exact_where_faces_meet_and_never_too_wide() -> None:
    one, turned = np.array([0, 0, 0, 0.02, 0.01]), np.array([0.05, 0, np.pi / 2, 0.01, 0.02])
    assert box_gap(one, turned) == pytest.approx(0.05 - 0.02 - 0.02)
    assert box_disc_gap(one, np.array([0.02 + 0.03, 0.01 + 0.04, 0.01])) == pytest.approx(0.05 - 0.01)
    rng, touching = np.random.default_rng(0), 0
    for _ in range(50):
        a, b = (np.array([*rng.uniform(-0.05, 0.05, 2), rng.uniform(-3, 3), 0.02, 0.01]) for _ in range(2))
        gap = float(box_gap(a, b))
        assert gap == pytest.approx(float(box_gap(b, a)))
        apart = np.linalg.norm(edge_points(a)[:, None] - edge_points(b)[None], axis=2).min()
        assert gap <= apart + 1e-12
        touching += gap < 0
    assert 5 < touching < 45


def test_a_cube_alone_is_grasped_at_its_middle_along_either_axis() -> None:
    grasps = grasp_candidates([BLOCK], at((0.5, 0.1, 0.017)), np.array([0.3]), 0)
    assert sorted(g.yaw for g in grasps) == pytest.approx([0.3, 0.3 + np.pi / 2])
    for g in grasps:
        np.testing.assert_allclose(g.xyz, (0.5, 0.1, 0.017))
        assert g.opening * 0.08 > EDGE["small"] and g.clearance > 0.05


def test_a_neighbour_one_centimetre_off_turns_the_grasp() -> None:
    positions = at((0.5, 0.0, 0.017), (0.5, 0.010 + 0.034, 0.017), (0.5, -0.010 - 0.038, 0.021))
    best, worst = grasp_candidates([BLOCK, CYLINDER, LARGE], positions, np.zeros(3), 0)
    assert best.yaw == pytest.approx(np.pi / 2)  # closes along x, where nothing stands
    assert best.clearance > 0.005 and worst.clearance < 0
    assert best.opening > worst.opening


def test_what_lies_lower_than_the_fingers_is_not_in_the_way() -> None:
    positions = at((0.5, 0.0, 0.017 + 0.042), (0.5, 0.0, 0.021), (0.5, 0.06, 0.017), (0.56, 0.0, 0.017))
    best = grasp_candidates([BLOCK, LARGE, CYLINDER, CYLINDER], positions, np.zeros(4), 0)[0]
    assert best.clearance > 0.02


def test_a_tall_pile_keeps_the_palm_away() -> None:
    pile = [(0.5, 0.09, 0.017 + 0.034 * k) for k in range(3)]
    best, worst = grasp_candidates([BLOCK] * 4, at((0.5, 0.0, 0.017), *pile), np.zeros(4), 0)
    assert best.yaw == pytest.approx(np.pi / 2) and worst.clearance < 0


def test_grasps_turn_with_the_scene() -> None:
    positions = at((0.5, 0.0, 0.017), (0.5, 0.05, 0.017), (0.44, 0.0, 0.021))
    specs, turn = [BLOCK, CYLINDER, LARGE], 0.7
    c, s = np.cos(turn), np.sin(turn)
    moved = positions @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    before = grasp_candidates(specs, positions, np.zeros(3), 0)
    after = grasp_candidates(specs, moved, np.full(3, turn), 0)
    for a, b in zip(before, after, strict=True):
        assert b.clearance == pytest.approx(a.clearance)
        assert np.cos(2 * (b.yaw - a.yaw - turn)) == pytest.approx(1.0)


def test_a_bowl_cannot_be_grasped() -> None:
    with pytest.raises(ValueError, match="pink bowl"):
        grasp_candidates([BOWL], at((0.5, 0, 0.015)), np.zeros(1), 0)


def test_an_empty_bowl_is_filled_in_the_middle() -> None:
    positions = at((0.4, 0, 0.017), (0.5, 0.1, 0.015))
    place = place_point([BLOCK, BOWL], positions, np.zeros(2), (None, None), 0, 1)
    np.testing.assert_allclose(place.xyz, (0.5, 0.1, BOWL_FLOOR + 0.017))
    assert place.clearance > 0.01


def test_an_occupied_bowl_takes_it_beside_what_is_in_it() -> None:
    positions = at((0.4, -0.1, 0.017), (0.5, 0.1, 0.015), (0.475, 0.1, BOWL_FLOOR + 0.017))
    place = place_point([BLOCK, BOWL, BLOCK], positions, np.zeros(3), (None, None, 1), 0, 1)
    assert np.hypot(*(place.xyz - positions[2])[:2]) > EDGE["small"]
    assert np.hypot(*(place.xyz - positions[1])[:2]) < BOWL_INNER["large"] / 2 - EDGE["small"] / 2
    assert place.clearance > 0


def test_a_full_bowl_takes_it_on_top() -> None:
    positions = at((0.4, -0.1, 0.017), (0.5, 0.1, 0.015), (0.5, 0.1, BOWL_FLOOR + 0.021))
    place = place_point([BLOCK, BOWL, LARGE], positions, np.zeros(3), (None, None, 1), 0, 1)
    np.testing.assert_allclose(place.xyz, (0.5, 0.1, BOWL_FLOOR + 0.042 + 0.017))


def test_a_block_is_set_square_on_the_one_below() -> None:
    positions = at((0.4, 0, 0.017), (0.5, 0.1, 0.021))
    place = place_point([BLOCK, LARGE], positions, np.array([0.0, 0.4]), (None, None), 0, 1, near=1.9)
    np.testing.assert_allclose(place.xyz, (0.5, 0.1, 0.042 + 0.017))
    assert place.yaw == pytest.approx(0.4 + np.pi / 2)  # the one of both that is next to the tool's turn


def test_free_spots_keep_clear_of_everything_and_of_the_inside_of_bowls() -> None:
    specs, positions = [BLOCK, BOWL], at((0.4, 0, 0.017), (0.5, 0.1, 0.015))
    points = at((0.5, 0.1, 0), (0.5, 0.16, 0), (0.6, -0.1, 0), (0.4, 0.0, 0), (0.9, 0.0, 0))[:, :2]
    free = free_space(specs, positions, np.zeros(2), 0, points)
    assert free.tolist() == [False, False, True, True, False]


def test_a_full_table_says_so() -> None:
    xs, ys = np.meshgrid(np.arange(0.33, 0.68, 0.05), np.arange(-0.3, 0.31, 0.05))
    positions = np.stack([xs.ravel(), ys.ravel(), np.full(xs.size, 0.021)], -1)
    n = len(positions)
    with pytest.raises(NoRoom, match="red block"):
        place_point([BLOCK] * n, positions, np.zeros(n), [None] * n, 0, None)


def test_every_clear_solid_of_hard_scenes_can_be_grasped_and_put_on_the_table() -> None:
    rng, seen = np.random.default_rng(0), 0
    for seed in range(6):
        state = random_state(random.Random(seed), 8)
        scene = layout(state, rng, jitter=False)
        positions = np.array([o.position for o in scene.objects])
        yaws = np.array([o.yaw for o in scene.objects])
        for i, o in enumerate(state.objects):
            if o.kind == "bowl" or not state.is_clear(i):
                continue
            assert grasp_candidates(state.objects, positions, yaws, i)[0].clearance > 0
            spot = place_point(state.objects, positions, yaws, state.holder, i, None)
            others = Obstacles.of(state.objects, positions, yaws, (i,))
            assert others.gap_to_discs(np.array([[*spot.xyz[:2], EDGE[o.size] / 2]]), np.zeros(1))[0] > 0.005
            seen += 1
    assert seen > 15


def test_yaw_is_read_from_whichever_face_is_up() -> None:
    half = np.sqrt(0.5)
    upright, on_its_side = [0, 0, np.sin(0.2), np.cos(0.2)], [half, 0, 0, half]
    yaws = yaws_of([ObjectSpec(COLOURS[0], "block")] * 2, np.array([upright, on_its_side]))
    assert np.cos(4 * (yaws - (0.4, 0.0))) == pytest.approx(1.0)
