"""Bytes from clients are read correctly or refused by name, and nothing in them is executed."""

from __future__ import annotations

import io
import struct
import tracemalloc

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.arrays import DTYPES, array_from, from_npy, to_npy
from robots.errors import ArrayRefused, MessageRefused
from robots.policy_servers.errors import PolicyServerError, error_text
from robots.policy_servers.msgpack_numpy import MAX_ITEMS, decode, encode
from tests.policy_fakes import Bomb, damaged, same

ARRAYS = [np.arange(24).reshape(2, 3, 4).astype(np.dtype(name)) for name in DTYPES]
ARRAYS += [np.zeros((0, 7), np.float32), np.array(3.5), np.arange(6.0).reshape(2, 3).T]
# `openpi_client.msgpack_numpy.packb({"a": np.array([1.5], "<f4"), "b": np.float32(2), "c": "hi"})`, 0.1.2
RECORDED = bytes.fromhex(
    "83a16184c40b5f5f6e6461727261795f5fc3c40464617461c4040000c03fc4056474797065a33c6634c4057368617065"
    "9101a16283c40d5f5f6e7067656e657269635f5fc3c40464617461cb4000000000000000c4056474797065a33c6634a1"
    "63a26869"
)


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
        ([2], "needs 8 bytes; received 4"), ([2**31 - 1] * 5, "bytes; received 4"), ([-1], "sizes"), ([1.0],
        "sizes"), ([True], "sizes"), ("1", "sizes"), ([2**40], "sizes"), ([1] * 7, "axes"), (None, "sizes"),
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
        (b"\xa2\xff\xfe", "not msgpack"),
        (b"\x81\x80\x01", "not msgpack"),
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
    message = encode(
        {"q": np.arange(7.0), "prompt": "x", "deep": [[1, {"y": None}]]}, npy=data.draw(st.booleans())
    )
    message = damaged(message, data)
    try:
        decode(message)
    except MessageRefused:
        pass


# -- what clients are sent -----------------------------------------------------------------------------


def test_clients_are_sent_no_path_and_no_text_of_unknown_errors():
    secret = FileNotFoundError(2, "No such file", "/home/someone/secret/weights.safetensors")
    assert "secret" not in error_text(secret) and "FileNotFoundError" in error_text(secret)
    said = error_text(
        PolicyServerError("no weights at /home/someone/secret/w.safetensors, nor C:\\Users\\me\\w")
    )
    assert "someone" not in said and "Users" not in said and "no weights at <path>" in said
    assert "observation/joint_position" in error_text(
        PolicyServerError("observation/joint_position is missing")
    )
    assert "rad/s" in error_text(PolicyServerError("3 rad/s2 is too much"))


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
