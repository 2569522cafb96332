"""The bridge's promises, each by breaking the thing itself: ends are killed, frames are forged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zmq

from robots.bridge import frames, keys, sockets
from robots.bridge.client import BridgeClient
from robots.bridge.errors import CommandStale, FaultStands, RoleNotAllowed
from robots.bridge.lease import SILENCE
from robots.bridge.server import WAKEUP, BridgeServer
from robots.bridge.wire import decode_answer, encode
from robots.drivers.ideal import IdealArm
from robots.errors import (
    ArmLatched,
    CommandFromFuture,
    CommandJumps,
    CommandNotFinite,
    CommandOutOfOrder,
    CommandOutside,
    CommandRejected,
    DriverError,
    LeaseHeld,
    LeaseMissing,
    LinkDead,
    SessionLost,
)
from robots.spec import ArmSpec
from robots.types import JointCommand
from robots.zmq_context import Context
from tests.bridge_rig import (
    ANYWHERE,
    PATIENCE,
    Bench,
    KeyRing,
    assert_within_limits,
    bench,
    free_ports,
    move,
    move_at_last,
    path,
    spec_at,
    until,
)

ROOT = Path(__file__).resolve().parent.parent.parent.parent


@pytest.fixture
def served(tmp_path):
    with bench(tmp_path) as made:
        yield made


def wait_latched(client: BridgeClient, word: str) -> str:
    def reason() -> str:
        state = client.read()
        return state.latched if state.at_rest and word in state.latched else ""

    return until(reason, word)


class Raw:
    """A client that may send anything: no seq kept, no checks, no queue limits."""

    def __init__(self, made: Bench, name: str = "robo", address: str = "", immediate: int = 1) -> None:
        self.key = made.ring.client(name)
        self._context = Context()
        self.socket = sockets.client_socket(
            self._context, zmq.DEALER, self.key, made.ring.server.public, frames.MAX_COMMAND
        )
        self.socket.setsockopt(zmq.IMMEDIATE, immediate)
        self.socket.setsockopt(zmq.SNDHWM, 1000)
        self.socket.connect(address or made.server.address)
        self.id = 1000

    def send(self, frame) -> None:
        self.socket.send(frame if isinstance(frame, bytes) else encode(frame))

    def ask(self, frame):
        self.send(frame)
        assert self.socket.poll(1000 * PATIENCE)
        return decode_answer(self.socket.recv())

    def close(self) -> None:
        self._context.destroy(linger=0)


# -- 1: silence stops the arm ------------------------------------------------------------------


def test_arm_holds_when_client_goes_silent(served: Bench) -> None:
    client, viewer = served.armed(), served.client("viewer", "viewer")
    move(client, 40, 0.004)
    served.impatient()
    client.heartbeat.beating = False
    wait_latched(viewer, "silent")
    served.impatient(PATIENCE)
    q = path(served.arm)
    assert np.abs(np.diff(q, axis=0))[:39].max() > 0.003  # it did move
    assert_within_limits(served.arm)
    until(lambda: len(served.arm.sent) > len(q) + 20)
    np.testing.assert_array_equal(path(served.arm)[-20:], np.repeat(path(served.arm)[-1:], 20, 0))
    with pytest.raises(ArmLatched, match="silent"):  # latched, though the client is back
        client.command(JointCommand(path(served.arm)[-1], 1.0, 1000, 0.0))
    client.rearm()
    client.command(JointCommand(path(served.arm)[-1], 1.0, 1001, 0.0))


@pytest.mark.timing
def test_deceleration_begins_within_110_ms_of_the_last_command_even_at_20_hz(tmp_path) -> None:
    with bench(tmp_path, hz=20.0) as made:
        client = made.armed()
        client.heartbeat.beating = False
        q = client.observe(()).robot.q
        for k in range(12):
            client.command(JointCommand(q + 0.02 * k, 1.0, k, 0.0))
            last = time.monotonic()
        made.impatient()
        until(lambda: "silent" in client.read().latched)
        sent = list(made.arm.sent)
        speeds = np.diff([c.q_target[0] for _, c in sent]) * 20.0
        slower = next(k for k, v in enumerate(speeds) if k > 8 and v < speeds[8] - 1e-6)
        assert sent[slower + 1][0] - last < SILENCE + 0.010 + 0.050  # the machine of a test may be busy


def test_in_lock_step_a_slow_commander_is_waited_for_and_one_who_is_gone_is_not(tmp_path) -> None:
    with bench(tmp_path, hz=20.0, realtime=False) as made:
        made.impatient(*made.as_served)
        client = made.armed()
        seq = move(client, 10, 0.004)
        client.heartbeat.beating = False
        time.sleep(6 * SILENCE)  # in the middle of a motion
        client.command(JointCommand(path(made.arm)[-1] + 0.004, 1.0, seq, 0.0))
        made.impatient()
        wait_latched(made.client("viewer", "viewer"), "silent")
        assert_within_limits(made.arm)


def test_arm_holds_when_its_client_is_killed(served: Bench) -> None:
    served.ring.client()
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from robots.bridge import keys\n"
        "from robots.bridge.client import BridgeClient\n"
        "from robots.types import JointCommand\n"
        "folder = Path(sys.argv[1])\n"
        "c = BridgeClient(sys.argv[2], keys.load_secret(folder, 'robo'), sys.argv[3], timeout=5.0)\n"
        "c.rearm(); q = c.observe(()).robot.q; print('moving', flush=True)\n"
        "for k in range(100000): c.command(JointCommand(q + 0.3 * np.sin(k / 40), 1.0, k, 0.0))\n"
    )
    arguments = [str(served.ring.folder), served.server.address, served.ring.server.public]
    child = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, cwd=ROOT)
    viewer = served.client("viewer", "viewer")
    try:
        assert child.stdout is not None and child.stdout.readline()
        until(lambda: len(served.arm.sent) > 50)
        served.impatient()
        os.kill(child.pid, signal.SIGKILL)
        wait_latched(viewer, "silent")
    finally:
        child.kill()
        child.wait()
    assert_within_limits(served.arm)


def test_the_watchdog_does_not_wait_for_the_network_thread(served: Bench, monkeypatch) -> None:
    client = served.armed()
    free = threading.Event()
    try:
        move(client, 20, 0.004)
        monkeypatch.setattr(served.server, "handle", lambda route, parts: free.wait(PATIENCE) and None)
        served.impatient()
        begin = time.monotonic()
        until(lambda: served.server.control.lease.latched and served.server.control.at_rest)
        assert time.monotonic() - begin < 5.0
    finally:
        free.set()


def test_a_beat_alone_moves_nothing_and_keeps_the_latch_off(served: Bench) -> None:
    client = served.armed()
    seq = move(client, 30, 0.004)
    until(lambda: client.read().at_rest)
    q = path(served.arm)[-1]
    served.impatient(10 * SILENCE)
    time.sleep(30 * SILENCE)
    np.testing.assert_array_equal(path(served.arm)[-1], q)
    assert client.read().latched == ""
    client.command(JointCommand(q, 1.0, seq, 0.0))


# -- 2 and 3: no jump; refused, never repaired --------------------------------------------------


def test_first_command_of_every_session_must_be_near_the_arm(served: Bench) -> None:
    client = served.armed()
    q = client.observe(()).robot.q
    for k in range(3):
        with pytest.raises(CommandJumps):
            client.command(JointCommand(q + 0.3, 1.0, k, 0.0))
        client.command(JointCommand(q, 1.0, 10 + k, 0.0))
        client.acquire()
        client.rearm()
    assert np.abs(path(served.arm) - q).max() < 1e-9


@pytest.mark.parametrize("realtime", [True, False])
def test_what_is_refused_moves_nothing_and_is_counted_by_name(tmp_path, realtime: bool) -> None:
    with bench(tmp_path, realtime=realtime) as made:
        client = made.armed()
        q = client.observe(()).robot.q
        client.command(JointCommand(q, 1.0, 5, 0.0))
        nan = q.copy()
        nan[3] = np.nan
        ahead = client.observe(()).t_mono + 60.0
        for command, error in (
            (JointCommand(nan, 1.0, 6, 0.0), CommandNotFinite),
            (JointCommand(q + 0.1, 1.0, 5, 0.0), CommandOutOfOrder),
            (JointCommand(q + 0.1, 1.0, 4, 0.0), CommandOutOfOrder),
            (JointCommand(q + 0.1, 1.0, 6, ahead), CommandFromFuture),
            (JointCommand(q + 0.1, 1.0, 6, np.nan), CommandRejected),
        ):
            with pytest.raises(error):
                client.command(command)
        counts = client.counts()
        assert counts["refused:CommandNotFinite"] == 1 and counts["refused:CommandOutOfOrder"] == 2
        assert counts["command"] == 1
        assert np.abs(path(made.arm) - q).max() < 1e-9


def test_a_clock_that_jumps_at_the_client_changes_nothing(served: Bench, monkeypatch) -> None:
    client = served.armed()
    seq = move(client, 10)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    move(client, 10, seq=seq)


def test_a_command_whose_sender_received_no_recent_state_is_stale(served: Bench) -> None:
    client = served.armed()
    seq = move(client, 5)
    served.impatient(PATIENCE)
    newest, taken = client.read().now - 1.0, served.server.counts()["command"]
    client.heartbeat.state_time = lambda: newest  # type: ignore[method-assign]
    with pytest.raises(CommandStale, match="newest state is"):
        client.command(JointCommand(path(served.arm)[-1], 1.0, seq, 0.0))
    assert served.server.counts()["command"] == taken


# -- 5: one lease holder -------------------------------------------------------------------------


def test_a_second_client_is_refused_by_name_and_the_first_goes_on(served: Bench) -> None:
    first, second = served.armed("robo"), served.client("rival")
    seq = move(first, 10)
    with pytest.raises(LeaseHeld, match="robo"):
        second.rearm()
    with pytest.raises(LeaseMissing):
        second.command(JointCommand(path(served.arm)[-1], 1.0, 0, 0.0))
    move(first, 10, seq=seq)
    assert first.read().holder == "robo"


@pytest.mark.parametrize("key", ["rival", "robo"])
def test_a_second_client_never_interleaves_with_a_stolen_token_or_the_same_key(
    served: Bench, key: str
) -> None:
    client, rival = served.armed("robo"), served.client(key)
    move(client, 5)
    if key == "rival":
        rival._token = client._token
    for k in range(20):
        with pytest.raises(LeaseMissing, match="robo"):
            rival.command(JointCommand(path(served.arm)[-1] + 0.1, 1.0, 100 + k, 0.0))
    assert served.server.counts()["command"] == 5
    move(client, 5, seq=5)


def test_a_human_takes_over_in_motion_without_a_jump_and_the_policy_is_out(served: Bench) -> None:
    policy, human = served.armed("robo"), served.client("anna", "human", human=True)
    seq = move(policy, 30, 0.004)
    human.rearm()
    with pytest.raises(LeaseMissing, match="anna"):
        policy.command(JointCommand(path(served.arm)[-1], 1.0, seq, 0.0))
    with pytest.raises(LeaseHeld, match="anna"):
        policy.acquire()
    move(human, 20, 0.004)
    assert_within_limits(served.arm)


def test_a_policy_s_key_cannot_take_over(served: Bench) -> None:
    served.armed("robo")
    with pytest.raises(RoleNotAllowed):
        served.client("rival", "policy", human=True).rearm()


def test_anyone_allowed_may_stop_the_arm(served: Bench) -> None:
    client, viewer = served.armed(), served.client("viewer", "viewer")
    seq = move(client, 20, 0.004)
    viewer.stop("a hand in the way")
    assert viewer.read().at_rest
    with pytest.raises(ArmLatched, match="a hand in the way .by viewer"):
        client.command(JointCommand(path(served.arm)[-1], 1.0, seq, 0.0))
    with pytest.raises(RoleNotAllowed):
        viewer.rearm()
    assert_within_limits(served.arm)


# -- 6: a restart is disarmed --------------------------------------------------------------------


def test_fifty_commands_queued_while_the_server_is_down_are_not_executed(served: Bench) -> None:
    client = served.armed()
    move(client, 5)
    session, token, port = client.session, client._token, served.server.port
    hostile = Raw(served, immediate=0)  # keeps what it sends for whoever comes to listen
    until(lambda: hostile.ask(frames.Read(1, session)).id == 1)
    served.server.close()
    q = path(served.arm)[-1]
    for k in range(50):
        target = tuple((q + 0.01 * k).tolist())
        hostile.send(frames.Command(k, session, token, 100 + k, target, 1.0, 0.0, 0.0))
    sent = len(served.arm.sent)
    served.server = served.serve(f"tcp://127.0.0.1:{port}")
    try:
        until(lambda: served.server.counts().get("refused:WrongSession", 0) >= 50)
    finally:
        hostile.close()
    assert served.server.counts().get("command", 0) == 0 and len(served.arm.sent) == sent


def test_our_own_client_keeps_nothing_for_the_next_server(served: Bench) -> None:
    client = served.armed()
    seq, tries = move(client, 5), 0
    client.heartbeat.beating = False
    client._connection.timeout = 0.2
    port, sent = served.server.port, len(served.arm.sent)
    served.server.close()
    sent = len(served.arm.sent)
    for k in range(3):
        with pytest.raises(LinkDead, match="nothing received from the server for"):
            client.command(JointCommand(path(served.arm)[-1], 1.0, seq + k, 0.0))
    dead = client.age()
    assert dead > 0.4
    served.server = served.serve(f"tcp://127.0.0.1:{port}")

    def lost() -> bool:
        nonlocal tries
        tries += 1
        try:
            client.command(JointCommand(path(served.arm)[-1], 1.0, seq + 10, 0.0))
        except LinkDead:
            return False
        except SessionLost as error:
            return "stale session" in str(error)
        raise AssertionError("a command of the old session was taken")

    until(lost)
    assert len(served.arm.sent) == sent
    assert served.server.counts()["refused:WrongSession"] <= tries  # those of before did not even arrive
    client.heartbeat.beating = True
    client._connection.timeout = PATIENCE
    client.reconnect()
    with pytest.raises(CommandRejected):
        client.command(JointCommand(path(served.arm)[-1], 1.0, seq + 11, 0.0))
    client.rearm()
    client.command(JointCommand(path(served.arm)[-1], 1.0, 0, 0.0))


def test_a_killed_server_is_noticed_and_its_successor_is_disarmed(tmp_path) -> None:
    made = Bench(tmp_path)  # for its keys
    made.server.close()
    key = made.ring.client()

    def spawn(port: int) -> tuple[subprocess.Popen, int]:
        words = [f"keys={tmp_path}", "backend=ideal", "control_hz=100", f"address=tcp://127.0.0.1:{port}"]
        child = subprocess.Popen(
            [sys.executable, "-m", "robots.serve", *words], stdout=subprocess.PIPE, cwd=ROOT, text=True
        )
        assert child.stdout is not None
        said = child.stdout.readline()
        assert "disarmed" in said
        return child, int(said.split("tcp://127.0.0.1:")[1].split(";")[0])

    child, port = spawn(free_ports())
    client = BridgeClient(f"tcp://127.0.0.1:{port}", key, made.ring.server.public, timeout=1.0)
    try:
        seq = move_at_last(client, 10)
        child.kill()
        child.wait()
        with pytest.raises(LinkDead, match="nothing received"):
            client.observe(())
        child, _ = spawn(port)

        def back() -> bool:
            try:
                client.reconnect()
            except LinkDead:
                return False
            return True

        until(back)
        with pytest.raises(CommandRejected):
            client.command(JointCommand(client.observe(()).robot.q, 1.0, seq, 0.0))
        move_at_last(client, 3)
        child.send_signal(signal.SIGTERM)  # a polite end: brakes, says what happened
        assert child.wait(PATIENCE) == 0
    finally:
        client.close()
        child.kill()
        child.wait()


# -- 7: no fault clears itself -------------------------------------------------------------------


def test_a_fault_of_the_arm_stays_until_cleared_and_rearmed(served: Bench) -> None:
    client = served.armed()
    seq = move(client, 5)
    served.arm.fails = "joint 3 is too hot"
    wait_for_fault(served)
    with pytest.raises(DriverError, match="last read"):  # never an old state that looks fresh
        until(lambda: client.read() and False)
    with pytest.raises(FaultStands, match="too hot"):
        client.rearm()
    served.arm.fails = None
    until(lambda: alive(client))
    assert served.arm.stops == 1
    with pytest.raises(ArmLatched, match="fault: DriverError: joint 3"):
        client.command(JointCommand(client.observe(()).robot.q, 1.0, seq, 0.0))
    with pytest.raises(FaultStands, match="too hot"):
        client.rearm()
    client.clear_fault()
    with pytest.raises(ArmLatched, match="rearm"):
        client.command(JointCommand(client.observe(()).robot.q, 1.0, seq, 0.0))
    client.rearm()
    client.command(JointCommand(client.observe(()).robot.q, 1.0, seq, 0.0))


def test_the_arm_s_own_stop_is_called_once_however_its_fault_is_worded(served: Bench) -> None:
    client = served.armed()
    move(client, 5)
    counts = served.server.control.counts
    for age in range(60, 80):
        met = counts["fault:DriverError"]
        served.arm.fails = f"state is {age} ms old"
        until(lambda met=met: counts["fault:DriverError"] > met)
    assert served.arm.stops == 1 and len(served.server.control.lease.faults) == 1
    served.arm.fails = None


class SlowlyEnabled(IdealArm):
    """Takes `TAKES` to be enabled, as xArm's box does; else its first `send` does."""

    TAKES = 0.8  # [s]

    def __init__(self, spec: ArmSpec) -> None:
        super().__init__(spec)
        self.enabled, self.enabled_by = False, ""

    def enable(self) -> None:
        time.sleep(self.TAKES)
        self.enabled, self.enabled_by = True, threading.current_thread().name

    def send(self, command: JointCommand) -> None:
        if not self.enabled:
            self.enable()
        super().send(command)


