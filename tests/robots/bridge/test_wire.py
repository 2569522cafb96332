"""Bytes are never trusted: what is no frame costs an error of a known name, and nothing else."""

from __future__ import annotations

import ast
import zlib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robots.bridge import frames
from robots.bridge.errors import BadFrame, FrameTooLarge, WrongVersion, named
from robots.bridge.frames import DTYPES, ArrayFrame, pack, unpack
from robots.bridge.pictures import from_frame, to_frame
from robots.bridge.spec_frame import pack_spec, unpack_spec
from robots.bridge.wire import decode_answer, decode_picture, decode_request, decoder, encode
from robots.errors import ArrayRefused, RobotError
from robots.spec import ArmSpec
from robots.types import CameraFrame

BRIDGE = Path(__file__).resolve().parent.parent.parent.parent / "robots" / "bridge"
PICTURE = frames.Picture(
    3, "front", pack(np.zeros((4, 4, 3)), "|u1"), None, None, pack(np.eye(3), "<f8"), pack(np.eye(4), "<f8")
)
COMMAND = frames.Command(3, "5e5510n", 77, 12, tuple(map(float, range(7))), 0.5, 1.0, 0.9)


def sealed(body: bytes) -> bytes:
    """`body` with version and a checksum that fits: past the first two hurdles."""
    whole = bytes([frames.VERSION]) + body
    return whole + zlib.crc32(whole).to_bytes(4, "little")


def test_a_frame_comes_back_as_it_was() -> None:
    assert decode_request(encode(COMMAND)) == COMMAND


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_come_back_as_they_were(dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    back = unpack(pack(array, dtype))
    assert back.dtype == array.dtype and not back.flags.writeable
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    "frame",
    [
        ArrayFrame("|O", (1,), b"\x00" * 8),
        ArrayFrame("<U1", (2,), b"\x00" * 8),
        ArrayFrame(">f8", (1,), b"\x00" * 8),
        ArrayFrame("<f8", (2,), b"\x00" * 8),
        ArrayFrame("<f8", (1,), b"\x00" * 9),
        ArrayFrame("<f8", (16384, 16384, 16384, 16384), b"\x00" * 8),
        ArrayFrame("<f8", (), b""),
    ],
)
def test_an_array_of_another_dtype_or_size_is_refused(frame: ArrayFrame) -> None:
    with pytest.raises(ArrayRefused):
        unpack(frame)


@pytest.mark.parametrize(
    "shape", [(-1,), (1, 1, 1, 1, 1), (16385,), (2**63,), "aa", (1.5,), (None,)], ids=str
)
def test_a_shape_out_of_bounds_is_no_frame(shape) -> None:
    raw = list(msgspec.to_builtins(PICTURE, builtin_types=(bytes,)))
    raw[3] = ["|u1", shape, b"\x00" * 48]
    with pytest.raises(BadFrame):
        decode_picture(sealed(msgspec.msgpack.encode(raw)))


@pytest.mark.parametrize("target", [65 * [0.0], [None], ["0"], [[0.0]], 7, None, b"\x00" * 56], ids=repr)
def test_a_target_that_is_not_made_of_numbers_is_no_frame(target) -> None:
    raw = list(msgspec.to_builtins(COMMAND))
    raw[5] = target
    with pytest.raises(BadFrame):
        decode_request(sealed(msgspec.msgpack.encode(raw)))


@given(st.lists(st.floats(width=64), max_size=64))
def test_numbers_cross_the_wire_to_the_bit(numbers: list[float]) -> None:
    back = decode_request(encode(frames.Command(1, "", 1, 1, tuple(numbers), 1.0, 0.0, 0.0))).q_target
    assert np.array(back).tobytes() == np.array(numbers).tobytes()


