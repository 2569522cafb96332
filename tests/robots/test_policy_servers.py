"""Promises of the policy servers to their clients, and of our clients to their callers, over real sockets."""

from __future__ import annotations

import dataclasses
import re
import socket
import threading
import time
import urllib.request

import numpy as np
import pytest
import zmq

from robots.errors import ArrayRefused
from robots.policy_servers.clients import Gr00tClient, OpenpiClient
from robots.policy_servers.errors import (
    AddressRefused,
    FieldMissing,
    FieldRefused,
    PolicyServerError,
    PolicyServerRefused,
    PolicyServerUnavailable,
)
from robots.policy_servers.gr00t import Gr00tServer
from robots.policy_servers.gr00t_forms import flatten, nest
from robots.policy_servers.keys import keys_for
from robots.policy_servers.msgpack_numpy import MAX_BYTES, decode, encode
from robots.policy_servers.observations import Calibration
from robots.policy_servers.openpi import OpenpiServer
from robots.policy_servers.session import Session
from robots.zmq_context import Context
from tests.policy_fakes import LENGTHS, POSE, SPEC, K, Sweep, reader, request, sweep_metadata, sweep_session

HERE = "127.0.0.1:0"
SERVERS = {"openpi": (OpenpiServer, OpenpiClient), "gr00t": (Gr00tServer, Gr00tClient)}


def server_of(protocol: str, **changes):
    changes = {"new_session": lambda: sweep_session(protocol)} | changes
    return SERVERS[protocol][0](metadata=sweep_metadata(protocol), address=HERE, **changes)


def client_of(protocol: str, server, timeout_s: float = 20.0):
    return SERVERS[protocol][1](f"127.0.0.1:{server.port}", timeout_s)


@pytest.fixture(params=SERVERS)
def protocol(request) -> str:
    return request.param


# -- a session ----------------------------------------------------------------------------------------


def test_rows_are_the_policy_s_own_in_order_and_held_to_fill_up():
    session, q, rows = sweep_session(), SPEC.q_home, []
    while True:
        answer = session.answer(request(q=q))
        assert answer.actions.shape == (8, 8)
        q = answer.actions[-1, :7]
        rows.extend(answer.actions[:, 0] - SPEC.q_home[0])
        if answer.done:
            break
    distinct = [r for k, r in enumerate(rows) if k == 0 or abs(r - rows[k - 1]) > 1e-9]
    assert np.allclose(distinct, 1e-3 * np.arange(1, sum(LENGTHS) + 1))


def test_a_done_step_holds_the_arm_where_it_is_until_the_prompt_changes():
    session, q = sweep_session(), SPEC.q_home
    while not session.answer(request(q=q)).done:
        pass
    held = session.answer(request(q=q + 0.3, gripper=np.array([1.0])))
    assert held.done and np.allclose(held.actions[:, :7], q + 0.3)
    assert (held.actions[:, 7] == 1.0).all()  # closed, as the policy left it
    assert not session.answer(request(prompt="put the green block on the table")).done


@pytest.mark.parametrize("closed", [True, False])
def test_the_gripper_is_converted_to_the_clients_convention_both_ways(closed):
    policy = Sweep()
    session = Session(policy, reader(closed=closed))
    answer = session.answer(request(gripper=np.array([0.2])))
    assert np.isclose(policy.seen[0].robot.gripper, 0.8 if closed else 0.2)
    assert np.allclose(answer.actions[:, 7], 0.25 if closed else 0.75)  # the sweep sends 0.75, 1 = open


def test_pictures_are_asked_for_only_when_the_policy_looks():
    session = sweep_session()
    session.answer(request())
    session.answer(request(image=None, depth=None))  # its second chunk needs the joints alone
    with pytest.raises(FieldMissing, match="2 entries are missing.*exterior_image_1_left.*exterior_depth_1"):
        session.answer(request(image=None, depth=None))
    session.answer(request())  # and it goes on where it was
    assert session.policy.chunk == 3


def test_what_is_missing_is_named_with_what_it_should_hold():
    with pytest.raises(FieldMissing) as caught:
        sweep_session().answer(request(depth=None, intrinsics=None, base_from_camera=None))
    for word in ("exterior_depth_1: float32", "exterior_intrinsics_1: (3, 3)", "calibration", "(4, 4)"):
        assert word in str(caught.value)
    for field in ("joints", "gripper", "prompt"):
        with pytest.raises(FieldMissing, match=getattr(keys_for("openpi"), field)):
            sweep_session().answer(request(**{field: None}))


