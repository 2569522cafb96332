"""Frames dropped, delayed, doubled, reordered, damaged between the ends: nothing moves that should not."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable

import numpy as np
import pytest

from robots.bridge.client import BridgeClient
from robots.bridge.faults import KINDS, FaultProxy
from robots.errors import ArmLatched, LinkDead, RobotError
from robots.types import JointCommand
from tests.bridge_rig import PATIENCE, Bench, assert_within_limits, bench, path, until


@pytest.fixture
def served(tmp_path):
    with bench(tmp_path, hz=100.0) as made:
        yield made


class ReplayProxy(FaultProxy):
    """Records the client's frames, to send them again."""

    def __init__(self, *given, **more) -> None:
        self.recorded: list[bytes] = []
        super().__init__(*given, **more)

    def _damage(self, way: int, route: bytes, frame: bytes) -> None:
        if way == 0:
            self.recorded.append(frame)
        super()._damage(way, route, frame)

    def replay(self, frames: list[bytes]) -> None:
        now = time.monotonic()
        for i, frame in enumerate(frames):  # spaced: a burst would overflow the short queue
            heapq.heappush(self._later, (now + 0.005 * i, -1 - i, 0, self._route, frame))


def through(served: Bench, kind: type[FaultProxy] = FaultProxy, **more) -> FaultProxy:
    key = served.ring.client()
    return kind(served.server.address, served.ring.server, key, served.ring.folder, **more)


def drive(served: Bench, client: BridgeClient, done: Callable[[], bool]) -> np.ndarray:
    """A slow wave until `done`, rearmed whenever it was stopped; returns all targets asked for.

    It begins in patience; from the first command on every limit is the real one.
    """
    q, asked, seq = client.observe(()).robot.q, [], 0
    limit = time.monotonic() + PATIENCE
    client.rearm()
    client._connection.timeout = 0.06
    served.impatient()
    while not done():
        assert time.monotonic() < limit, f"not done in {PATIENCE} s"
        seq += 1
        asked.append(q + 0.1 * np.sin(seq / 60))
        try:
            client.command(JointCommand(asked[-1], 1.0, seq, 0.0))
        except (LinkDead, RobotError) as error:
            if isinstance(error, ArmLatched):
                try:
                    client.rearm()
                except RobotError:
                    pass
    return np.array(asked)


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_of_fault_at_a_time_moves_nothing_unasked(
    served: Bench, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[tuple[float, ...]] = []
    submit = served.server.control.submit

    def noted(key, session, token, command, *more):
        reached.append(tuple(command.q_target))
        return submit(key, session, token, command, *more)

    monkeypatch.setattr(served.server.control, "submit", noted)
    with through(served, rate=0.0, kinds=(kind,)) as proxy:
        client = served.client(address=proxy.address)

        def enough() -> bool:
            proxy.rate = 0.15
            return proxy.done[kind] > 10 and len(served.arm.sent) > 60

        asked = drive(served, client, enough)
        proxy.rate = 0.0
    sent = path(served.arm)
    assert_within_limits(served.arm)
    assert reached and set(reached) <= set(map(tuple, asked.tolist()))
    assert (asked.min(0) - 0.02 <= sent).all() and (sent <= asked.max(0) + 0.02).all()  # joint by joint
    assert not any("ServerFailed" in name for name in served.server.counts())


@pytest.mark.timing
def test_all_faults_together_and_then_silence_ends_at_rest(served: Bench) -> None:
    with through(served, rate=0.0) as proxy:
        client = served.client(address=proxy.address)

        def enough() -> bool:
            proxy.rate = 0.3
            return min(proxy.done[kind] for kind in KINDS) > 3 and len(served.arm.sent) > 60

        drive(served, client, enough)
        proxy.cut = True
        viewer = served.client("viewer", "viewer")
        until(lambda: viewer.read().at_rest and viewer.read().latched)
        with pytest.raises(LinkDead):
            client.observe(())
    assert_within_limits(served.arm)
    n = len(served.arm.sent)
    until(lambda: len(served.arm.sent) > n + 20)
    assert np.ptp(path(served.arm)[-20:], axis=0).max() == 0.0


def test_a_recorded_session_played_again_moves_nothing(served: Bench) -> None:
    with through(served, ReplayProxy, rate=0.0) as proxy:
        client = served.client(address=proxy.address)
        client.rearm()
        q = client.observe(()).robot.q
        for seq in range(30):
            client.command(JointCommand(q + 0.002 * seq, 1.0, seq, 0.0))
        until(lambda: client.read().at_rest)
        done = served.server.counts()["command"]
        at = path(served.arm)[-1]
        frames = [frame for frame in proxy.recorded if b"command" in frame]
        assert len(frames) == 30
        proxy.replay(frames)
        until(lambda: served.server.counts().get("refused:CommandOutOfOrder", 0) >= 30)
        assert served.server.counts()["command"] == done
        np.testing.assert_array_equal(path(served.arm)[-1], at)


def test_a_dead_link_says_for_how_long(served: Bench) -> None:
    with through(served, rate=0.0) as proxy:
        client = served.client(address=proxy.address, timeout=0.1)
        client.heartbeat.stop().join()  # states come past the proxy: only answers count here
        proxy.cut = True
        time.sleep(0.4)
        with pytest.raises(LinkDead, match=r"received from the server for (0\.[5-9]|[1-9])"):
            client.observe(())


def test_a_stream_over_a_dead_link_says_so_and_for_which_command(served: Bench) -> None:
    with through(served, rate=0.0) as proxy:
        client = served.client(address=proxy.address)
        client.rearm()
        q = client.observe(()).robot.q
        with pytest.raises(LinkDead, match="command seq .*nothing received"):
            with client.stream(depth=3) as stream:
                for seq in range(4000):
                    stream.send(JointCommand(q + 0.0005 * min(seq, 30), 1.0, seq, 0.0))
                    if seq == 30:
                        client._connection.timeout = 0.3
                        proxy.cut = True
                        served.impatient()
        viewer = served.client("viewer", "viewer")
        until(lambda: viewer.read().at_rest and "silent" in viewer.read().latched)
    assert_within_limits(served.arm)


@pytest.mark.timing
def test_a_stream_through_all_faults_executes_nothing_twice_and_nothing_out_of_order(served: Bench) -> None:
    with through(served, rate=0.0) as proxy:
        client = served.client(address=proxy.address)
        client.rearm()
        q, seq, stream = client.observe(()).robot.q, 0, client.stream(depth=3)
        client._connection.timeout = 0.06
        proxy.rate = 0.15
        served.impatient()
        limit = time.monotonic() + PATIENCE
        while min(proxy.done[kind] for kind in KINDS) < 5 or len(served.arm.sent) < 200:
            assert time.monotonic() < limit
            seq += 1
            try:
                stream.send(JointCommand(q + 0.1 * np.sin(seq / 60), 1.0, seq, 0.0))
            except RobotError as error:
                if isinstance(error, ArmLatched):
                    try:
                        client.rearm()
                    except RobotError:
                        pass
        proxy.cut = True
        until(lambda: served.server.control.lease.latched and served.server.control.at_rest)
    sent = [command.seq for _, command in list(served.arm.sent)]
    assert sent == sorted(sent) and len(set(sent)) > 20
    counts = served.server.counts()
    assert counts["command"] == len(set(sent) - {-1})
    assert not any("ServerFailed" in name for name in counts)
    assert_within_limits(served.arm)
