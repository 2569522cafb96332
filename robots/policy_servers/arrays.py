"""Arrays from untrusted bytes: allowed types only, byte counts checked, nothing unpickled."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robots.policy_servers.errors import ArrayRefused

# Little-endian numbers and booleans. `|O` is refused: other decoders unpickle it (code execution) or
# crash on it, because they check types only when they encode.
DTYPES = ("|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8")
MAX_AXES = 6
HEADER_BYTES = 1024  # of a .npy; numpy writes 128


def array_from(data: object, dtype: object, shape: object, order: str = "C") -> NDArray[Any]:
    """A new array that owns its memory.

    Args:
        data: bytes, exactly as many as `dtype` and `shape` need.
        dtype: one of `DTYPES`.
        shape: sizes, each >= 0, at most `MAX_AXES`.
        order: "C" or "F".

    Raises:
        ArrayRefused: the type is not allowed, or the byte count does not match.
    """
    kind = allowed(dtype)
    if not isinstance(shape, (list, tuple)) or not all(
        type(n) is int and 0 <= n <= 0x7FFFFFFF for n in shape
    ):
        raise ArrayRefused(f"array shape, a {type(shape).__name__}, is not a list of sizes")
    if not len(shape) <= MAX_AXES:
        raise ArrayRefused(f"array has {len(shape)} axes; {MAX_AXES} are allowed")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ArrayRefused(f"array data are {type(data).__name__}, expected bytes")
    wanted = math.prod(shape) * kind.itemsize  # Python integers: nothing overflows
    if not len(data) == wanted:
        raise ArrayRefused(f"array of {kind.str} {tuple(shape)} takes {wanted} bytes; {len(data)} were sent")
    flat = np.frombuffer(data, kind).copy()
    return flat.reshape(tuple(shape), order="F" if order == "F" else "C")


def allowed(dtype: object) -> np.dtype[Any]:
    """The type named `dtype` (text or bytes). Raises ArrayRefused for all but `DTYPES`."""
    name = dtype.decode("latin-1") if isinstance(dtype, bytes) else dtype
    if name not in DTYPES:
        shown = repr(name)[:40]
        why = " (objects are never unpacked)" if isinstance(name, str) and "O" in name else ""
        raise ArrayRefused(f"array type {shown} is not allowed{why}; there are {', '.join(DTYPES)}")
    return np.dtype(name)


def sendable(array: object) -> NDArray[Any]:
    """`array` contiguous and little-endian. Raises ArrayRefused for a type that is not allowed."""
    out = np.asarray(array)
    if out.dtype.byteorder == ">":
        out = out.astype(out.dtype.newbyteorder("<"))
    allowed(out.dtype.str)
    return out if out.flags.c_contiguous else out.copy("C")


def from_npy(data: object) -> NDArray[Any]:
    """An array from the bytes of a .npy file, version 1 or 2, without unpickling. Raises ArrayRefused."""
    if not isinstance(data, (bytes, bytearray)):
        raise ArrayRefused(f"npy data are {type(data).__name__}, expected bytes")
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read(stream, max_header_size=HEADER_BYTES)
    except Exception as error:  # numpy's header parsers raise many kinds
        raise ArrayRefused(f"bytes are not a .npy of version 1 or 2 ({type(error).__name__})") from error
    if dtype.hasobject or dtype.str not in DTYPES:
        allowed("|O" if dtype.hasobject else dtype.str)
    return array_from(memoryview(data)[stream.tell() :], dtype.str, tuple(shape), "F" if fortran else "C")


def to_npy(array: object) -> bytes:
    """The bytes of a .npy file, version 1. Raises ArrayRefused for a type that is not allowed."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, sendable(array), version=(1, 0), allow_pickle=False)
    return stream.getvalue()
