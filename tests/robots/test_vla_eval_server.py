"""Promises of our server of vla-eval's protocol 1 to a harness, over real sockets, without vla-eval."""

from __future__ import annotations

import time
import urllib.request

import msgspec
import numpy as np
import pytest
from websockets.sync.client import connect

from robots.errors import ArrayRefused, MessageRefused
from robots.policy_servers.errors import AddressRefused
from robots.policy_servers.vla_eval import Turn, VlaEvalServer
from robots.policy_servers.vla_eval_wire import decode, encode
from tests.policy_fakes import POSE, SPEC, K

PICTURE = np.full((32, 48, 3), 90, np.uint8)
SENTENCE = "put the red block in the blue bowl"
WHOLE = {
    "images": {"front": PICTURE},
    "depth": {"front": np.full((32, 48), 0.9, np.float32)},
    "intrinsics": {"front": K},
    "base_from_camera": {"front": POSE},
    "state": np.append(SPEC.q_home, 0.25),
    "task_description": SENTENCE,
}


class Echo:
    """Answers with the joints it was shown, and is done at its third turn."""

    begun: list[Echo] = []  # noqa: RUF012

    def __init__(self) -> None:
        self.seen, self.closed = [], False
        self.begun.append(self)

    def answer(self, observation, instruction):
        self.seen.append((observation, instruction))
        row = np.append(observation.robot.q, observation.robot.gripper)
        return Turn(row[None], len(self.seen) == 3, {"cameras": ["front"]})

    def close(self):
        self.closed = True


@pytest.fixture
def server():
    Echo.begun = []
    hello = {"observation_params": {"depth": True}}
    with VlaEvalServer(Echo, SPEC, "front", hello, lambda png: PICTURE, "127.0.0.1:0") as server:
        yield server


@pytest.fixture
def client(server):
    with connect(f"ws://127.0.0.1:{server.port}", compression=None) as client:
        yield client


def ask(client, kind, payload, seq=7):
    client.send(encode(kind, payload, seq))
    return decode(client.recv(timeout=20), lambda png: PICTURE)


def changed(**entries):
    return {key: value for key, value in (WHOLE | entries).items() if value is not None}


def test_the_hello_tells_the_protocol_and_how_the_benchmark_is_to_be_set(client):
    said = ask(client, "hello", {"protocol_version": 1, "harness_version": "0.8.0"}, seq=3)
    assert (said.kind, said.seq) == ("hello", 3)
    assert said.payload["protocol_version"] == 1 and said.payload["capabilities"] == {}
    assert said.payload["observation_params"] == {"depth": True}


def test_another_version_of_the_protocol_is_refused_by_its_number(client):
    said = ask(client, "hello", {"protocol_version": 2})
    assert said.kind == "error" and "protocol_version: 2" in said.payload["error"]


def test_an_observation_is_read_whole_and_answered_under_its_own_number(client):
    client.send(encode("episode_start", {"task": {"name": "any"}}, 1))
    said = ask(client, "observation", WHOLE, seq=41)
    assert (said.kind, said.seq) == ("action", 41)
    assert np.array_equal(said.payload["actions"], [[*SPEC.q_home, 0.25]])
    assert said.payload["done"] is False and said.payload["cameras"] == ["front"]
    observation, sentence = Echo.begun[0].seen[0]
    frame = observation.images["front"]
    assert sentence == SENTENCE and np.array_equal(frame.rgb, PICTURE) and (frame.depth == 0.9).any()
    assert np.array_equal(frame.base_from_camera, POSE) and observation.robot.gripper == 0.25


def test_an_observation_may_have_no_picture(client):
    client.send(encode("episode_start", {}, 1))
    assert ask(client, "observation", changed(images={})).kind == "action"
    assert not Echo.begun[0].seen[0][0].images


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ({"state": None}, "state: expected (8,)"),
        ({"state": np.zeros(7)}, "state: expected (8,)"),
        ({"state": np.full(8, 40.0)}, "state[:-1]"),
        ({"depth": {}}, "depth.front: float32"),
        ({"intrinsics": {}, "depth": {}}, "2 entries are missing"),
        ({"images": PICTURE}, "images: ndarray, expected a map by camera"),
        ({"task_description": ""}, "task_description"),
        ({"task_description": "a\x00b"}, "task_description"),
        ({"task_description": None}, "task_description"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_the_episode_goes_on(client, entries, named):
    client.send(encode("episode_start", {}, 1))
    said = ask(client, "observation", changed(**entries), seq=9)
    assert (said.kind, said.seq) == ("error", 9) and named in said.payload["error"]
    assert ask(client, "observation", WHOLE).kind == "action"
    assert len(Echo.begun) == 1 and len(Echo.begun[0].seen) == 1


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc1",
        msgspec.msgpack.encode([1, 2]),
        msgspec.msgpack.encode({"type": "observation", "payload": {}}),
        msgspec.msgpack.encode({"type": "obey", "payload": {}, "seq": 0, "timestamp": 0.0}),
        msgspec.msgpack.encode({"type": "hello", "payload": 3, "seq": 0, "timestamp": 0.0}),
        msgspec.msgpack.encode({"type": "hello", "payload": {}, "seq": "0", "timestamp": 0.0}),
    ],
)
def test_what_is_no_message_is_refused_and_the_connection_stays(client, frame):
    client.send(frame)
    assert decode(client.recv(timeout=20), lambda png: PICTURE).kind == "error"
    assert ask(client, "hello", {}).kind == "hello"