def test_calibration_may_come_from_the_server_and_the_request_has_precedence():
    session = Session(Sweep(), reader(calibration=Calibration(K, POSE)))
    session.answer(request(intrinsics=None, base_from_camera=None))
    frame = session.policy.seen[0].images["front"]
    assert np.array_equal(frame.intrinsics, K) and np.array_equal(frame.base_from_camera, POSE)
    session.answer(request(intrinsics=2 * K + np.diag([0, 0, -1.0]), reset=True))
    assert session.policy.seen[-1].images["front"].intrinsics[0, 0] == 2 * K[0, 0]


def test_depth_in_millimetres_is_read_as_metres():
    session = sweep_session()
    session.answer(request(depth=np.full((176, 240), 900, np.uint16)))
    assert np.allclose(session.policy.seen[0].images["front"].depth, 0.9)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image", np.zeros((176, 240, 3), np.float32)), ("image", np.zeros((3, 176, 240), np.uint8)),
        ("image", np.zeros((8, 8, 3), np.uint8)), ("image", "a picture"),
        ("depth", np.zeros((240, 176), np.float32)), ("depth", np.full((176, 240), np.nan, np.float32)),
        ("depth", np.full((176, 240), -1.0, np.float32)), ("depth", np.zeros((176, 240), np.int64)),
        ("intrinsics", np.eye(4)), ("intrinsics", np.diag([0.0, 1, 1])), ("intrinsics", K * np.nan),
        ("base_from_camera", np.eye(3)), ("base_from_camera", 2 * np.eye(4)),
        ("base_from_camera", np.diag([1.0, 1, -1, 1])), ("base_from_camera", None),
        ("joints", np.zeros(6)), ("joints", SPEC.q_home * np.nan), ("joints", ["a"] * 7), ("joints", "home"),
        ("gripper", 1.5), ("gripper", np.nan), ("gripper", [0, 0]), ("joint_speed", np.full(7, np.inf)),
        ("prompt", ""), ("prompt", 7), ("prompt", "a" * 2000),
    ],
)  # fmt: skip
def test_malformed_entries_are_refused_by_their_name(field, value):
    policy = Sweep()
    with pytest.raises((FieldRefused, FieldMissing), match=getattr(keys_for("openpi"), field)):
        Session(policy, reader()).answer(request(**{field: value}))
    assert not policy.seen


def test_actions_that_are_not_finite_are_never_passed_on():
    with pytest.raises(PolicyServerError, match="not finite"):
        sweep_session(poison=np.nan).answer(request())


# -- both servers, both clients -----------------------------------------------------------------------


