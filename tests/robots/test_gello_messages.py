"""GELLO's pickles are read as numbers and arrays or refused by name, and nothing is executed."""

from __future__ import annotations

import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.errors import CommandOutside, MessageRefused
from robots.gello.messages import read, write
from tests.policy_fakes import Bomb, damaged, same

REQUESTS = [
    {"method": "num_dofs"},
    {"method": "command_joint_state", "args": {"joint_state": np.linspace(-1, 1, 8)}},
    {"method": "command_joint_state", "args": {"joint_state": np.linspace(-1, 1, 8).astype(np.float32)}},
    {"a": [1, -5, 300, 70000, 2**40, -(2**40), 1.5, True, False, None, "text", ()], "b": (1, (2, (3, (4,))))},
    {
        "same": [(x := [1.0, 2.0]), x],
        "f": np.arange(6.0).reshape(2, 3).T,
        "s": np.float64(2.5),
        "i": np.int64(3),
    },
]


def alike(a, b) -> bool:
    if isinstance(a, np.ndarray):
        return same(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(alike, a, b))
    return bool(a == b)


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("value", REQUESTS)
def test_what_gello_pickles_is_read(value, protocol):
    assert alike(value, read(pickle.dumps(value, protocol)))
    older = pickle.dumps(value, 3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert alike(value, read(older))  # as numpy 1 names it


@pytest.mark.parametrize("value", REQUESTS)
def test_what_is_written_is_what_gello_unpickles(value):
    assert alike(value, pickle.loads(write(value)))
    assert alike(value, read(write(value)))


HOSTILE = {
    "a call of the system": pickle.dumps({"method": Bomb()}),
    "the same, protocol 0": pickle.dumps(Bomb(), 0),
    "the same, protocol 2": pickle.dumps(Bomb(), 2),
    "eval": b"\x80\x04cbuiltins\neval\n\x8c\x011\x85R.",
    "getattr through the stack": b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93.",
    "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
    "a neighbour in an allowed module": b"\x80\x04cnumpy\nload\n\x8c\x01x\x85R.",
    "an object array": pickle.dumps(np.array([Bomb(), 1], object)),
    "an object array by bytes": pickle.dumps(np.arange(2.0), 4).replace(b"\x8c\x02f8", b"\x8c\x02O8"),
    "a structured array": pickle.dumps(np.zeros(2, [("a", "<f8")])),
    "an array of text": pickle.dumps(np.array(["a"])),
    "an array that is a terabyte": pickle.dumps(np.zeros(2), 4).replace(
        b"K\x02\x85", b"J\xff\xff\xff\x7f\x85"
    ),
    "a memo at two billion": b"\x80\x04Nr\xff\xff\xff\x7f.",
    "text of four gigabytes": b"\x80\x04X\xff\xff\xff\xff.",
    "bytes of an exabyte": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0f.",
    "a huge integer": b"\x80\x04\x8b" + struct.pack("<i", 60000) + b"\x7f" * 60000 + b".",
    "a list in itself": b"\x80\x04]q\x00h\x00a.",
    "a dict in itself": b"\x80\x04}q\x00X\x01\x00\x00\x00ah\x00s.",
    "a billion laughs": b"\x80\x04]" + b"".join(b"q%c](%se" % (k, b"h%c" % k * 9) for k in range(12)) + b".",
    "a state for what is no array": b"\x80\x04}q\x00}b.",
    "attributes by slot state": b"\x80\x04cnumpy\nndarray\nN}X\x01\x00\x00\x00aK\x01s\x86b.",
    "an instance": b"\x80\x02(inumpy\nndarray\n.",
    "a persistent id": b"\x80\x04X\x01\x00\x00\x00aQ.",
    "an extension": b"\x80\x04\x82\x01.",
    "a bare name": b"\x80\x04cnumpy\nndarray\n.",
    "nothing": b"",
    "no end": b"\x80\x04}",
    "an empty stack": b"\x80\x04.",
    "pops from nothing": b"\x80\x04u.",
    "keys that are numbers": pickle.dumps({1: 2}),
    "too long": b"\x80\x04" + b"N" * (1 << 17) + b".",
    "too many opcodes": b"\x80\x04" + b"N" * 5000 + b".",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused_and_nothing_is_executed(name):
    tracemalloc.start()
    # a memo is a dict here: an index of two billion costs one entry, and the message means None
    if name == "a memo at two billion":
        assert read(HOSTILE[name]) is None
    else:
        with pytest.raises(MessageRefused):
            read(HOSTILE[name])
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    assert not Bomb.went_off()


def test_the_bomb_of_these_tests_does_go_off_where_pickle_is_trusted():
    pickle.loads(HOSTILE["a call of the system"])
    assert Bomb.went_off()


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_bytes_are_a_value_or_a_named_refusal(data):
    message = damaged(write({"method": "m", "args": {"joint_state": np.arange(8.0)}}), data)
    try:
        read(message)
    except MessageRefused:
        pass


@pytest.mark.parametrize("make", [np.array, list, tuple, lambda q: np.array(q, np.float32)])
def test_a_joint_state_in_other_units_is_refused_as_it_is_read(make) -> None:
    home = [0.0, -0.55, 0.0, -2.45, 0.0, 1.9, 0.785]

    def message(state) -> bytes:
        return pickle.dumps({"method": "command_joint_state", "args": {"joint_state": make(state)}})

    assert np.allclose(read(message([*home, 0.5]))["args"]["joint_state"], [*home, 0.5])
    for degrees in (
        np.degrees(home).tolist(),
        [*home[:-1], 45.0],
        [90.0, *home[1:]],
        [*home[:3], -140.0, *home[4:]],
    ):
        with pytest.raises(CommandOutside, match=r"joint \d is .*looks like degrees"):
            read(message([*degrees, 0.0]))
    for gripper in (-1.0, -0.5, 1.5, 2.0, 50.0, 100.0, 255.0, 850.0):
        with pytest.raises(CommandOutside, match="gripper.*out of range.*1 closed to 0 open"):
            read(message([*home, gripper]))
    for state in ([*home, float("nan")], [float("inf"), *home], [], [1.0]):  # the server's to name
        read(message(state))
