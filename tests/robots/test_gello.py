"""Promises of the GELLO server: the arm's own gate, one commander, silence stops, loopback only."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pytest
import zmq

from robots.errors import CommandRejected, RobotError
from robots.gello.server import GelloServer, _quat_xyzw
from robots.motion.kinematics import fk
from robots.policy_servers.errors import AddressRefused
from robots.robot import Rearmable, Robot
from robots.safety.gate import SafetyGate
from robots.spec import ArmSpec, rigid
from robots.types import JointCommand, Observation, RobotState
from robots.zmq_context import Context

SPEC = ArmSpec.load("panda")


class GatedArm(Robot, Rearmable):
    """A `Robot` that is its gate: it goes exactly where the gate lets it."""

    def __init__(self) -> None:
        self.spec, self.gate, self.q, self.gripper = SPEC, SafetyGate(SPEC), SPEC.q_home.copy(), 1.0
        self.sent, self.stops = list[JointCommand](), list[str]()

    def observe(self, cameras=None) -> Observation:
        return Observation({}, RobotState(self.q.copy(), np.zeros(7), self.gripper, fk(SPEC, self.q)), 0.0)

    def command(self, command: JointCommand) -> JointCommand:
        sent = self.gate.filter(command, self.q, self.gripper)
        self.q, self.gripper = sent.q_target, sent.gripper
        self.sent.append(sent)
        return sent

    def stop(self, reason: str) -> None:
        self.stops.append(reason)
        self.gate.stop(reason)

    def rearm(self) -> None:
        self.gate.rearm()


class Client:
    """Speaks as GELLO's own `ZMQClientRobot` does: REQ, `pickle.dumps` and `pickle.loads`."""

    def __init__(self, server: GelloServer) -> None:
        self.context = Context()
        self.socket = self.context.socket(zmq.REQ)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, 20000)
        self.socket.connect(f"tcp://127.0.0.1:{server.port}")

    def ask(self, method: str, **args):
        return self.raw(pickle.dumps({"method": method, "args": args} if args else {"method": method}))

    def raw(self, message: bytes):
        self.socket.send(message)
        return pickle.loads(self.socket.recv())

    def close(self) -> None:
        self.context.destroy(0)


@pytest.fixture
def arm() -> GatedArm:
    return GatedArm()


