"""Frames to bytes and back: version, msgpack of typed fields, checksum. Invalid bytes only raise BadFrame.

    byte 0        protocol version
    then          msgpack array: tag, fields
    last 4 bytes  CRC-32 of all bytes before, little-endian

CURVE authenticates and encrypts the bytes in transit. The checksum detects damage outside it, by a broken
proxy or memory, where a flipped bit would change a target.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

import msgspec

from robots.bridge.errors import BadFrame, FrameTooLarge, WrongVersion
from robots.bridge.frames import (
    MAX_COMMAND,
    MAX_PICTURE,
    VERSION,
    FromPictures,
    ToClient,
    ToPictures,
    ToServer,
)

WHOLE = 0x2144DF1C  # CRC-32 of any bytes followed by their own CRC-32, little-endian
SMALL = 1024  # [bytes] up to which a copy costs less than a view
_VERSION = bytes([VERSION])
_encode = msgspec.msgpack.Encoder().encode


def encode(frame: msgspec.Struct) -> bytes:
    """A frame as bytes."""
    body = _VERSION + _encode(frame)
    return body + crc32(body).to_bytes(4, "little")


def decoder(kinds: Any, limit: int = MAX_COMMAND) -> Callable[[bytes], Any]:
    """A function that decodes the frames of one direction. It raises only BadFrame or its subclasses.

    Args:
        kinds: union of the permitted frames.
        limit: [bytes] of the largest frame.
    """
    typed = msgspec.msgpack.Decoder(kinds).decode

    def decode(data: bytes) -> Any:
        size = len(data)
        if not 6 <= size <= limit:
            if size > limit:
                raise FrameTooLarge(f"{size} bytes; a frame has at most {limit}")
            raise BadFrame(f"{size} bytes are too few for a frame")
        if data[0] != VERSION:
            raise WrongVersion(f"version {data[0]}; this end speaks {VERSION}")
        if crc32(data) != WHOLE:
            raise BadFrame("the checksum does not match: the frame was damaged in transit")
        try:
            return typed(data[1:-4] if size <= SMALL else memoryview(data)[1:-4])
        except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError) as error:
            raise BadFrame(f"not a frame of this protocol: {error}"[:300]) from None

    return decode


decode_request = decoder(ToServer)
decode_look = decoder(ToPictures)
decode_answer = decoder(ToClient)
decode_picture = decoder(FromPictures, MAX_PICTURE)
