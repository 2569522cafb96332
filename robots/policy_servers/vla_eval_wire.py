"""Messages of vla-eval's protocol 1: msgpack maps of a type, a payload, a number and a time.

Arrays are `{"__ndarray__": true, "data", "dtype", "shape"}`; pictures `{"__image__": true, "format": "png",
"data", "shape"}`, or as arrays are where the format is "raw".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from robots.arrays import array_from, sendable
from robots.errors import ArrayRefused, MessageRefused
from robots.policy_servers.msgpack_numpy import decode as decode_msgpack
from robots.policy_servers.msgpack_numpy import encode as encode_msgpack
from robots.policy_servers.msgpack_numpy import shown

PROTOCOL_VERSION = 1
Kind = Literal["hello", "observation", "action", "episode_start", "episode_end", "error"]
KINDS = ("hello", "observation", "action", "episode_start", "episode_end", "error")
FORMATS = ("png", "jpeg")
Pictures = Callable[[bytes], NDArray[np.uint8]]  # PNG or JPEG to (H, W, 3)


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        kind: one of `KINDS`.
        payload: its content, arrays decoded.
        seq: its number; an answer has that of its request.
    """

    kind: str
    payload: Mapping[str, Any]
    seq: int


def decode(message: object, pictures: Pictures) -> Message:
    """Decodes a message.

    Args:
        message: the bytes of a binary frame.
        pictures: decodes a PNG or a JPEG; raises ValueError for what is none.

    Raises:
        MessageRefused: not such a message.
        ArrayRefused: an array or a picture of a type that is not allowed, or of another size than it says.
    """
    raw = decode_msgpack(message)
    if not isinstance(raw, dict):
        raise MessageRefused(f"message is {shown(raw)}; send a map with type, payload, seq and timestamp")
    if missing := [key for key in ("type", "payload", "seq", "timestamp") if key not in raw]:
        raise MessageRefused(f"message lacks {', '.join(missing)}; send type, payload, seq and timestamp")
    kind, payload, seq = raw["type"], raw["payload"], raw["seq"]
    if kind not in KINDS:
        raise MessageRefused(f"type: {shown(kind)}, expected one of {', '.join(KINDS)}")
    if not isinstance(payload, dict):
        raise MessageRefused(f"payload: {shown(payload)}, expected a map")
    if type(seq) is not int:
        raise MessageRefused(f"seq: {shown(seq)}, expected a whole number")
    return Message(kind, _decoded(payload, pictures), seq)


def encode(kind: Kind, payload: Mapping[str, Any], seq: int) -> bytes:
    """Encodes a message. Raises ArrayRefused, MessageRefused."""
    return encode_msgpack({"type": kind, "payload": _encoded(payload), "seq": seq, "timestamp": time.time()})


def _decoded(value: Any, pictures: Pictures) -> Any:
    if isinstance(value, list):
        return [_decoded(v, pictures) for v in value]
    if not isinstance(value, dict):
        return value
    if value.get("__image__") is True and value.get("format") != "raw":
        return _picture(value, pictures)
    if value.get("__ndarray__") is True or value.get("__image__") is True:
        return array_from(value.get("data"), value.get("dtype"), value.get("shape"))
    return {key: _decoded(v, pictures) for key, v in value.items()}


def _picture(value: Mapping[Any, Any], pictures: Pictures) -> NDArray[np.uint8]:
    form, data, shape = value.get("format"), value.get("data"), value.get("shape")
    if form not in FORMATS or not isinstance(data, bytes):
        raise ArrayRefused(f"picture: {shown(data)} as {form!r}; send raw, {' or '.join(FORMATS)} bytes")
    try:
        picture = pictures(data)
    except ValueError as error:
        raise ArrayRefused(f"picture: {error}") from error
    if list(picture.shape) != shape:
        raise ArrayRefused(f"picture is {picture.shape}, its message says {shape}")
    return picture


def _encoded(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        array = sendable(value)
        return {
            "__ndarray__": True,
            "data": array.tobytes(),
            "dtype": array.dtype.str,
            "shape": list(value.shape),
        }
    if isinstance(value, Mapping):
        return {key: _encoded(v) for key, v in value.items()}
    return value
