"""A robot across the bridge is a `Robot` like any other, by the clock and in lock-step."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from robots.bridge import frames, heartbeat
from robots.bridge.client import BridgeClient
from robots.bridge.command_queue import CAPACITY
from robots.bridge.errors import CommandStale, CommandTooSoon, NoSuchCamera
from robots.bridge.server import BridgeServer
from robots.errors import ArmLatched, CommandNotFinite, LeaseMissing
from robots.executor import Executor
from robots.robot import Robot
from robots.types import JointCommand
from sim.rendering.jpeg import Jpeg
from sim.world.arm import SimulatedArm
from sim.world.driver import SimulatedDriver
from sim.world.scene import Scene
from sim.world.world import World
from tests.bridge_rig import (
    ANYWHERE,
    PATIENCE,
    Bench,
    KeyRing,
    assert_within_limits,
    bench,
    move,
    path,
    spec_at,
    until,
)
from tests.robot_contract import RobotContract


class OverTheBridge(RobotContract):
    bench: Bench

    def make_robot(self) -> Robot:
        return self.bench.armed()


class TestByTheClock(OverTheBridge):
    late = 200

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
        world = World(spec=robot.spec)
        world.load(Scene((), ()))
        near = SimulatedArm(world)
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


# -- commands that stream --------------------------------------------------------------------------


def wave(client: BridgeClient, ticks: int, seq: int = 0) -> list[JointCommand]:
    """From where the arm is and back, so slowly that the gate lets it pass unchanged."""
    q, t = client.observe(()).robot.q, np.arange(ticks)
    return [JointCommand(q + 0.02 * (1 - np.cos(k / 60)), 1.0, seq + int(k), 0.0) for k in t]


@pytest.mark.parametrize(("hz", "realtime"), [(200.0, True), (20.0, True), (20.0, False)])
def test_a_stream_is_executed_in_order_and_whole(tmp_path, hz: float, realtime: bool) -> None:
    with bench(tmp_path, hz=hz, realtime=realtime) as made:
        client = made.armed()
        commands = wave(client, 150 if hz > 100 else 30)
        acknowledged = []
        with client.stream(depth=3) as stream:
            for command in commands:
                acknowledged.append(stream.send(command))
                assert len(stream) <= stream.depth
            while len(stream):
                acknowledged.append(stream.collect())
        said = [sent for sent in acknowledged if sent is not None]
        assert [sent.seq for sent in said] == [command.seq for command in commands]
        until(lambda: made.arm.sent[-1][1].seq == commands[-1].seq)  # acknowledged before its tick
        sent = [command for _, command in list(made.arm.sent)]
        executed = [next(c for c in sent if c.seq == seq).q_target for seq in range(len(commands))]
        np.testing.assert_array_equal(executed, [sent.q_target for sent in said])
        assert_within_limits(made.arm)
        counts = client.counts()
        assert counts["command"] == len(commands) and not [name for name in counts if "refused" in name]


@pytest.fixture
def fast(tmp_path) -> Iterator[Bench]:
    with bench(tmp_path, hz=200.0) as made:
        yield made


def test_a_refusal_in_a_stream_names_its_command_and_the_others_go_on(fast: Bench) -> None:
    client = fast.armed()
    commands = wave(client, 40)
    commands[20] = JointCommand(commands[20].q_target * np.nan, 1.0, 20, 0.0)
    refused = []
    with client.stream(depth=3) as stream:
        for command in commands:
            try:
                stream.send(command)
            except CommandNotFinite as error:
                refused.append(str(error))
                stream.send(command)  # the one that was not sent
    assert len(refused) == 1 and "seq 20" in refused[0]
    assert client.counts()["command"] == 39


def test_calls_and_beats_go_on_beside_a_stream(fast: Bench) -> None:
    client = fast.armed()
    holder = fast.server.control.lease.holder
    assert holder is not None
    states = []
    with client.stream(depth=3) as stream:
        for command in wave(client, 120):
            stream.send(command)
            if command.seq % 10 == 0:
                states.append(client.read().tick)  # meets acknowledgements that are the stream's
        until(lambda: client.read().at_rest)  # all executed, none collected yet
        beats = holder.beat
        until(lambda: holder.beat > beats + 2, "beats")
    assert states == sorted(states) and len(set(states)) > 3 and client.counts()["command"] == 120
    assert client.read().latched == ""


def test_a_stop_from_another_thread_ends_a_stream_and_nothing_under_way_is_executed(fast: Bench) -> None:
    client = fast.armed()
    stopper = threading.Thread(target=client.stop, args=("a hand in the way",))
    with pytest.raises(ArmLatched, match="command seq .*a hand in the way"):
        with client.stream(depth=4) as stream:
            for command in wave(client, 4000):
                stream.send(command)
                if command.seq == 50:
                    stopper.start()
    stopper.join()
    assert client.read().at_rest and client.read().latched
    taken = client.counts()["command"]
    client.rearm()
    time.sleep(20 * fast.arm.spec.dt)
    assert client.counts()["command"] == taken < 4000
    assert_within_limits(fast.arm)


def test_after_a_takeover_that_has_ended_rearm_asks_for_the_lease_again(fast: Bench) -> None:
    robo = fast.armed()
    with fast.client("anna", "human", human=True) as anna:
        anna.rearm()
        with pytest.raises(LeaseMissing, match="anna does"):
            robo.rearm()
        anna.release()
    robo.rearm()
    move(robo, 3)


def test_a_takeover_ends_a_stream(fast: Bench) -> None:
    client, human = fast.armed(), fast.client("anna", "human", human=True)
    with pytest.raises(LeaseMissing, match="seq .*anna"):
        with client.stream() as stream:
            for command in wave(client, 4000):
                stream.send(command)
                if command.seq == 50:
                    human.acquire()
    assert_within_limits(fast.arm)


def test_a_stream_deeper_than_the_server_s_queue_is_not_begun(fast: Bench) -> None:
    client = fast.armed()
    for depth in (0, CAPACITY + 1):
        with pytest.raises(ValueError, match=f"1 to {CAPACITY}"):
            client.stream(depth)
    ahead = [client._connection.launch(client.frame_of(command)[1]) for command in wave(client, 3 * CAPACITY)]
    with pytest.raises(CommandTooSoon):
        for number in ahead:
            client._connection.fetch(number)


def test_an_acknowledgement_that_was_late_has_used_up_some_of_the_wait(tmp_path) -> None:
    with bench(tmp_path, hz=100.0) as made:
        client = made.client()
        for came, given, left in (
            (10.0, 1.0, 0.02),  # the first: as quick as any
            (10.5, 1.495, 0.015),  # 5 ms longer on its way
            (11.0, 1.95, 0.0),  # longer than there was to wait
            (12.0, 3.001, 0.02),  # quicker than any so far
            (112.0, 103.004, 0.02),  # clocks that have gone apart meanwhile
            (200.0, 150.0, 0.02),  # a computer that has slept
            (200.1, 150.098, 0.018),
        ):
            client._last = came, given, 0.02
            assert client.wait_s == pytest.approx(left, abs=2e-4), came
            assert client.wait_s == pytest.approx(left, abs=2e-4), came


def test_what_came_while_a_simulated_arm_was_put_elsewhere_is_refused(tmp_path) -> None:
    with bench(tmp_path, hz=20.0, realtime=False) as made:
        client, control = made.armed(), made.server.control
        move(client, 3)
        sent, working = len(path(made.arm)), threading.Event()

        def put_elsewhere() -> None:
            working.set()
            until(lambda: control.commands.pending is not None)
            control.restart()

        job = threading.Thread(target=control.exclusive, args=(put_elsewhere,))
        job.start()
        assert working.wait(PATIENCE)
        with pytest.raises(CommandStale, match="put elsewhere"):
            client.command(JointCommand(path(made.arm)[-1], 1.0, 100, 0.0))
        job.join(PATIENCE)
        assert len(path(made.arm)) == sent and control.counts["dropped_by_restart"] == 1
        client.command(JointCommand(path(made.arm)[-1], 1.0, 101, 0.0))


def test_an_acknowledgement_as_asked_is_what_was_sent_and_the_caller_s_array_is_its_own(fast: Bench) -> None:
    client = fast.armed()
    acks: list[frames.Ack] = []
    ask = client._ask
    client._ask = lambda make, kind: acks.append(ask(make, kind)) or acks[-1]  # type: ignore[method-assign]
    q, answers, begin = fast.server.control.snapshot.state.q.copy(), [], len(path(fast.arm))
    for seq in range(200):
        q += 1e-6
        answers.append(client.command(JointCommand(q, 1.0, seq, 0.0)).q_target)  # the same array each time
    as_asked = [ack.q_target is None for ack in acks]
    assert sum(as_asked) > 20
    went = {tuple(row) for row in path(fast.arm)[begin:].tolist()}
    assert all(tuple(answer.tolist()) in went for answer in answers)
    assert len({answer.tobytes() for answer in answers}) == len(answers)


def test_no_heartbeat_follows_a_release(fast: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be one of no lease; beats are due while each release is asked, and leave in between."""
    robo = fast.armed()
    monkeypatch.setattr(heartbeat, "BEAT", 0.001)
    sent: list[frames.Beat] = []
    link = robo.heartbeat._connection
    notify, ask = link.notify, robo._ask

    def noted(frame: frames.Beat, wait: float) -> None:
        sent.append(frame)
        notify(frame, wait)

    def slow(*arguments: object) -> object:
        before = len(sent)
        done = ask(*arguments)
        time.sleep(0.01)
        assert len(sent) == before
        return done

    monkeypatch.setattr(link, "notify", noted)
    for _ in range(5):
        monkeypatch.setattr(robo, "_ask", slow)
        robo.release()
        monkeypatch.setattr(robo, "_ask", ask)
        robo.acquire()
        time.sleep(0.01)
    assert sent