@pytest.mark.timing
def test_an_arm_that_is_slow_to_enable_is_enabled_before_it_listens(tmp_path) -> None:
    ring = KeyRing(tmp_path)
    arm = SlowlyEnabled(spec_at(20.0))
    with BridgeServer(arm, ring.server, tmp_path, ANYWHERE) as server:
        with BridgeClient(server.address, ring.client(), ring.server.public, patience=PATIENCE) as client:
            for again in range(2):  # after a fault, too
                client.rearm()
                assert arm.enabled and arm.enabled_by == "bridge-control"
                move(client, 8, seq=8 * again)
                client.stop("enough")
                arm.enabled = False


def wait_for_fault(served: Bench) -> None:
    until(lambda: served.server.control.lease.faults)


def alive(client: BridgeClient) -> bool:
    try:
        return bool(client.read())
    except DriverError:
        return False


# -- 9: bytes are never trusted ------------------------------------------------------------------


def test_hostile_frames_cost_their_sender_an_error_and_nobody_else_anything(served: Bench) -> None:
    client, hostile = served.armed("robo"), Raw(served, "hostile")
    seq = move(client, 5)
    session, token = client.session, client._token
    zeros = 7 * (0.0,)
    try:
        for frame, name in (
            (b"", "BadFrame"),
            (b"\x00" * 50, "WrongVersion"),
            (bytes([frames.VERSION]) * 50, "BadFrame"),
            (encode(frames.Read(1, session))[:-1] + b"!", "BadFrame"),
            (frames.Command(1, session, token, 99, 65 * (0.0,), 1.0, 0.0, 0.0), "BadFrame"),
            (frames.Command(1, session, token, 99, (*zeros, "0"), 1.0, 0.0, 0.0), "BadFrame"),
            (frames.Command(1, session, token, 99, zeros, 1.0, 0.0, 0.0), "LeaseMissing"),
            (frames.Rearm(1, session, token), "LeaseMissing"),
            (frames.Read(1, "0" * 16), "WrongSession"),
            (frames.Hello(1, 99, "x"), "WrongVersion"),
        ):
            answer = hostile.ask(frame)
            assert isinstance(answer, frames.Refused) and answer.name == name, (frame, answer)
        bad = served.server.counts()["refused:BadFrame"]
        hostile.socket.send_multipart([b"two", b"parts"])
        assert hostile.socket.poll(1000 * PATIENCE)
        assert served.server.counts()["refused:BadFrame"] == bad + 1
    finally:
        hostile.close()
    move(client, 5, seq=seq)
    assert served.server.counts()["command"] == 10


