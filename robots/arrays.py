"""Arrays from untrusted bytes: only allowed types, byte counts checked, no pickle.

Every array received from a network (bridge, policy servers, GELLO) is decoded here.
"""

from __future__ import annotations

import io
import math
from collections.abc import Collection
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from robots.errors import ArrayRefused

# Little-endian numbers and booleans. `|O` is refused: other decoders unpickle it (code execution) or
# crash on it, because they check types only when they encode.
DTYPES = ("|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8")
MAX_AXES = 6
HEADER_BYTES = 1024  # of a .npy; numpy writes 128


def array_from(data: object, dtype: object, shape: object, order: Literal["C", "F"] = "C") -> NDArray[Any]:
    """A new array that owns its memory. Arguments and errors: see `view_of`."""
    return view_of(data, dtype, shape, order).copy("K")


def view_of(
    data: object,
    dtype: object,
    shape: object,
    order: Literal["C", "F"] = "C",
    allowed_types: Collection[str] = DTYPES,
) -> NDArray[Any]:
    """An array that shares the memory of `data`; read-only where `data` is.

    Args:
        data: exactly the number of bytes that `dtype` and `shape` need.
        dtype: one of `allowed_types`.
        shape: sizes, each >= 0, at most `MAX_AXES`.

    Raises:
        ArrayRefused: the type is not allowed, or the byte count does not match.
    """
    kind = allowed(dtype, allowed_types)
    if not isinstance(shape, (list, tuple)) or not all(
        type(n) is int and 0 <= n <= 0x7FFFFFFF for n in shape
    ):
        raise ArrayRefused(f"array shape, a {type(shape).__name__}, is not a list of sizes")
    if not len(shape) <= MAX_AXES:
        raise ArrayRefused(f"array has {len(shape)} axes; {MAX_AXES} are allowed")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ArrayRefused(f"array data are {type(data).__name__}, expected bytes")
    wanted = math.prod(shape) * kind.itemsize  # Python integers do not overflow
    if not len(data) == wanted:
        raise ArrayRefused(f"array of {kind.str} {tuple(shape)} needs {wanted} bytes; received {len(data)}")
    return np.frombuffer(data, kind).reshape(tuple(shape), order=order)


def allowed(dtype: object, allowed_types: Collection[str] = DTYPES) -> np.dtype[Any]:
    """The dtype named `dtype` (text or bytes). Raises ArrayRefused if it is not in `allowed_types`."""
    name = dtype.decode("latin-1") if isinstance(dtype, bytes) else dtype
    if not isinstance(name, str) or name not in allowed_types:
        shown = repr(name)[:40]
        why = " (objects are never unpacked)" if isinstance(name, str) and "O" in name else ""
        raise ArrayRefused(f"array type {shown} is not allowed{why}; allowed: {', '.join(allowed_types)}")
    return np.dtype(name)


def sendable(array: object) -> NDArray[Any]:
    """`array` as a contiguous little-endian array. Raises ArrayRefused if its type is not allowed."""
    out = np.asarray(array)
    if out.dtype.byteorder == ">":
        out = out.astype(out.dtype.newbyteorder("<"))
    allowed(out.dtype.str)
    return out if out.flags.c_contiguous else out.copy("C")


def from_npy(data: object) -> NDArray[Any]:
    """A new array from the bytes of a .npy file, version 1 or 2, without pickle. Raises ArrayRefused."""
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
    """The bytes of a .npy file, version 1. Raises ArrayRefused if the type is not allowed."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, sendable(array), version=(1, 0), allow_pickle=False)
    return stream.getvalue()
