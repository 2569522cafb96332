"""The photo look shows the run that was logged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim.data.scene_sampler import layout
from sim.rendering.camera import intrinsics, project
from sim.rendering.replay_renderer import STAGE, VIEWS, ReplayRenderer
from sim.world.state import ObjectSpec, SceneState
from sim.world.world import World

STATE = SceneState((ObjectSpec("red", "block", "large"), ObjectSpec("blue", "bowl")), (None, None))


def red_pixels(picture: np.ndarray) -> int:
    r, g, b = picture.astype(int).transpose(2, 0, 1)
    return int(((r > 120) & (g < 60) & (b < 60)).sum())


@pytest.mark.parametrize("look", ["photo", "fast"])
def test_a_replay_renderer_follows_the_poses_it_is_given(look):
    scene = layout(STATE, np.random.default_rng(0), jitter=False)
    mirror = ReplayRenderer(scene, look=look, scale=1)
    positions, quats = mirror.world.poses()
    for view in VIEWS:
        assert mirror.frame(mirror.world.spec.q_home, 1.0, positions, quats, view, (160, 120)).shape == (
            120,
            160,
            3,
        )
    there = mirror.frame(mirror.world.spec.q_home, 1.0, positions, quats, "front", (160, 120))
    positions[0] = (0.5, 0.0, -2.0)
    gone = mirror.frame(mirror.world.spec.q_home, 1.0, positions, quats, "front", (160, 120))
    assert red_pixels(there) > 15 > red_pixels(gone)
    with pytest.raises(ValueError, match="1 poses for the 2 objects"):
        mirror.frame(mirror.world.spec.q_home, 1.0, positions[:1], quats[:1])
    mirror.close()


def test_photos_have_shadows_and_a_texture():
    world = World("photo")
    scene = layout(STATE, np.random.default_rng(1), jitter=False)
    world.place(scene)
    world.set_arm((0.0, 0.1, 0.0, -2.2, 0.0, 2.3, 0.8), 1.0)
    with_arm = world.render("front", (160, 120)).rgb
    bare = World("photo", robot=False)
    bare.place(scene)
    without = bare.render("front", (160, 120)).rgb
    corner = without[100:, :60].astype(float)
    assert corner.std(axis=(0, 1)).max() > 2  # grain
    darker = with_arm.astype(int).sum(2) < without.astype(int).sum(2) - 60
    wooden = with_arm[..., 0] > with_arm[..., 2].astype(int) + 15
    assert (darker & wooden).sum() > 100  # in the arm's shadow
    world.close()
    bare.close()


def neck(world, picture, camera, size):
    """Brightness of the arm at the joint of base and first link, on the lamp's side, and above it."""
    pose, k = world.base_from_camera(camera), intrinsics(camera.hfov_deg, size)
    x, y = np.asarray(world.light.direction[:2]) + pose[:2, 3]
    toward = np.arctan2(y, x) + np.deg2rad(np.arange(-15, 16, 3))

    def at(heights):
        ring = [(0.055 * np.cos(a), 0.055 * np.sin(a), z) for z in heights for a in toward]
        pixels, _ = project(np.array(ring), k, pose)
        return np.array([picture[int(v), int(u)].max() for u, v in pixels], int)

    return at(np.arange(0.138, 0.150, 0.001)), at(np.arange(0.160, 0.175, 0.002))


@pytest.mark.parametrize("seed", range(6))
def test_no_black_line_is_left_around_the_arm_s_neck_or_along_the_table(seed):
    scene = layout(STATE, np.random.default_rng(seed))
    renderer = ReplayRenderer(scene, look="photo", scale=1)
    positions, quats = renderer.world.poses()
    q = renderer.world.spec.q_home
    near = replace(STAGE, hfov_deg=20.0, target=(0.0, 0.0, 0.15))
    picture = renderer.frame(q, 1.0, positions, quats, near, (320, 240))
    seam, above = neck(renderer.world, picture, near, (320, 240))
    whole = renderer.frame(q, 1.0, positions, quats, "stage", (640, 480))
    renderer.close()
    assert seam.min() > 0.8 * np.median(above)
    assert not (whole.max(-1) < 25).any()