def test_nobody_takes_the_route_that_the_server_rings_itself_by(served: Bench) -> None:
    context = Context()
    rival = sockets.client_socket(
        context, zmq.DEALER, served.ring.client("rival"), served.ring.server.public, frames.MAX_COMMAND
    )
    rival.setsockopt(zmq.ROUTING_ID, WAKEUP)
    rival.setsockopt(zmq.IMMEDIATE, 0)
    rival.connect(served.server.address)
    rival.send(encode(frames.Hello(1, frames.VERSION, "rival")))
    try:
        client = served.armed("robo")
        with client.stream(depth=3) as stream:  # is acknowledged by that bell
            for k in range(30):
                stream.send(JointCommand(served.arm.spec.q_home, 1.0, k, 0.0))
        assert client.counts()["command"] == 30
        assert not rival.poll(100)
    finally:
        context.destroy(linger=0)


def test_commands_never_wait_for_a_picture(tmp_path, monkeypatch) -> None:
    with bench(tmp_path, cameras=("front",), size=(640, 480)) as made:
        client, viewer = made.armed(), made.client("viewer", "viewer")
        entered, free, seen = threading.Event(), threading.Event(), []
        picture = made.arm.picture

        def slow(camera: str):
            entered.set()
            assert free.wait(PATIENCE)
            return picture(camera)

        monkeypatch.setattr(made.arm, "picture", slow)
        thread = threading.Thread(target=lambda: seen.append(viewer.picture("front")))
        thread.start()
        try:
            assert entered.wait(PATIENCE)
            move(client, 60)  # while the camera is still at its picture
            assert made.server.counts()["command"] == 60 and not seen
        finally:
            free.set()
            thread.join(PATIENCE)
        assert seen[0].rgb.shape == (480, 640, 3)


