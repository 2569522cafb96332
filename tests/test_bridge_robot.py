"""A robot across the bridge is a `Robot` like any other, by the clock and in lock-step."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from robots.bridge.client import BridgeClient
from robots.bridge.errors import NoSuchCamera
from robots.bridge.server import BridgeServer
from robots.executor import Executor
from robots.types import JointCommand, Robot
from sim.arm import SimulatedArm
from sim.driver import SimulatedDriver
from sim.jpeg import Jpeg
from sim.scene import Scene
from sim.world import World
from tests.bridge_rig import ANYWHERE, Bench, KeyRing, bench, path, spec_at
from tests.robot_contract import RobotContract


class OverTheBridge(RobotContract):
    bench: Bench

    def make_robot(self) -> Robot:
        return self.bench.armed()


class TestByTheClock(OverTheBridge):
    @pytest.fixture(autouse=True)
    def _bench(self, tmp_path) -> Iterator[None]:
        with bench(tmp_path, hz=100.0) as self.bench:
            yield

    def sent_to(self, robot: Robot, answers: list[np.ndarray]) -> np.ndarray:
        return path(self.bench.arm)


class TestInLockStep(OverTheBridge):
    @pytest.fixture(autouse=True)
    def _bench(self, tmp_path) -> Iterator[None]:
        with bench(tmp_path, hz=20.0, realtime=False) as self.bench:
            yield


class TestSimulated(RobotContract):
    @pytest.fixture(scope="class")
    def served(self, tmp_path_factory) -> Iterator[tuple[SimulatedDriver, BridgeServer, KeyRing]]:
        ring = KeyRing(tmp_path_factory.mktemp("keys"))
        driver = SimulatedDriver(spec_at(20.0))
        with BridgeServer(driver, ring.server, ring.folder, ANYWHERE, realtime=False) as server:
            yield driver, server, ring

    @pytest.fixture(autouse=True)
    def _connected(self, served) -> Iterator[None]:
        self.driver, self.server, self.ring = served
        self.client = self.connect()
        yield
        self.client.close()

    def connect(self, **more) -> BridgeClient:
        return BridgeClient(
            self.server.address, self.ring.client(), self.ring.server.public, timeout=5.0, **more
        )

    def make_robot(self) -> Robot:
        self.client.acquire()
        self.server.control.exclusive(
            lambda: (self.driver.load(Scene((), ())), self.server.control.restart())
        )
        self.client.rearm()
        return self.client

    def test_motion_is_the_same_to_the_bit_as_in_process(self, robot: BridgeClient) -> None:
        world = World()
        world.load(Scene((), ()), q=robot.spec.q_home)
        near = SimulatedArm(world, robot.spec)
        rng = np.random.default_rng(3)
        wishes = np.cumsum(rng.normal(0, 0.05, (60, 7)), axis=0)
        far_sent, near_sent = [], []
        try:
            for arm, sent in ((robot, far_sent), (near, near_sent)):
                executor, q = Executor(arm), arm.observe(()).robot.q
                for k, wish in enumerate(wishes):
                    sent.append(executor.send(q + wish, 0.5 + 0.5 * np.cos(k / 9)))
            np.testing.assert_array_equal([c.q_target for c in far_sent], [c.q_target for c in near_sent])
            far, here = robot.observe(), near.observe()
            np.testing.assert_array_equal(far.robot.q, here.robot.q)
            assert far.robot.gripper == here.robot.gripper
            for name, frame in here.images.items():
                np.testing.assert_array_equal(far.images[name].rgb, frame.rgb)
                np.testing.assert_array_equal(far.images[name].depth, frame.depth)
                np.testing.assert_array_equal(far.images[name].base_from_camera, frame.base_from_camera)
        finally:
            world.close()

    def test_jpeg_and_millimetres_are_near_the_raw_picture(self, robot: BridgeClient) -> None:
        raw = robot.observe(("front",)).images["front"]
        with self.connect(codec=Jpeg()) as viewer:
            exact = viewer.picture("front")  # the server has no codec yet: raw all the same
            self.server._camera._codec = Jpeg()
            small = viewer.picture("front")
            self.server._camera._codec = None
        np.testing.assert_array_equal(exact.rgb, raw.rgb)
        assert 0 < np.abs(small.rgb.astype(int) - raw.rgb).mean() < 6
        assert np.abs(small.depth - raw.depth).mean() < 5e-3

    def test_time_stands_still_between_commands(self, robot: BridgeClient) -> None:
        q = robot.observe(()).robot.q
        robot.command(JointCommand(q, 1.0, 0, 0.0))
        before = robot.read().arm_time
        time.sleep(0.3)
        assert robot.read().arm_time == before and robot.read().latched == ""

    def test_unknown_camera_names_those_there_are(self, robot: BridgeClient) -> None:
        with pytest.raises(NoSuchCamera, match="front"):
            robot.observe(["frnt"])
