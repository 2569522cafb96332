"""Messages of openpi and GR00T: msgpack, with arrays in their two encodings.

openpi: `{b"__ndarray__": True, b"data": ..., b"dtype": "<f4", b"shape": [...]}`, scalars
`{b"__npgeneric__": True, b"data": 1.0, b"dtype": "<f8"}`. GR00T: `{"__ndarray_class__": True,
"as_npy": bytes}`. Both are read. Other tagged dicts stay dicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from robots.arrays import allowed, array_from, from_npy, sendable, to_npy
from robots.errors import ArrayRefused, MessageRefused
from robots.text import text_problem

MAX_BYTES = 32 << 20  # two 1280 x 720 cameras with float32 depth take 13 MiB
MARGIN = 1 << 16  # [bytes] above `MAX_BYTES` that a server still reads, to refuse them by name
MAX_ITEMS = 4096
MAX_DEPTH = 12
# Bytes of a length or of a number after each leading byte.
_LENGTH = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_NUMBER = {0xCA: 4, 0xCB: 8, **{0xCC + k: 1 << k for k in range(4)}, **{0xD0 + k: 1 << k for k in range(4)}}
_CONTAINER = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def decode(message: object, max_bytes: int = MAX_BYTES) -> Any:
    """Decodes a message and its arrays.

    Args:
        message: at most `max_bytes` of msgpack, `MAX_ITEMS` items and `MAX_DEPTH` levels.

    Raises:
        MessageRefused: not such a message.
        ArrayRefused: an array of a type that is not allowed, or of the wrong size.
    """
    if not isinstance(message, (bytes, bytearray)):
        raise MessageRefused(f"message is {type(message).__name__}; send binary msgpack")
    if not len(message) <= max_bytes:
        raise MessageRefused(f"message has {len(message)} bytes; {max_bytes} are allowed")
    items = measure(message)
    try:
        value = msgspec.msgpack.decode(message)
        if _items(value) != items:
            raise MessageRefused("message holds a map with the same key twice; send each entry once")
        return _with_arrays(value)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError, OverflowError) as error:
        raise MessageRefused(f"message is not msgpack of numbers, text and arrays: {error}") from error


def shown(value: object) -> str:
    """What a decoded value is, for a refusal."""
    names = {type(None): "nil", bytes: "bytes", str: "text", bool: "a boolean", int: "a number"}
    names |= {float: "a number", list: "an array", dict: "a map", np.ndarray: "an array of numbers"}
    return names.get(type(value), type(value).__name__)


def _items(value: Any) -> int:
    """Items of a decoded value, counted as in `measure`: fewer where a key came twice."""
    if isinstance(value, dict):
        return 1 + sum(_items(key) + _items(entry) for key, entry in value.items())
    return 1 + sum(map(_items, value)) if isinstance(value, list | tuple) else 1


def measure(message: bytes | bytearray) -> int:
    """Counts items; checks their number and depth from the leading bytes alone, before any object is made.

    One byte of msgpack can become an empty list of 60 bytes: without this, 32 MiB would become 2 GiB.

    Raises:
        MessageRefused: a limit is exceeded, or the message is cut short or too long.
    """
    at, items, size = 0, 0, len(message)
    left = [1]  # remaining items of each open container
    while left:
        if left[-1] == 0:
            left.pop()
            continue
        left[-1] -= 1
        items += 1
        if at >= size:
            raise MessageRefused(f"message ends after {size} bytes in the middle of an item")
        lead = message[at]
        at += 1
        children = 0
        if lead <= 0x7F or lead >= 0xE0 or lead in (0xC0, 0xC2, 0xC3):
            pass
        elif lead <= 0x9F:
            children = (lead & 15) * (2 if lead <= 0x8F else 1)
        elif lead <= 0xBF:
            at += lead & 31
        elif lead in _NUMBER:
            at += _NUMBER[lead]
        elif lead in _LENGTH:
            at += _LENGTH[lead] + int.from_bytes(message[at : at + _LENGTH[lead]], "big")
        elif lead in _CONTAINER:
            width, each = _CONTAINER[lead]
            children = each * int.from_bytes(message[at : at + width], "big")
            at += width
        else:
            raise MessageRefused(f"message holds byte 0x{lead:02x}, an extension type; none is supported")
        if not items + children <= MAX_ITEMS:
            raise MessageRefused(f"message has more than {MAX_ITEMS} items; send arrays as arrays")
        if children:
            left.append(children)
            if not len(left) <= MAX_DEPTH:
                raise MessageRefused(f"message is nested more than {MAX_DEPTH} deep")
    if at != size:
        raise MessageRefused(f"message has {size} bytes, its content {at}")
    return items


def _with_arrays(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_arrays(v) for v in value]
    if not isinstance(value, dict):
        return value
    if b"__ndarray__" in value:
        return array_from(value.get(b"data"), value.get(b"dtype"), value.get(b"shape"))
    if b"__npgeneric__" in value:
        number = value.get(b"data")
        if not isinstance(number, (bool, int, float)):
            raise ArrayRefused(f"scalar is {type(number).__name__}, expected a number")
        return allowed(value.get(b"dtype")).type(number)
    if "__ndarray_class__" in value:
        return from_npy(value.get("as_npy"))
    return {key: _with_arrays(v) for key, v in value.items()}


def encode(value: object, npy: bool = False) -> bytes:
    """Encodes dicts, lists, text, numbers and arrays.

    Args:
        npy: write arrays as GR00T does; else as openpi does.

    Raises:
        ArrayRefused: an array of a type that is not allowed.
        MessageRefused: text that is not UTF-8.
    """
    try:
        return msgspec.msgpack.encode(_plain(value, npy))
    except UnicodeEncodeError as error:
        raise MessageRefused(f"text to send: {text_problem(error.object)}") from error


def _plain(value: Any, npy: bool) -> Any:
    if isinstance(value, np.ndarray):
        if npy:
            return {"__ndarray_class__": True, "as_npy": to_npy(value)}
        array = sendable(value)
        return {
            b"__ndarray__": True,
            b"data": array.tobytes(),
            b"dtype": array.dtype.str,
            b"shape": list(value.shape),
        }
    if isinstance(value, np.generic):
        allowed(value.dtype.str)
        return value.item()
    if isinstance(value, Mapping):
        return {key: _plain(v, npy) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v, npy) for v in value]
    return value