def test_only_the_control_thread_reads_and_moves_the_arm(served: Bench, monkeypatch) -> None:
    touched: dict[str, set[str]] = {"read": set(), "send": set(), "stop": set()}

    def watched(method: str) -> None:
        plain = getattr(served.arm, method)

        def called(*given):
            touched[method].add(threading.current_thread().name)
            return plain(*given)

        monkeypatch.setattr(served.arm, method, called)

    for method in touched:
        watched(method)
    client = served.armed()
    move(client, 20)
    client.stop("enough")
    served.arm.fails = "too hot"
    wait_for_fault(served)
    served.arm.fails = None
    until(lambda: alive(client))
    client.clear_fault()
    client.rearm()
    assert touched == {method: {"bridge-control"} for method in touched}


def test_an_arm_too_slow_to_notice_silence_in_time_is_not_served(served: Bench) -> None:
    from robots.drivers.ideal import IdealArm
    from robots.errors import SpecError

    served.arm = IdealArm(spec_at(10.0))
    with pytest.raises(SpecError, match="control_hz"):
        served.serve()


@pytest.mark.parametrize("role", keys.ROLES)
def test_every_role_is_allowed_its_own_and_no_more(served: Bench, role: keys.Role) -> None:
    client = served.client("somebody", role, human=role == "human")
    may = {"viewer": (), "policy": ("rearm",), "human": ("rearm", "take over")}[role]
    assert client.read().latched
    if "rearm" in may:
        client.rearm()
        assert client.read().holder == "somebody"
        client.release()
    else:
        with pytest.raises(RoleNotAllowed):
            client.rearm()
    served.armed("robo")
    taker = served.client("somebody", role, human=True)
    if "take over" in may:
        taker.rearm()
    else:
        with pytest.raises(RoleNotAllowed):
            taker.rearm()
    assert taker.read().holder == ("somebody" if "take over" in may else "robo")
    taker.stop("anybody may")
    assert "anybody may" in taker.read().latched


def test_targets_in_other_units_in_the_middle_of_a_session_hold_the_arm(served: Bench) -> None:
    client = served.armed()
    seq = move(client, 10)
    held = path(served.arm)[-1]
    for q in (np.degrees(held), held + 2 * np.pi, held - 2 * np.pi, held + 1e6, np.full(7, 1e300)):
        with pytest.raises(CommandOutside, match="panda_joint.*outside.*holding"):
            client.command(JointCommand(q, 1.0, seq, client.observe(()).t_mono))
    for gripper in (-1.0, 2.0, 50.0, 255.0, 850.0):
        with pytest.raises(CommandOutside, match="gripper"):
            client.command(JointCommand(held, gripper, seq, client.observe(()).t_mono))
    assert client.counts()["refused:CommandOutside"] == 10
    np.testing.assert_allclose(path(served.arm)[-1], held, atol=0.01)
    assert_within_limits(served.arm)