def test_any_flipped_bit_is_noticed() -> None:
    data = encode(COMMAND)
    for k in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[k // 8] ^= 1 << (k % 8)
        with pytest.raises(BadFrame):
            decode_request(bytes(flipped))


def test_another_version_says_so() -> None:
    with pytest.raises(WrongVersion, match=f"speaks {frames.VERSION}"):
        decode_request(bytes([frames.VERSION + 1]) + encode(COMMAND)[1:])


def test_too_much_and_too_little_are_refused_unread() -> None:
    with pytest.raises(FrameTooLarge):
        decode_request(bytes([frames.VERSION]) * (frames.MAX_COMMAND + 1))
    for n in range(6):
        with pytest.raises(BadFrame):
            decode_request(bytes([frames.VERSION]) * n)


def test_nested_a_hundred_thousand_deep_is_refused() -> None:
    decode = decoder(frames.ToServer, 10**6)
    for opening in (b"\x91", b"\x81\xa1a", b"\x98" + b"\xa4read" + b"\x91"):
        with pytest.raises(BadFrame):
            decode(sealed(opening * 100_000))


def test_a_frame_with_a_field_too_many_or_of_the_other_direction_is_refused() -> None:
    raw = list(msgspec.to_builtins(COMMAND, builtin_types=(bytes,)))
    with pytest.raises(BadFrame):
        decode_request(sealed(msgspec.msgpack.encode([*raw, 1])))
    with pytest.raises(BadFrame):
        decode_answer(encode(COMMAND))


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_random_bytes_never_crash_the_decoder(data: bytes) -> None:
    for bytes_ in (data, sealed(data)):
        try:
            decode_request(bytes_)
        except BadFrame:
            pass


@given(st.integers(0, 200), st.binary(min_size=1, max_size=8), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_mutilated_command_never_crashes_the_decoder(at: int, put: bytes, insert: bool) -> None:
    body = encode(COMMAND)[1:-4]
    at = min(at, len(body))
    spoilt = body[:at] + put + body[at if insert else at + len(put) :]
    try:
        decode_request(sealed(spoilt))
    except BadFrame:
        pass


def assert_equal(mine: object, other: object, name: str = "spec") -> None:
    """Field by field, through data classes and tuples of arrays."""
    assert type(mine) is type(other), name
    if is_dataclass(mine):
        for field in fields(mine):
            assert_equal(getattr(mine, field.name), getattr(other, field.name), field.name)
    elif isinstance(mine, tuple):
        assert isinstance(other, tuple) and len(mine) == len(other), name
        for one, two in zip(mine, other, strict=True):
            assert_equal(one, two, name)
    elif isinstance(mine, np.ndarray):
        np.testing.assert_array_equal(mine, other, name)
    else:
        assert mine == other, name


def test_an_arm_s_description_crosses_the_wire_whole() -> None:
    spec = replace(ArmSpec.load("panda"), control_hz=123.0)
    back = unpack_spec(pack_spec(spec))
    assert_equal(spec, back)


def test_a_damaged_description_is_refused() -> None:
    data = pack_spec(ArmSpec.load("panda"))
    raw = msgspec.msgpack.decode(data)
    for spoil in (
        {"control_hz": "fast"}, {"q_min": ["<f8", [7], b""]}, {"more": 1},
        {"dq_max": ["<f8", [1], np.float64(np.nan).tobytes()]},
    ):  # fmt: skip
        with pytest.raises(BadFrame):
            unpack_spec(msgspec.msgpack.encode(raw | spoil))
    for bad in (b"", b"\xc1", data[:100], msgspec.msgpack.encode([1])):
        with pytest.raises(BadFrame):
            unpack_spec(bad)


def test_a_refusal_is_the_exception_it_names_and_no_other_class() -> None:
    assert type(named("CommandJumps", "too far")).__name__ == "CommandJumps"
    for name in ("SystemExit", "os.system", "__import__", "RobotErrorX", "annotations"):
        error = named(name, "x")
        assert type(error).__name__ == "BridgeError" and isinstance(error, RobotError)


def test_the_bridge_uses_nothing_that_executes_what_it_reads() -> None:
    forbidden = {"pickle", "marshal", "shelve", "subprocess", "dill", "cloudpickle"}
    for path in BRIDGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = {a.name.split(".")[0] for a in node.names} | {getattr(node, "module", "") or ""}
                assert not names & forbidden, path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "compile", "__import__"}, path
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"recv_pyobj", "send_pyobj", "allow_pickle"}, path


def test_depth_that_was_not_measured_travels_as_zero_millimetres() -> None:
    depth = np.array([[0.5004, 0.0, -0.1, np.nan], [np.inf, -np.inf, 65.535, 65.536]], np.float32)
    rgb, still = np.zeros((2, 4, 3), np.uint8), depth.copy()

    class Codec:
        def encode(self, rgb: np.ndarray) -> bytes:
            return b"jpeg"

        def decode(self, jpeg: bytes) -> np.ndarray:
            return rgb

    frame = to_frame(1, "front", CameraFrame(rgb, depth, np.eye(3), np.eye(4)), Codec())
    seen = from_frame(decode_picture(encode(frame)), Codec())
    expected = np.array([[0.5, 0, 0, 0], [0, 0, 65.535, 0]], np.float32)
    np.testing.assert_allclose(seen.depth, expected, atol=1e-6)
    np.testing.assert_array_equal(depth, still)  # the camera's own array is left alone