def test_an_observation_before_its_episode_is_refused(client):
    assert "episode_start" in ask(client, "observation", WHOLE).payload["error"]


def test_every_episode_is_a_new_one_and_the_former_is_closed_however_it_ends(server):
    with connect(f"ws://127.0.0.1:{server.port}", compression=None) as client:
        client.send(encode("episode_start", {}, 1))
        ask(client, "observation", WHOLE)
        client.send(encode("episode_start", {}, 3))
        ask(client, "observation", WHOLE)
        assert [episode.closed for episode in Echo.begun] == [True, False]
        client.send(encode("episode_end", {}, 5))
        ask(client, "hello", {})
        assert Echo.begun[1].closed
        client.send(encode("episode_start", {}, 6))
        ask(client, "observation", WHOLE)
    deadline = time.monotonic() + 20
    while not Echo.begun[2].closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert Echo.begun[2].closed  # the client left


def test_a_second_client_waits_for_the_first_to_leave(server):
    first = connect(f"ws://127.0.0.1:{server.port}", compression=None)
    ask(first, "hello", {})
    with connect(f"ws://127.0.0.1:{server.port}", compression=None) as second:
        second.send(encode("hello", {}, 1))
        with pytest.raises(TimeoutError):
            second.recv(timeout=0.3)
        first.close()
        assert decode(second.recv(timeout=20), lambda png: PICTURE).kind == "hello"


def test_health_answers_and_no_address_but_the_loopback_is_served(server):
    assert urllib.request.urlopen(f"http://127.0.0.1:{server.port}/health", timeout=20).status == 200
    with pytest.raises(AddressRefused, match="loopback"):
        VlaEvalServer(Echo, SPEC, "front", {}, lambda png: PICTURE, "0.0.0.0:8002")


# -- the wire -----------------------------------------------------------------------------------------


def raw(**payload):
    return msgspec.msgpack.encode({"type": "hello", "payload": payload, "seq": 0, "timestamp": 0.0})


def image(form, data, shape, **more):
    return {"__image__": True, "format": form, "data": data, "shape": shape, **more}


def test_arrays_and_pictures_arrive_as_they_were_sent():
    said = decode(raw(x=image("png", b"png", [32, 48, 3])), lambda png: PICTURE).payload["x"]
    assert np.array_equal(said, PICTURE)
    said = decode(raw(x=image("raw", PICTURE.tobytes(), [32, 48, 3], dtype="|u1")), lambda png: None)
    assert np.array_equal(said.payload["x"], PICTURE)
    for array in (np.arange(6.0).reshape(2, 3), np.zeros((0, 8), np.float32), np.array([True])):
        again = decode(encode("action", {"a": array}, 1), lambda png: PICTURE).payload["a"]
        assert again.dtype == array.dtype and np.array_equal(again, array)


@pytest.mark.parametrize(
    "payload",
    [
        image("png", b"png", [32, 48, 1]),  # another shape than it says
        image("gif", b"gif", [32, 48, 3]),
        image("png", "text", [32, 48, 3]),
        image("raw", b"xx", [32, 48, 3], dtype="|u1"),
        {"__ndarray__": True, "data": b"x" * 8, "dtype": "|O", "shape": [1]},
        {"__ndarray__": True, "data": b"x" * 8, "dtype": "<f8", "shape": [2]},
    ],
)
def test_pictures_and_arrays_that_are_not_what_they_say_are_refused(payload):
    with pytest.raises(ArrayRefused):
        decode(raw(x=payload), lambda png: PICTURE)


def test_a_picture_that_cannot_be_decoded_is_refused_with_the_reason():
    def broken(data):
        raise ValueError("not a PNG or JPEG: cut short")

    with pytest.raises(ArrayRefused, match="cut short"):
        decode(raw(x=image("jpeg", b"x", [1, 1, 3])), broken)
    with pytest.raises(MessageRefused, match="binary msgpack"):
        decode("text", broken)
