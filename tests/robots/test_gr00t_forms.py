"""GR00T's two published forms of an observation say the same; anything between them is refused by name."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import numpy as np
import pytest
import zmq

from palme.cli.config import load
from palme.cli.errors import UsageError
from palme.cli.rig.remote_policy import remote_policy
from palme.cli.settings.run import RunConfig
from robots.errors import MessageRefused, RobotError
from robots.policy_servers.clients import Gr00tClient
from robots.policy_servers.errors import FieldRefused, PolicyServerError, PolicyServerRefused
from robots.policy_servers.gr00t import Gr00tServer
from robots.policy_servers.gr00t_forms import INSTRUCTIONS, dot, nest, read_request, rows_of, with_instruction
from robots.policy_servers.keys import STANDARD, canonical, dotted, keys_for
from robots.policy_servers.msgpack_numpy import decode, encode
from robots.policy_servers.observations import ObservationReader
from robots.policy_servers.session import Session, metadata
from robots.skills import Step
from robots.zmq_context import Context
from tests.palme.test_remote_policy import seen
from tests.policy_fakes import POSE, SPEC, STEP, K, Sweep, request

KEYS = keys_for("gr00t")
PROMPT, TASK = KEYS.prompt, "annotation.human.task_description"
# As the clients of N1, N1.5 and N1.6 write the instruction.
TEXTS: dict[str, Any] = {
    "annotation.human.task_description": [STEP],
    "annotation.human.action.task_description": [STEP],
    "annotation.human.coarse_action": [STEP],
    "task": [STEP],
    "language.task": [[STEP]],
}


def published(text: str, batch: bool, name: str = "annotation.human.task_description") -> dict[str, Any]:
    """A flat observation as a published client writes it: (T, ...) of N1.5, (B, T, ...) of N1.6's wrapper."""
    flat = {
        "video.exterior_image_1_left": np.full((1, 176, 240, 3), 90, np.uint8),
        "state.joint_position": SPEC.q_home[None].astype(np.float32),
        "state.gripper_position": np.zeros((1, 1), np.float32),
        "depth.exterior_depth_1": np.full((1, 176, 240), 0.9, np.float32),
        "calibration.exterior_intrinsics_1": K[None],
        "calibration.exterior_base_from_camera_1": POSE[None],
    }
    flat = {key: value[None] if batch else value for key, value in flat.items()}
    return flat | {name: [text]}


def read(data: dict[str, Any]) -> dict[str, Any]:
    """What a server reads of the data, after they went over the wire."""
    flat, _ = read_request(decode(encode(data, npy=True)))
    return with_instruction(flat, PROMPT)


@pytest.fixture
def served():
    reader = ObservationReader(SPEC, "front", KEYS)
    with Gr00tServer(lambda: Session(Sweep(), reader), metadata("sweep", reader, 8), "127.0.0.1:0") as server:
        yield server


def ask(server: Gr00tServer, data: Any, endpoint: str = "get_action") -> Any:
    with Context() as context, context.socket(zmq.REQ) as raw:
        raw.setsockopt(zmq.LINGER, 0)
        raw.setsockopt(zmq.RCVTIMEO, 20000)
        raw.connect(f"tcp://127.0.0.1:{server.port}")
        raw.send(encode({"endpoint": endpoint, "data": data}, npy=True))
        return decode(raw.recv())


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_the_flat_form_is_read_as_the_nested_one(name: str, batch: bool, wrapped: bool) -> None:
    flat = published(STEP, batch) | {}
    del flat["annotation.human.task_description"]
    flat[name] = TEXTS[name]
    found = read({"observation": flat, "options": None} if wrapped else flat)
    expected = read({"observation": nest(request(KEYS)), "options": None})
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert np.shape(found[key]) == np.shape(value), key
        if isinstance(value, str):
            assert found[key] == value
        else:
            np.testing.assert_allclose(found[key], value, atol=1e-6)


