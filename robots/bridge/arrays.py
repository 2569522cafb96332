"""Arrays on the wire: a dtype from a list, a shape, and exactly the bytes that fill it."""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from robots.bridge.errors import BadArray

DTYPES = {
    name: np.dtype(name) for name in ("<f8", "<f4", "<i8", "|u1", "<u2")
}  # no objects, nothing of varying size
MAX_SIDE = 16384

Name = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=1000)]
Joints = Annotated[tuple[float, ...], Meta(max_length=64)]  # a number each, as msgpack has them
Count = Annotated[int, Meta(ge=0, le=2**53)]


class ArrayFrame(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """An array as it travels. `shape`: up to four sides; `data`: in C order, little-endian."""

    dtype: Annotated[str, Meta(max_length=3)]
    shape: Annotated[tuple[Annotated[int, Meta(ge=0, le=MAX_SIDE)], ...], Meta(max_length=4)]
    data: bytes


def pack(array: Any, dtype: str) -> ArrayFrame:
    """`array` as `dtype`, one of `DTYPES`. Raises BadArray for what is not made of numbers."""
    try:
        packed = np.asarray(array, DTYPES[dtype])
    except (TypeError, ValueError) as error:
        raise BadArray(f"{array!r} is not an array of numbers") from error
    return ArrayFrame(dtype, packed.shape, packed.tobytes())


def unpack(frame: ArrayFrame) -> np.ndarray:
    """A read-only view of the frame's bytes. Raises BadArray naming what is wrong with it."""
    dtype = DTYPES.get(frame.dtype)
    if dtype is None:
        raise BadArray(f"dtype {frame.dtype!r} is none of {sorted(DTYPES)}")
    wanted = math.prod(frame.shape) * dtype.itemsize
    if not len(frame.data) == wanted:
        raise BadArray(
            f"{len(frame.data)} bytes do not fill {frame.shape} of {frame.dtype}, which takes {wanted}"
        )
    return np.frombuffer(frame.data, dtype).reshape(frame.shape)