class Clock:
    """Monotonic time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(arm, clock):
    with GelloServer(arm, "127.0.0.1:0", silence_s=0.1, clock=clock) as server:
        yield server


def drive(client: Client, clock: Clock, state: np.ndarray, seconds: float, hz: float) -> int:
    """Send `state` for `seconds` at `hz`; returns the number of errors."""
    errors = 0
    for _ in range(round(seconds * hz)):
        clock.now += 1 / hz
        errors += client.ask("command_joint_state", joint_state=state) is not None
    client.ask("num_dofs")  # answered after the last tick
    return errors


@pytest.fixture
def client(server):
    client = Client(server)
    yield client
    client.close()


def wait_for(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_gello_s_four_methods_are_answered(arm, client, clock):
    assert client.ask("num_dofs") == 8
    state = client.ask("get_joint_state")
    assert np.allclose(state[:7], SPEC.q_home) and state[7] == 0.0  # open
    seen = client.ask("get_observations")
    assert set(seen) == {"joint_positions", "joint_velocities", "ee_pos_quat", "gripper_position"}
    assert seen["joint_positions"].shape == seen["joint_velocities"].shape == (8,)
    assert np.allclose(seen["ee_pos_quat"][:3], fk(SPEC, arm.q)[:3, 3])
    goal = np.array([*(SPEC.q_home + 0.1), 1.0])
    assert drive(client, clock, goal, 2.0, 20.0) == 0
    assert np.allclose(arm.q, SPEC.q_home + 0.1) and arm.gripper < 0.01  # 1 closes


def test_commands_go_through_the_arm_s_own_gate(arm, client, clock):
    far = client.ask("command_joint_state", joint_state=np.array([*(SPEC.q_home + 1.0), 0.0]))
    assert "CommandJumps" in far["error"] and not arm.sent
    clock.now += SPEC.dt
    client.ask("command_joint_state", joint_state=np.array([*SPEC.q_home, 0.0]))
    drive(client, clock, np.array([*(SPEC.q_home + 9.0), 0.0]), 1.5, 20.0)
    path = np.array([c.q_target for c in arm.sent])
    assert (path <= SPEC.q_max).all()
    assert (np.abs(np.diff(path, axis=0)) * SPEC.control_hz <= SPEC.dq_max + 1e-9).all()


@pytest.mark.parametrize(
    "state", [np.full(8, np.nan), np.zeros(7), np.zeros((1, 8)), np.zeros(8, bool), [None] * 8, "home", None]
)
def test_malformed_joint_states_move_nothing(arm, client, state):
    assert "error" in client.ask("command_joint_state", joint_state=state)
    assert not arm.sent


def test_a_list_of_numbers_will_do(arm, client):
    assert client.ask("command_joint_state", joint_state=[*SPEC.q_home.tolist(), 0.0]) is None
    assert len(arm.sent) == 1


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"nonsense",
        pickle.dumps([1]),
        pickle.dumps({"method": "stop"}),
        pickle.dumps({"method": "__init__"}),
        pickle.dumps({"method": "num_dofs", "args": {"x": 1}}),
        pickle.dumps({"method": ["num_dofs"]}),
        pickle.dumps({"method": "command_joint_state", "args": {"joint_state": np.zeros(8), "force": True}}),
        b"cos\nsystem\n(S'true'\ntR.",
        pickle.dumps(np.array([1, "a"], object)),
        b"\x80\x04)" + 60 * b"q\x00h\x00\x86" + b"h\x00\x93.",  # a name of 2 ** 60 tuples
    ],
)
def test_hostile_requests_get_an_error_and_the_next_is_served(arm, server, client, message):
    said = client.raw(message)
    assert set(said) == {"error"} and "Traceback" not in said["error"]
    assert server.refused == 1 and not arm.sent
    assert client.ask("num_dofs") == 8


def test_frames_that_no_req_sends_are_dropped(server, client):
    with Context() as context, context.socket(zmq.DEALER) as raw:
        raw.setsockopt(zmq.LINGER, 0)
        raw.connect(f"tcp://127.0.0.1:{server.port}")
        raw.send(b"alone")
        raw.send_multipart([b"a", b"b", b"c"])
        wait_for(lambda: server.refused == 2)
    assert client.ask("num_dofs") == 8


@pytest.mark.parametrize("hz", [20.0, 33.0, 50.0, 100.0, 250.0, 1000.0])
def test_an_arm_moves_no_faster_for_a_client_that_sends_more_often(arm, client, clock, hz: float) -> None:
    here, begin = np.array([*SPEC.q_home, 0.0]), clock.now
    client.ask("command_joint_state", joint_state=here)
    far = here.copy()
    far[0] += 1.5
    drive(client, clock, far, 0.5, hz)
    ticks = (clock.now - begin) * SPEC.control_hz
    assert ticks - 2 <= len(arm.sent) <= ticks + 1 + 1e-6
    assert arm.q[0] - SPEC.q_home[0] <= SPEC.dq_max[0] * (clock.now - begin) + 1e-9


def test_the_newest_command_is_the_one_that_is_used(arm, client, clock) -> None:
    client.ask("command_joint_state", joint_state=np.array([*SPEC.q_home, 0.0]))
    for k in range(1, 5):  # all within one tick
        clock.now += 0.2 * SPEC.dt
        client.ask("command_joint_state", joint_state=np.array([*(SPEC.q_home + 1e-3 * k), 0.0]))
    clock.now += 0.3 * SPEC.dt
    wait_for(lambda: len(arm.sent) == 2)
    np.testing.assert_allclose(arm.q, SPEC.q_home + 4e-3, atol=1e-9)


def test_time_that_was_lost_is_not_made_up_for_by_a_burst(arm, client, clock) -> None:
    home = np.array([*SPEC.q_home, 0.0])
    client.ask("command_joint_state", joint_state=home)
    clock.now += 0.09
    drive(client, clock, home, 0.001, 1000.0)
    assert len(arm.sent) <= 2


def test_what_a_tick_refuses_is_the_answer_to_the_next_command(arm, client, clock) -> None:
    home = np.array([*SPEC.q_home, 0.0])
    client.ask("command_joint_state", joint_state=home)
    arm.q = SPEC.q_home + 0.6  # somebody moved it
    clock.now += SPEC.dt
    wait_for(lambda: arm.gate.latched is not None)
    clock.now += SPEC.dt
    said = client.ask("command_joint_state", joint_state=home)["error"]
    assert "ArmLatched" in said and "FollowingError" in said and "panda_joint" in said
    assert len(arm.sent) == 1


def test_a_second_gello_may_observe_but_not_command(arm, server, client):
    home = np.array([*SPEC.q_home, 0.0])
    client.ask("command_joint_state", joint_state=home)
    other = Client(server)
    assert "another GELLO" in other.ask("command_joint_state", joint_state=home)["error"]
    assert other.ask("num_dofs") == 8 and len(arm.sent) == 1
    other.close()


def test_silence_stops_the_arm_until_somebody_rearms_it(arm, server, client, clock):
    home = np.array([*SPEC.q_home, 0.0])
    clock.now += 10.0
    client.ask("num_dofs")
    assert not arm.stops  # before the first command there is nothing to be silent about
    client.ask("command_joint_state", joint_state=home)
    clock.now += 0.11
    wait_for(lambda: arm.stops)
    assert "silent" in arm.stops[0]
    assert "ArmLatched" in client.ask("command_joint_state", joint_state=home)["error"]
    clock.now += 1.0
    client.ask("num_dofs")
    assert len(arm.stops) == 1
    server.rearm()
    wait_for(lambda: arm.gate.latched is None)
    assert client.ask("command_joint_state", joint_state=home) is None


def test_a_re_arm_in_the_middle_of_a_motion_stops_first_and_one_that_fails_ends_nothing(
    arm, server, client, clock
):
    client.ask("command_joint_state", joint_state=np.array([*SPEC.q_home, 0.0]))
    server.rearm()
    wait_for(lambda: arm.stops)
    assert arm.stops == ["re-armed"]
    wait_for(lambda: arm.gate.latched is None)
    clock.now += SPEC.dt
    client.ask("command_joint_state", joint_state=np.array([*SPEC.q_home, 0.0]))

    def refuse() -> None:
        arm.refusals += 1
        raise RobotError("not now")

    arm.refusals, arm.rearm = 0, refuse
    server.rearm()
    wait_for(lambda: arm.refusals)
    assert len(arm.stops) == 2 and arm.gate.latched
    assert client.ask("num_dofs") == 8  # it serves on


def test_closing_the_server_stops_an_arm_that_was_commanded(arm):
    with GelloServer(arm, "127.0.0.1:0", silence_s=30.0) as server:
        client = Client(server)
        client.ask("command_joint_state", joint_state=np.array([*SPEC.q_home, 0.0]))
        client.close()
    assert "ended" in arm.stops[0]
    with pytest.raises(CommandRejected):
        arm.command(JointCommand(SPEC.q_home, 1.0, 99, 0.0))
    untouched = GatedArm()
    GelloServer(untouched, "127.0.0.1:0").start().close()
    assert not untouched.stops


@pytest.mark.parametrize("address", ["0.0.0.0:6001", "*:6001", "192.168.0.2:6001", "lab:6001", "[::]:6001"])
def test_any_address_but_loopback_is_refused_by_name(arm, address):
    with pytest.raises(AddressRefused, match="not loopback.*pickles"):
        GelloServer(arm, address)


def test_the_server_starts_only_by_name():
    from palme.cli.commands.serve import main
    from palme.cli.config import load
    from palme.cli.errors import UsageError
    from palme.cli.settings.serve import ServeGelloConfig

    with pytest.raises(UsageError, match="name what to serve"):
        main([])
    assert load(ServeGelloConfig).address.startswith("127.0.0.1:")


def test_quaternions_are_of_the_rotation_they_stand_for():
    for rpy in np.random.default_rng(0).uniform(-np.pi, np.pi, (50, 3)):
        r = rigid(np.zeros(3), rpy)[:3, :3]
        x, y, z, w = _quat_xyzw(r)
        back = np.array([
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ])  # fmt: skip
        np.testing.assert_allclose(back, r, atol=1e-9)


def test_gello_drives_the_simulated_arm():
    pytest.importorskip("pybullet")
    from palme.cli.commands.serve_gello import _simulated
    from palme.cli.config import load
    from palme.cli.settings.serve import ServeGelloConfig

    clock = Clock()
    world, arm = _simulated(load(ServeGelloConfig))
    with GelloServer(arm, "127.0.0.1:0", silence_s=30.0, clock=clock) as server:
        client = Client(server)
        goal = client.ask("get_joint_state")
        goal[0] += 0.1
        assert drive(client, clock, goal, 1.5, 20.0) == 0
        reached = client.ask("get_joint_state")
        client.close()
    assert abs(reached[0] - goal[0]) < 0.01
    world.close()