def test_closed_loop_in_process_carries_out_a_step(protocol):
    keys = keys_for(protocol)
    with server_of(protocol) as server:
        client, q, answers = client_of(protocol, server), SPEC.q_home, 0
        while True:
            answer = client.infer(request(keys, q))
            assert answer["actions"].shape == (8, 8) and answer["execute_rows"] == 8
            q, answers = answer["actions"][-1, :7], answers + 1
            if answer["done"]:
                break
        assert answers == sum(-(-n // 8) for n in LENGTHS)
        assert np.allclose(q - SPEC.q_home, 1e-3 * sum(LENGTHS), atol=1e-5)
        client.reset()
        assert not client.infer(request(keys))["done"]  # the same prompt, from the beginning
        client.close()


def test_each_client_has_a_session_of_its_own(protocol):
    keys = keys_for(protocol)
    with server_of(protocol) as server:
        one, two = client_of(protocol, server), client_of(protocol, server)
        for _ in range(3):
            one.infer(request(keys))
        first = two.infer(request(keys))["actions"]
        assert np.allclose(first[:, 0] - SPEC.q_home[0], 1e-3 * np.arange(1, 9), atol=1e-5)
        one.close()
        two.close()


def test_one_client_too_many_is_refused_and_the_others_continue(protocol):
    keys = keys_for(protocol)
    with server_of(protocol, max_clients=1) as server:
        first, second = client_of(protocol, server), client_of(protocol, server)
        first.infer(request(keys))
        with pytest.raises(PolicyServerRefused, match="ServerFull: this server already has 1 clients"):
            second.infer(request(keys))
        first.infer(request(keys))
        first.close()
        second.close()


def test_errors_reach_the_client_by_name_without_paths_and_the_next_request_is_served(protocol):
    keys = keys_for(protocol)
    failure: list[Exception] = [FileNotFoundError(2, "gone", "/home/someone/w.safetensors")]

    class Fails(Sweep):
        """With what stands in `failure` now: a server may begin a new session after an error."""

        def act(self, observation, step):
            if failure:
                raise failure[-1]
            return super().act(observation, step)

    def new_session():
        return Session(Fails(), reader(protocol))

    with server_of(protocol, new_session=new_session, public_errors=(ValueError,)) as server:
        client = client_of(protocol, server)
        with pytest.raises(PolicyServerRefused) as caught:
            client.infer(request(keys))
        assert "FileNotFoundError in the server" in str(caught.value) and "someone" not in str(caught.value)
        with pytest.raises(PolicyServerRefused, match=f"FieldMissing: {keys.joints}"):
            client.infer(request(keys, joints=None))
        failure[:] = [ValueError("picture is 10 x 10, see /usr/lib/thing")]
        with pytest.raises(PolicyServerRefused, match="picture is 10 x 10, see <path>") as caught:
            client.infer(request(keys))
        assert "usr" not in str(caught.value)
        failure.clear()
        assert client.infer(request(keys))["actions"].shape == (8, 8)
        client.close()
    with server_of(protocol, new_session=lambda: sweep_session(protocol)) as server:
        client = client_of(protocol, server)
        with pytest.raises(PolicyServerRefused):
            client.infer(request(keys, joints=np.zeros(3)))
        assert client.infer(request(keys))["actions"].shape == (8, 8)
        client.close()


def test_a_dead_server_is_an_error_that_says_for_how_long(protocol):
    keys = keys_for(protocol)
    server = server_of(protocol).start()
    client = client_of(protocol, server, timeout_s=0.3)
    client.infer(request(keys))
    server.close()
    time.sleep(0.2)
    begin = time.monotonic()
    with pytest.raises(
        PolicyServerUnavailable, match=r"no (answer|connection) for \d+\.\d s.*last answer was \d"
    ):
        client.infer(request(keys))
    assert time.monotonic() - begin < 8
    client.close()


def test_a_server_that_accepts_and_says_nothing_is_an_error_in_time(protocol):
    silent = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{silent.getsockname()[1]}"
    client = OpenpiClient(address, 0.3, 0.3) if protocol == "openpi" else Gr00tClient(address, 0.3)
    begin = time.monotonic()
    with pytest.raises(PolicyServerUnavailable, match="is it running"):
        client.infer(request(keys_for(protocol)))
    assert time.monotonic() - begin < 8
    client.close()
    silent.close()


def test_a_slow_policy_runs_into_the_client_s_limit_and_the_client_recovers(protocol):
    keys, go = keys_for(protocol), threading.Event()

    class Slow(Sweep):
        def act(self, observation, step):
            go.wait(20)
            return super().act(observation, step)

    with server_of(protocol, new_session=lambda: Session(Slow(), reader(protocol))) as server:
        client = client_of(protocol, server, timeout_s=0.3)
        with pytest.raises(PolicyServerUnavailable, match="no answer for"):
            client.infer(request(keys))
        go.set()
        client.timeout_s = 20.0
        assert client.infer(request(keys))["actions"].shape == (8, 8)
        client.close()


@pytest.mark.parametrize("address", ["0.0.0.0:0", "192.168.1.7:8000", "robot.lab:8000", "[::]:8000"])
def test_servers_are_for_this_machine_alone_unless_there_is_a_token(protocol, address):
    make = SERVERS[protocol][0]
    with pytest.raises(AddressRefused, match="not loopback.*token"):
        make(sweep_session, {}, address)
    assert make(sweep_session, {}, address, token="s" * 16).host in address


@pytest.mark.parametrize("address", ["8000", "127.0.0.1", "127.0.0.1:", ":8000", "127.0.0.1:99999", "a:b:c"])
def test_malformed_addresses_are_refused(protocol, address):
    with pytest.raises(AddressRefused, match="host:port"):
        SERVERS[protocol][0](sweep_session, {}, address)


def test_a_taken_address_is_a_named_error(protocol):
    with server_of(protocol) as server:
        again = SERVERS[protocol][0](sweep_session, {}, f"127.0.0.1:{server.port}")
        with pytest.raises(AddressRefused, match="cannot serve"):
            again.start()


def test_without_the_token_nobody_gets_in(protocol):
    keys, token = keys_for(protocol), "correct-horse-battery"
    with server_of(protocol, token=token) as server:
        for wrong in (None, "correct-horse-batterx"):
            client = SERVERS[protocol][1](f"127.0.0.1:{server.port}", 20.0, token=wrong)
            with pytest.raises((PolicyServerRefused, PolicyServerUnavailable)):
                client.infer(request(keys))
            client.close()
        client = SERVERS[protocol][1](f"127.0.0.1:{server.port}", 20.0, token=token)
        assert client.infer(request(keys))["actions"].shape == (8, 8)
        client.close()


# -- openpi alone -------------------------------------------------------------------------------------


def test_healthz_and_metadata_are_as_openpi_clients_expect_them():
    with server_of("openpi") as server:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz", timeout=10) as reply:
            assert reply.status == 200 and reply.read() == b"OK\n"
        client = client_of("openpi", server)
        told = client.connect()
        assert told["action_space"] == "joint_position" and told["action_is"].startswith("absolute")
        assert (told["action_dim"], told["action_horizon"], told["control_hz"]) == (8, 8, 20.0)
        assert told["joint_names"] == list(SPEC.joint_names) and told["gripper_one_is"] == "closed"
        assert set(dataclasses.asdict(keys_for("openpi")).values()) >= set(told["needs"])
        assert client.infer(request())["server_timing"]["infer_ms"] >= 0
        assert client.infer(request())["server_timing"]["prev_total_ms"] > 0
        client.close()


def test_a_web_page_cannot_reach_the_server_on_loopback():
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    with server_of("openpi") as server, pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{server.port}", origin="http://evil.example", proxy=None)


def test_hostile_frames_cost_their_sender_an_error_and_nobody_else_anything():
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    evil = encode(request())[:-1], b"\xdd\xff\xff\xff\xff", b"", "text", encode([1, 2]), encode({})
    objects = {b"__ndarray__": True, b"data": b"x" * 8, b"dtype": "|O", b"shape": [1]}
    with server_of("openpi") as server:
        good = client_of("openpi", server)
        good.infer(request())
        with connect(f"ws://127.0.0.1:{server.port}", compression=None, max_size=None, proxy=None) as bad:
            bad.recv(10)
            for frame in (*evil, encode({"observation/joint_position": objects})):
                bad.send(frame)
                said = bad.recv(10)
                assert isinstance(said, str) and ("Refused" in said or "Missing" in said), said
                assert "Traceback" not in said
            bad.send(b"\x00" * (33 << 20))
            with pytest.raises(ConnectionClosed):
                bad.recv(10)
        assert good.infer(request())["actions"].shape == (8, 8)
        good.close()


def test_our_decoder_refuses_an_object_array_that_crashes_others():
    with pytest.raises(ArrayRefused):
        decode(encode({"x": {b"__ndarray__": True, b"data": b"\x01" * 8, b"dtype": "|O", b"shape": [1]}}))


# -- GR00T alone --------------------------------------------------------------------------------------


def ask(server, message: bytes, kind: int = zmq.REQ):
    with Context() as context, context.socket(kind) as raw:
        raw.setsockopt(zmq.LINGER, 0)
        raw.setsockopt(zmq.RCVTIMEO, 10000)
        raw.connect(f"tcp://127.0.0.1:{server.port}")
        raw.send(message)
        return decode(raw.recv())


def test_batch_and_time_are_put_on_and_taken_off():
    flat = request(keys_for("gr00t"))
    nested = nest(flat)
    assert nested["video"]["exterior_image_1_left"].shape == (1, 1, 176, 240, 3)
    assert nested["state"]["joint_position"].shape == (1, 1, 7)
    assert isinstance(nested["language"]["task"][0][0], str)
    back, form = flatten(nested)
    assert not form.flat
    assert back.keys() == flat.keys()
    assert all(np.array_equal(back[key], flat[key]) for key in flat)
    with pytest.raises(FieldRefused, match="group/name"):
        nest({"prompt": "x"})
    with pytest.raises(FieldRefused, match=r"\(2, 1, 7\)"):
        flatten({"state": {"joint_position": np.zeros((2, 1, 7))}})


def test_every_endpoint_answers_as_their_client_expects():
    keys = keys_for("gr00t")
    with server_of("gr00t") as server:
        client = client_of("gr00t", server)
        assert client.call("ping")["status"] == "ok"
        config = client.call("get_modality_config")
        assert config["video"]["as_json"] == {
            "delta_indices": [0],
            "modality_keys": ["exterior_image_1_left"],
        }
        assert config["action"]["as_json"]["delta_indices"] == list(range(8))
        action, info = client.call("get_action", {"observation": nest(request(keys)), "options": None})
        assert action["joint_position"].shape == (1, 8, 7) and action["joint_position"].dtype == np.float32
        assert action["gripper_position"].shape == (1, 8, 1) and info["done"] is False
        for wrong in ("kill", "eval", 7):
            with pytest.raises(PolicyServerRefused, match="no endpoint"):
                client.call(wrong)
        assert client.call("ping")["status"] == "ok"
        client.close()


def test_hostile_requests_block_no_other_client():
    with server_of("gr00t") as server:
        for message in (b"", b"\xc1", b"\x80\x04cos\nsystem\n.", encode([1]), encode({"endpoint": {}})):
            assert "error" in ask(server, message)
        assert "error" in ask(server, encode({"endpoint": "get_action", "data": [1]}))
        assert "error" in ask(
            server, encode({"endpoint": "get_action", "data": {"observation": {"video": 3}}})
        )
        with Context() as context, context.socket(zmq.DEALER) as raw:
            raw.setsockopt(zmq.LINGER, 0)
            raw.connect(f"tcp://127.0.0.1:{server.port}")
            raw.send_multipart([b"no", b"empty", b"frame"])
            raw.send(b"alone")
            raw.send_multipart([b"", encode({"endpoint": "ping"})])  # leaves before the answer
        client = client_of("gr00t", server)
        assert client.call("ping")["status"] == "ok"
        client.close()


def test_sessions_of_silent_clients_are_dropped_for_new_ones(monkeypatch):
    import robots.policy_servers.gr00t as module

    monkeypatch.setattr(module, "IDLE_S", 0.05)
    keys = keys_for("gr00t")
    with server_of("gr00t", max_clients=1) as server:
        for _ in range(3):
            client = client_of("gr00t", server)
            client.infer(request(keys))
            client.close()
            time.sleep(0.1)


@pytest.mark.parametrize("scheme", ["", "tcp://", "ws://"])
def test_servers_and_clients_meet_over_ipv6(protocol, scheme):
    make_server, make_client = SERVERS[protocol]
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this computer has no IPv6 loopback")
    new_session = lambda: sweep_session(protocol)  # noqa: E731
    server = make_server(new_session, sweep_metadata(protocol), f"{scheme}[::1]:0").start()
    client = make_client(f"{scheme}[::1]:{server.port}", 20.0)
    assert client.infer(request(keys_for(protocol)))["actions"].shape == (8, 8)
    client.close()
    with pytest.raises(AddressRefused, match=r"cannot serve at \[::1\]:"):
        make_server(sweep_session, {}, f"[::1]:{server.port}").start()
    server.close()


def test_a_request_of_the_documented_size_is_answered_and_a_larger_one_by_name(protocol):
    from websockets.sync.client import connect

    def message(size: int) -> bytes:
        whole = encode({"x": b""})
        return (
            whole[:-2]
            + b"\xc6"
            + (size - len(whole) - 3).to_bytes(4, "big")
            + b"\0" * (size - len(whole) - 3)
        )

    sizes = {MAX_BYTES: "lacks|missing|Missing|Refused", MAX_BYTES + 1: "bytes; .* are allowed"}
    with server_of(protocol) as server:
        for size, says in sizes.items():
            assert len(message(size)) == size
            if protocol == "gr00t":
                said = ask(server, message(size))["error"]
            else:
                address = f"ws://127.0.0.1:{server.port}"
                with connect(address, compression=None, max_size=None, proxy=None) as raw:
                    raw.recv(10)
                    raw.send(message(size))
                    said = raw.recv(20)
            assert re.search(says, said), said
