"""What is promised of bytes that guests send: read right, or refused by name, and nothing ever executed."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.policy_servers import gello_bytes
from robots.policy_servers.arrays import DTYPES, array_from, from_npy, to_npy
from robots.policy_servers.errors import ArrayRefused, GuestError, MessageRefused, told
from robots.policy_servers.msgpack_numpy import MAX_ITEMS, decode, encode

ARRAYS = [np.arange(24).reshape(2, 3, 4).astype(np.dtype(name)) for name in DTYPES]
ARRAYS += [np.zeros((0, 7), np.float32), np.array(3.5), np.arange(6.0).reshape(2, 3).T]
# `openpi_client.msgpack_numpy.packb({"a": np.array([1.5], "<f4"), "b": np.float32(2), "c": "hi"})`, 0.1.2
RECORDED = bytes.fromhex(
    "83a16184c40b5f5f6e6461727261795f5fc3c40464617461c4040000c03fc4056474797065a33c6634c4057368617065"
    "9101a16283c40d5f5f6e7067656e657269635f5fc3c40464617461cb4000000000000000c4056474797065a33c6634a1"
    "63a26869"
)


def same(a, b) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)


def packed_array(dtype, shape, data: bytes) -> bytes:
    return msgspec.msgpack.encode({b"__ndarray__": True, b"data": data, b"dtype": dtype, b"shape": shape})


@pytest.mark.parametrize("npy", [False, True])
@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays_come_back_as_they_went_and_are_our_own(array, npy):
    back = decode(encode({"x": array, "deep": [{"y": array}]}, npy=npy))
    assert same(back["x"], array) and same(back["deep"][0]["y"], array)
    assert back["x"].flags.writeable


def test_bytes_recorded_from_the_published_client_are_read_and_written_alike():
    read = decode(RECORDED)
    assert same(read["a"], np.array([1.5], np.float32)) and read["b"] == 2.0 and read["c"] == "hi"
    ours = encode({"a": np.array([1.5], np.float32)})
    assert ours[1:] == RECORDED[1 : len(ours)]  # all but how many entries follow


@pytest.mark.parametrize(
    "dtype", ["|O", "O", b"|O8", "<U4", "|S3", "<c8", "|V8", "<M8[s]", ">f4", "f4", 7, None]
)
def test_types_not_on_the_list_are_refused_by_name(dtype):
    with pytest.raises(ArrayRefused, match="not allowed"):
        decode(packed_array(dtype, [1], b"x" * 8))


def test_object_arrays_are_refused_before_anything_is_unpacked_or_crashes():
    # `np.ndarray(buffer=..., dtype="|O")`, which other decoders do, makes pointers out of a stranger's bytes
    with pytest.raises(ArrayRefused, match=r"\|O.*never unpacked"):
        decode(packed_array("|O", [1], struct.pack("<Q", 0xDEADBEEF)))
    with pytest.raises(ArrayRefused, match=r"\|O"):
        encode({"x": np.array([object()])})
    stream = io.BytesIO()
    np.save(stream, np.array([Bomb()], object), allow_pickle=True)
    with pytest.raises(ArrayRefused, match=r"\|O.*never unpacked"):
        from_npy(stream.getvalue())
    assert not Bomb.went_off()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ([2], "takes 8 bytes; 4 came"), ([2**31 - 1] * 5, "bytes; 4 came"), ([-1], "sizes"), ([1.0], "sizes"),
        ([True], "sizes"), ("1", "sizes"), ([2**40], "sizes"), ([1] * 7, "axes"), (None, "sizes"),
    ],
)  # fmt: skip
def test_shapes_must_fit_the_bytes_exactly(shape, words):
    with pytest.raises(ArrayRefused, match=words):
        decode(packed_array("<f4", shape, b"1234"))


def npy_with(header: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


@pytest.mark.parametrize(
    "data",
    [
        b"", b"PK\x03\x04" + b"0" * 40, b"\x93NUMPY\x03\x00" + b"0" * 40, to_npy(np.zeros(3))[:-1],
        to_npy(np.zeros(3)) + b"0",
        npy_with("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999,)}"),
        npy_with("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"x" * 8),
        npy_with("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", b"x" * 8),
        npy_with("__import__('os').system('true')"), npy_with("(" * 900), npy_with("[" * 900 + "]" * 900),
        npy_with("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}" + " " * 3000, b"x" * 8), "text",
    ],
)  # fmt: skip
def test_hostile_npy_files_are_refused(data):
    with pytest.raises(ArrayRefused):
        from_npy(data)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "ends after 0"),
        (b"\x92\x01", "middle of an item"),
        (b"\x01\x01", "its content 1"),
        (b"\xc6\xff\xff\xff\xff", "its content"),
        (b"\x91" * 30 + b"\x01", "nested"),
        (b"\xc1", "0xc1"),
        (b"\xdd\xff\xff\xff\xff", f"more than {MAX_ITEMS}"),
        (b"\xdf\x7f\xff\xff\xff", f"more than {MAX_ITEMS}"),
        (b"\xd6\xff\x00\x00\x00\x01", "extension"),
        (b"\xc7\x01\x05a", "extension"),
        (b"\xa2\xff\xfe", "no msgpack"),
        (b"\x81\x80\x01", "no msgpack"),
        ("text", "binary"),
        (b"\x00" * (33 << 20), "allowed"),
    ],
)
def test_malformed_messages_are_refused_by_name(message, words):
    with pytest.raises(MessageRefused, match=words):
        decode(message)


def test_a_small_message_cannot_become_a_gigabyte():
    message = b"\xdd" + struct.pack(">I", 1 << 20) + b"\x90" * (1 << 20)
    tracemalloc.start()
    with pytest.raises(MessageRefused):
        decode(message)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_bytes_are_a_value_or_a_named_refusal(data):
    whole = encode(
        {"q": np.arange(7.0), "prompt": "x", "deep": [[1, {"y": None}]]}, npy=data.draw(st.booleans())
    )
    pickled = gello_bytes.write({"method": "m", "args": {"joint_state": np.arange(8.0)}})
    for message, read in ((whole, decode), (pickled, gello_bytes.read)):
        if data.draw(st.booleans()):
            message = data.draw(st.binary(max_size=200))
        else:
            at, byte = data.draw(st.integers(0, len(message) - 1)), data.draw(st.integers(0, 255))
            message = message[:at] + bytes([byte]) + message[at + 1 :]
        try:
            read(message)
        except MessageRefused:
            pass


# -- GELLO's pickles --------------------------------------------------------------------------------


class Bomb:
    """Unpickled, it leaves a directory behind: the plainest proof that something was executed."""

    path = f"/tmp/palme-bomb-{os.getpid()}"

    def __reduce__(self):
        return os.mkdir, (self.path,)

    @classmethod
    def went_off(cls) -> bool:
        if os.path.isdir(cls.path):
            os.rmdir(cls.path)
            return True
        return False


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
    assert alike(value, gello_bytes.read(pickle.dumps(value, protocol)))
    older = pickle.dumps(value, 3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert alike(value, gello_bytes.read(older))  # as numpy 1 names it


@pytest.mark.parametrize("value", REQUESTS)
def test_what_is_written_is_what_gello_unpickles(value):
    assert alike(value, pickle.loads(gello_bytes.write(value)))
    assert alike(value, gello_bytes.read(gello_bytes.write(value)))


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
        assert gello_bytes.read(HOSTILE[name]) is None
    else:
        with pytest.raises(MessageRefused):
            gello_bytes.read(HOSTILE[name])
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    assert not Bomb.went_off()


def test_the_bomb_of_these_tests_does_go_off_where_pickle_is_trusted():
    pickle.loads(HOSTILE["a call of the system"])
    assert Bomb.went_off()


# -- what guests are told -----------------------------------------------------------------------------


def test_guests_are_never_told_a_path_or_a_strangers_text():
    secret = FileNotFoundError(2, "No such file", "/home/someone/secret/weights.safetensors")
    assert "secret" not in told(secret) and "FileNotFoundError" in told(secret)
    said = told(GuestError("no weights at /home/someone/secret/w.safetensors, nor C:\\Users\\me\\w"))
    assert "someone" not in said and "Users" not in said and "no weights at <path>" in said
    assert "observation/joint_position" in told(GuestError("observation/joint_position is missing"))
    assert "rad/s" in told(GuestError("3 rad/s2 is too much"))


def test_array_from_gives_memory_of_its_own():
    data = bytearray(8)
    array = array_from(data, "<f8", [])
    data[:] = b"\xff" * 8
    assert array == 0.0


def test_a_shape_of_tuples_within_tuples_is_refused_without_being_written_out() -> None:
    shape: tuple = ()
    for _ in range(60):
        shape = (shape, shape)
    with pytest.raises(ArrayRefused, match="array shape, a tuple, is not a list of sizes"):
        array_from(b"", "<f8", shape)