@pytest.mark.parametrize("name", [name.partition("/")[2] for name in INSTRUCTIONS])
def test_the_nested_form_takes_every_published_name_of_the_instruction(name: str) -> None:
    nested = nest(request(KEYS))
    nested["language"] = {name: [[STEP]]}
    assert read({"observation": nested})[PROMPT] == STEP
    nested.pop("language")
    if name.startswith("annotation."):
        nested["annotation"] = {name.partition(".")[2]: [[STEP]]}
        assert read({"observation": nested})[PROMPT] == STEP


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_an_answer_has_the_form_of_its_request(served: Any, batch: bool, wrapped: bool) -> None:
    flat = published(STEP, batch)
    answer = ask(served, {"observation": flat, "options": None} if wrapped else flat)
    action, info = answer if wrapped else (answer, {"done": False})
    assert set(action) == {"action.joint_position", "action.gripper_position"} and info["done"] is False
    lead = (1,) if batch else ()
    assert action["action.joint_position"].shape == (*lead, 8, 7)
    assert action["action.gripper_position"].shape == (*lead, 8, 1)
    assert action["action.joint_position"].dtype == np.float32
    nested, _ = ask(served, {"observation": nest(request(KEYS))})
    assert set(nested) == {"joint_position", "gripper_position"}
    same = nested["joint_position"].reshape(8, 7), action["action.joint_position"].reshape(8, 7)
    np.testing.assert_allclose(*same, atol=1e-6)


def test_one_client_may_change_the_form_within_a_session(served: Any) -> None:
    client = Gr00tClient(f"127.0.0.1:{served.port}", 20.0)
    first = client.infer(request(KEYS))["actions"]
    reply = client.call("get_action", published(STEP, False))
    moved = reply["action.joint_position"][:, 0] - SPEC.q_home[0]
    assert len(first) == 8 and np.allclose(moved[-1], 3e-3, atol=1e-6)  # the three rows of the second chunk
    client.close()


def changed(**entries: Any) -> dict[str, Any]:
    flat = published(STEP, True) | entries
    return {key: value for key, value in flat.items() if value is not None}


NESTED = nest(request(KEYS))
MIXED: dict[str, tuple[Any, str]] = {
    "groups and dotted names": (
        {"observation": NESTED | {"state.joint_position": SPEC.q_home[None, None]}},
        "use one",
    ),
    "a group among dotted names": (
        {"observation": changed(state={"joint_position": SPEC.q_home})},
        "use one",
    ),
    "one entry by two names": (
        {"observation": changed(task=["done"], **{"language.task": ["done"]})},
        "two names",
    ),
    "two instructions": (
        {"observation": changed(task=["put the red block on the table"])},
        "different instr",
    ),
    "two nested instructions": (
        {"observation": NESTED | {"language": {"task": [[STEP]], TASK: [["done"]]}}},
        "different instr",
    ),
    "entries beside the observation": (
        {"observation": NESTED, "state.joint_position": SPEC.q_home},
        "beside",
    ),
    "an observation beside a flat one": (changed(observation={}), "beside"),
    "nested without its observation": (dict(NESTED), "lack 'observation'"),
    "slashes at the top": ({"observation": request(KEYS)}, "not a dict of groups"),
    "no names": ({"observation": {"image": np.zeros(3)}}, "not a dict of groups"),
    "numbers as names": ({"observation": {7: np.zeros(3)}}, "not a dict of groups"),
    "a dot without a group": ({"observation": changed(**{".x": np.zeros(3)})}, "no group"),
    "a dot without a name": ({"observation": changed(**{"state.": np.zeros(3)})}, "no group"),
    "some with a batch": ({"observation": changed(**{"state.gripper_position": np.zeros((1, 1))})}, "batch"),
    "a batch of two": (
        {"observation": changed(**{"state.joint_position": np.zeros((2, 1, 7))})},
        r"\(2, 1, 7\)",
    ),
    "two texts": ({"observation": changed(**{TASK: [STEP, STEP]})}, "2 texts"),
    "no time": ({"observation": changed(**{"state.joint_position": np.zeros((1, 0, 7))})}, r"\(1, 0, 7\)"),
    "too many axes": (
        {"observation": changed(**{"state.joint_position": np.zeros((1, 1, 1, 7))})},
        "expected",
    ),
    "a nested batch of two": (
        {"observation": NESTED | {"state": {"joint_position": np.zeros((2, 1, 7))}}},
        r"\(2, 1, 7\)",
    ),
    "two nested texts": ({"observation": NESTED | {"language": {"task": [[STEP], [STEP]]}}}, "2 texts"),
}
MIXED |= {
    f"an observation that is {value!r}"[:60]: ({"observation": value}, "observation is")
    for value in (None, 7, 1.5, True, "text", b"bytes", [1, 2], np.zeros(3), [{}])
}


@pytest.mark.parametrize("kind", MIXED)
def test_what_is_neither_form_or_both_is_refused_by_name(kind: str) -> None:
    data, says = MIXED[kind]
    with pytest.raises(FieldRefused, match=says):
        read(data)


