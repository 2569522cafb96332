"""Pictures of a simulated arm, drawn beside the loop: the same ones, of a known instant, never waited for."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest

from robots.errors import DriverError
from robots.spec import ArmSpec
from robots.types import JointCommand
from sim.data.scene_sampler import layout
from sim.rendering.async_renderer import AsyncRenderer
from sim.rendering.camera import CAMERAS
from sim.world.arm import SimulatedArm
from sim.world.state import ObjectSpec, SceneState
from sim.world.world import World
from tests.bridge_rig import until

STATE = SceneState((ObjectSpec("red", "block", "large"), ObjectSpec("blue", "bowl")), (None, None))


@pytest.fixture(scope="module")
def arm():
    made = SimulatedArm(World("fast"), cameras=[replace(CAMERAS["front"], size=(160, 120)), "wrist"])
    made.world.load(layout(STATE, np.random.default_rng(0)))
    made.hold(5)
    yield made
    made.world.close()


@pytest.fixture(scope="module")
def pictures(arm):
    made = AsyncRenderer(arm)
    yield made
    made.close()


def move(arm: SimulatedArm, ticks: int = 4) -> None:
    """A little way, and on with the numbers where the last one ended."""
    q, seq = arm.q, round(arm.time * 1000)
    for k in range(1, ticks + 1):
        arm.command(JointCommand(q + 0.01 * k, 1.0, seq + k, arm.time))


def same(frame, arm: SimulatedArm, camera: str) -> bool:
    """But for single pixels at an edge: what is dropped on the table lies a hair deeper than it is placed."""
    here = arm.world.render(arm.cameras[camera], depth=False)
    close = np.abs(frame.rgb.astype(int) - here.rgb).max(2) <= 2
    return bool(close.mean() > 0.995) and np.allclose(
        frame.base_from_camera, here.base_from_camera, atol=1e-6
    )


def test_what_is_drawn_beside_is_what_the_arm_itself_would_have_seen(arm, pictures) -> None:
    before = pictures.newest("wrist")[0]
    move(arm)
    pictures.follow()
    for camera in ("front", "wrist"):
        frame = pictures.fresh(camera)
        assert same(frame, arm, camera)
        assert frame.depth is not None and frame.depth.shape == frame.rgb.shape[:2]
        assert np.array_equal(frame.intrinsics, arm.world.render(arm.cameras[camera]).intrinsics)
    assert not same(before, arm, "wrist")


def test_a_thing_that_was_moved_is_seen_where_it_is(arm, pictures) -> None:
    def red(frame) -> int:
        r, g, b = frame.rgb.astype(int).transpose(2, 0, 1)
        return int(((r > 120) & (g < 90) & (b < 90)).sum())

    positions, quats = arm.world.poses()
    assert red(pictures.fresh("front")) > 15
    arm.world.set_pose(0, np.array([0.5, 0.0, -2.0]), quats[0])
    pictures.follow()
    assert red(pictures.fresh("front")) == 0
    arm.world.set_pose(0, positions[0], quats[0])


def test_a_picture_s_time_is_that_of_the_state_it_shows_however_long_it_took(arm, pictures) -> None:
    before = time.monotonic()
    pictures.follow()
    after = time.monotonic()
    os.kill(pictures._drawing.process.pid, signal.SIGSTOP)
    try:
        time.sleep(0.3)
    finally:
        os.kill(pictures._drawing.process.pid, signal.SIGCONT)
    pictures.fresh("front")
    assert before <= pictures.newest("front")[1] <= after


def test_nobody_waits_for_a_process_that_stands_still(arm, pictures) -> None:
    pictures.follow()
    pictures.fresh("wrist")
    os.kill(pictures._drawing.process.pid, signal.SIGSTOP)
    try:
        old, spent = pictures.newest("front")[1], time.thread_time()
        for _ in range(300):  # more than its pipe takes
            pictures.follow()
        assert time.thread_time() - spent < 1.0 and pictures.newest("front")[1] == old
        with pytest.raises(DriverError, match="front: nothing was drawn within 0.05 s"):
            pictures.fresh("front", 0.05)
    finally:
        os.kill(pictures._drawing.process.pid, signal.SIGCONT)
    until(lambda: pictures.newest("front")[1] > old, "a picture again")
    pictures.follow()
    assert same(pictures.fresh("front"), arm, "front")


def test_a_killed_process_is_an_error_for_who_asks_for_a_picture_and_for_nobody_else(arm) -> None:
    made = AsyncRenderer(arm, depth=False)
    assert made.newest("front")[0].depth is None
    made._drawing.process.kill()
    until(lambda: made._drawing._failure, "the end of the process")
    made.follow()
    made.follow()
    with pytest.raises(DriverError, match="camera wrist: the drawing process ended"):
        made._told = time.monotonic()
        made.fresh("wrist")
    made.close()
    made.close()


def test_a_world_without_a_scene_is_not_drawn() -> None:
    with pytest.raises(DriverError, match="load"):
        AsyncRenderer(SimulatedArm(World("fast")))


def test_an_arm_of_six_joints_is_drawn_as_it_stands() -> None:
    view = replace(CAMERAS["front"], size=(160, 120))
    arm = SimulatedArm(World(spec=ArmSpec.load("xarm6")), cameras=[view])
    arm.world.load(layout(STATE, np.random.default_rng(0)))
    arm.world.set_arm(arm.spec.q_home + 0.2, 0.5)
    drawn = AsyncRenderer(arm, depth=False)
    try:
        np.testing.assert_array_equal(drawn.fresh("front").rgb, arm.world.render(view, depth=False).rgb)
    finally:
        drawn.close()
        arm.world.close()