def test_flat_requests_that_lack_or_spoil_an_entry_are_refused_by_its_name(served: Any) -> None:
    for name in published(STEP, False):
        spoilt = published(STEP, False)
        for value in (None, "text", 7, [[]], [None], b"bytes", {"a": {}}, np.zeros((1, 3, 5)), [["a"], 1]):
            spoilt[name] = value
            said = ask(served, spoilt)["error"]
            assert "in the server" not in said and ("Refused" in said or "Missing" in said), (
                name,
                value,
                said,
            )
        del spoilt[name]
        said = ask(served, spoilt)["error"]
        assert "FieldMissing" in said or "FieldRefused" in said, (name, said)


# -- our client ------------------------------------------------------------------------------------------


class Published:
    """GR00T's server as published, in 40 lines: `service.py` of N1.5 or `server_client.py` of N1.6.

    Args:
        old: N1.5: no episodes, the data are the observation, the answer is the action.
    """

    def __init__(self, old: bool, squeeze: bool = False, prefix: str = "action.") -> None:
        self.old, self.squeeze, self.prefix = old, squeeze, prefix
        self.asked: list[dict[str, Any]] = []
        self.closed = False
        self.context = Context()
        self.socket = self.context.socket(zmq.REP)
        self.port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while not self.closed:
            if self.socket.poll(50):
                self.socket.send(encode(self.answer(decode(self.socket.recv())), npy=True))

    def answer(self, request: dict[str, Any]) -> Any:
        endpoint, data = request["endpoint"], request.get("data", {})
        if endpoint == "reset" and not self.old:
            return {}
        if endpoint != "get_action":
            return {"error": f"Unknown endpoint: {endpoint}"}
        self.asked.append(data)
        observation = data if self.old else data["observation"]
        try:
            q = observation["state.joint_position"]
            text = observation["annotation.human.task_description"]
        except KeyError as error:
            return {"error": str(error)}
        if not (text == [STEP] and q.ndim == (2 if self.old else 3)):
            return {"error": f"axes {q.shape} or text {text!r}"}
        q = np.tile(q.reshape(7), (16, 1)).astype(np.float32)
        hand = np.full(16, 0.25, np.float32)
        lead = () if self.old else (None,)
        action = {
            f"{self.prefix}joint_position": q[lead],
            f"{self.prefix}gripper_position": hand if self.squeeze else hand[:, None][lead],
        }
        return action if self.old else [action, {}]

    def close(self) -> None:
        self.closed = True
        self.thread.join(5)
        self.context.destroy(0)


FLAT = [
    "policy.keys.image=video.exterior_image_1_left",
    "policy.keys.joints=state.joint_position",
    "policy.keys.gripper=state.gripper_position",
    "policy.keys.wrist_image=video.wrist_image_left",
]


@pytest.mark.parametrize(("old", "squeeze"), [(True, False), (True, True), (False, False)])
@pytest.mark.parametrize("prefix", ["action.", ""])
def test_our_client_talks_to_published_servers_of_the_flat_form(
    old: bool, squeeze: bool, prefix: str
) -> None:
    server = Published(old, squeeze, prefix)
    words = ["policy=remote", "policy.protocol=gr00t", f"policy.address=127.0.0.1:{server.port}"]
    policy = remote_policy(load(RunConfig, [*words, "policy.depth=false", *FLAT]).policy, SPEC)
    for _ in range(2):
        policy.reset()
        chunk = policy.act(seen(), Step.parse(STEP))
        np.testing.assert_allclose(chunk.q_targets, np.tile(SPEC.q_home, (8, 1)), atol=1e-6)
        np.testing.assert_allclose(chunk.gripper, 0.75, atol=1e-6)
    assert len(server.asked) == 2 and ("observation" in server.asked[0]) is not old
    server.close()


def test_our_client_talks_to_our_server_in_both_forms(served: Any) -> None:
    moved = []
    for flat in (False, True):
        client = Gr00tClient(f"127.0.0.1:{served.port}", 20.0, flat=flat)
        client.reset()
        moved.append(client.infer(request(KEYS))["actions"])
        client.close()
    np.testing.assert_array_equal(*moved)


def test_a_refusal_other_than_an_unknown_endpoint_is_not_taken_for_an_old_server() -> None:
    server = Published(old=False)
    server.answer = lambda request: {"error": "out of memory"}  # type: ignore[method-assign]
    client = Gr00tClient(f"127.0.0.1:{server.port}", 5.0, flat=True)
    with pytest.raises(PolicyServerRefused, match="out of memory"):
        client.infer(request(KEYS))
    client.close()
    server.close()


@pytest.mark.parametrize(
    ("given", "flat"),
    [
        ({}, False),
        ({"image": "video/front"}, False),
        ({"image": "video.front"}, True),
        ({"prompt": "task"}, True),
        ({"prompt": "annotation.human.coarse_action"}, True),
        ({"prompt": "language/task"}, False),
        ({"image": None, "joints": "state.arm"}, True),
    ],
)
def test_the_names_say_the_form(given: dict[str, str | None], flat: bool) -> None:
    assert dotted(given) is flat
    keys = keys_for("gr00t", given)
    assert all("/" in getattr(keys, field) for field in vars(STANDARD["gr00t"]))
    if flat and "prompt" not in given:
        assert keys.prompt == "language/annotation.human.task_description"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"image": "video.front", "joints": "state/arm"}, "use one form"),
        ({"image": "front"}, "no group"),
        ({"image": "/front"}, "no group"),
        ({"image": "video."}, "no group"),
        ({"image": ""}, "no group"),
        ({"joints": "state.arm", "gripper": "state.arm"}, "both"),
        ({"joints": "state/gripper_position"}, "both"),
        ({"prompt": "words"}, "no group"),
    ],
)
def test_names_of_both_forms_or_of_none_are_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(FieldRefused, match=says):
        keys_for("gr00t", given)
    words = [f"policy.keys.{field}={name}" for field, name in given.items() if name]
    if words:
        with pytest.raises(UsageError, match=says):
            remote_policy(load(RunConfig, ["policy=remote", "policy.protocol=gr00t", *words]).policy, SPEC)


def test_both_spellings_of_a_name_are_one() -> None:
    for nested, flat in (
        ("video/front", "video.front"),
        ("state/left.arm", "state.left.arm"),
        ("language/task", "task"),
        ("language/annotation.human.validity", "annotation.human.validity"),
    ):
        assert canonical(nested) == canonical(flat) == nested
        if nested != "language/task":
            assert set(dot({nested: "x"}, batch=True)) == {flat}


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (None, "answer is nil"),
        ([], "answer is an array"),
        ({}, "no action 'a'"),
        ("x", "answer is text"),
        ({"a": np.zeros((1, 4, 7))}, "no action 'b'"),
        ({"a": np.zeros((1, 4, 7)), "action.a": np.zeros((1, 4, 7)), "b": np.zeros((1, 4, 1))}, "twice"),
        ({"a": np.zeros((1, 4, 7)), "b": np.zeros((1, 3, 1))}, "do not join"),
        ({"a": np.zeros((2, 4, 7)), "b": np.zeros((2, 4, 1))}, "do not join"),
        ({"a": np.zeros((1, 4, 7)), "b": np.zeros((4, 1))}, "do not join"),
        ({"a": np.zeros(()), "b": np.zeros(())}, "do not join"),
        ({"a": np.zeros((4, 7), bool), "b": np.zeros((4, 1), bool)}, "not numbers"),
    ],
)
def test_an_answer_that_is_no_action_is_refused_by_name(reply: Any, says: str) -> None:
    with pytest.raises(MessageRefused, match=says):
        rows_of(reply, ("a", "b"))


# -- anything at the top -----------------------------------------------------------------------------------

TOPS: dict[str, bytes] = {
    "nil": b"\xc0",
    "true": b"\xc3",
    "false": b"\xc2",
    "0": b"\x00",
    "-1": b"\xff",
    "1.5": b"\xcb" + b"\x3f\xf8" + b"\0" * 6,
    "a big number": b"\xcf" + b"\xff" * 8,
    "nan": b"\xca\x7f\xc0\0\0",
    "inf": b"\xca\x7f\x80\0\0",
    "bytes": b"\xc4\x03abc",
    "no bytes": b"\xc4\x00",
    "text": b"\xa6prompt",
    "no text": b"\xa0",
    "a list": b"\x93\x01\x02\x03",
    "no list": b"\x90",
    "a list of maps": b"\x91\x80",
    "a list of nil": b"\x92\xc0\xc0",
    "an array": encode(np.zeros(7)),
    "an array as npy": encode(np.zeros(7), npy=True),
    "a number array": encode(np.array(1.0)),
    "a map": b"\x80",
    "a map of numbers": b"\x82\x01\x02\x03\x04",
    "a map of nil": b"\x81\xc0\xc0",
    "an extension": b"\xd4\x05\x00",
    "a timestamp": b"\xd6\xff\0\0\0\0",
    "nothing": b"",
    "half a map": b"\x82\x01",
    "a key twice": b"\x82\xa6prompt\x01\xa6prompt\x02",
    "a nan as int32": msgspec.msgpack.encode(
        {b"__npgeneric__": True, b"data": float("nan"), b"dtype": "<i4"}
    ),
    "an int too big": msgspec.msgpack.encode({b"__npgeneric__": True, b"data": 2**60, b"dtype": "|i1"}),
    "a reset that is an array": encode(request() | {"reset": np.zeros(3)}),
    "a reset that is text": encode(request() | {"reset": "yes"}),
    "a prompt in bytes": encode(request() | {"prompt": b"put the red block in the blue bowl"}),
    "an endpoint that is a map": encode({"endpoint": {}}),
    "data that are an array": encode({"data": np.zeros(3)}),
    "data that are text": encode({"data": "x"}),
    "a token that is a number": encode({"api_token": 7, "data": 7}),
}


@pytest.mark.parametrize("token", [None, "correct-horse-battery"])
def test_anything_at_the_top_gets_a_named_refusal_from_both_servers(token: str | None) -> None:
    from websockets.sync.client import connect

    from robots.policy_servers.openpi import OpenpiServer
    from tests.policy_fakes import sweep_metadata, sweep_session

    reader = ObservationReader(SPEC, "front", KEYS)
    answers: dict[str, list[str]] = {}
    with Gr00tServer(lambda: Session(Sweep(), reader), {}, "127.0.0.1:0", token=token) as server:
        with Context() as context, context.socket(zmq.REQ) as raw:
            raw.setsockopt(zmq.LINGER, 0)
            raw.setsockopt(zmq.RCVTIMEO, 20000)
            raw.connect(f"tcp://127.0.0.1:{server.port}")
            for kind, message in TOPS.items():
                raw.send(message)
                answers.setdefault(kind, []).append(decode(raw.recv())["error"])
    headers = {"Authorization": f"Api-Key {token}"} if token else None
    with OpenpiServer(sweep_session, sweep_metadata(), "127.0.0.1:0", token=token) as server:
        address = f"ws://127.0.0.1:{server.port}"
        with connect(address, compression=None, proxy=None, additional_headers=headers) as raw:
            raw.recv(20)
            for kind, message in TOPS.items():
                raw.send(message)
                said = raw.recv(20)
                assert isinstance(said, str), kind
                answers[kind].append(said)
    for kind, said in answers.items():
        for text in said:
            assert "in the server" not in text, (kind, text)
            assert any(word in text for word in ("Refused", "Missing", "Unauthorized")), (kind, text)


def test_random_values_in_the_place_of_a_request_and_of_each_entry_get_a_named_refusal() -> None:
    """2,000 requests of each protocol with something else somewhere, of any msgpack type."""
    rng = np.random.default_rng(0)
    values = [
        None,
        True,
        0,
        -1,
        2**62,
        1.5,
        float("nan"),
        float("inf"),
        "",
        "x",
        "put",
        b"",
        b"x",
        [],
        [1],
        [None],
        ["x"],
        [[]],
        {},
        {"x": 1},
        {1: 2},
        np.zeros(()),
        np.zeros(0),
        np.zeros(7),
        np.zeros((7, 7)),
        np.zeros((1, 7), bool),
        np.zeros((2, 3, 4, 5)),
        np.full(7, np.nan),
        np.arange(7),
        np.float32(1),
        [[1], [1, 2]],
    ]
    openpi, gr00t = request(), nest(request(KEYS))
    session = Session(Sweep(), ObservationReader(SPEC, "front", keys_for("openpi")))
    server = Gr00tServer(lambda: Session(Sweep(), ObservationReader(SPEC, "front", KEYS)), {}, "127.0.0.1:0")

    def other() -> Any:
        return values[rng.integers(len(values))]

    refused = 0
    for _ in range(2000):
        flat = dict(openpi)
        for key in rng.choice(list(flat), rng.integers(1, 4), replace=False):
            flat[key] = other()
        data = {key: dict(group) for key, group in gr00t.items()}
        group = list(data)[rng.integers(len(data))]
        if rng.random() < 0.3:
            data[group] = other()
        else:
            data[group][list(data[group])[rng.integers(len(data[group]))]] = other()
        whole = {"endpoint": "get_action", "data": {"observation": data}}
        for enter in (
            lambda flat=flat: session.answer(decode(encode(flat))),
            lambda whole=whole: server._handle(b"one", encode(whole, npy=True)),
        ):
            try:
                enter()
            except (PolicyServerError, MessageRefused) as refusal:
                assert str(refusal)
                refused += 1
            except RobotError as error:
                raise AssertionError(f"{type(error).__name__}: {error}") from error
    assert refused > 2500
