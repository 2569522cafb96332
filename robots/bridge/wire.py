"""Frames to bytes and back: version, msgpack of typed fields, checksum. Hostile bytes cost an error, no more.

    byte 0        version of the protocol
    then          msgpack array: tag, fields
    last 4 bytes  CRC-32 of all before it, little-endian

CURVE keeps the bytes from strangers; the checksum catches what a broken proxy or memory does to them
between the two ends of it, where a flipped bit of a target would be another target.
"""

from __future__ import annotations

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
_VERSION = bytes([VERSION])
_encode = msgspec.msgpack.Encoder().encode


def encode(frame: msgspec.Struct) -> bytes:
    """A frame as bytes."""
    body = _VERSION + _encode(frame)
    return body + crc32(body).to_bytes(4, "little")


class Decoder:
    """Bytes of one direction to frames.

    Args:
        kinds: the union of frames that may come from there.
        limit: [bytes] of the largest.
    """

    def __init__(self, kinds: Any, limit: int = MAX_COMMAND) -> None:
        self._decode = msgspec.msgpack.Decoder(kinds).decode
        self._limit = limit

    def __call__(self, data: bytes) -> Any:
        """The frame in `data`. Raises BadFrame or one of its kinds; nothing else, whatever the bytes."""
        if not 6 <= len(data) <= self._limit:
            if len(data) > self._limit:
                raise FrameTooLarge(f"{len(data)} bytes; a frame has at most {self._limit}")
            raise BadFrame(f"{len(data)} bytes are too few for a frame")
        if data[0] != VERSION:
            raise WrongVersion(f"version {data[0]}; this end speaks {VERSION}")
        if crc32(data) != WHOLE:
            raise BadFrame("the checksum does not fit: damaged on the way")
        try:
            return self._decode(memoryview(data)[1:-4])
        except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError) as error:
            raise BadFrame(f"not a frame of this protocol: {error}"[:300]) from None


decode_request = Decoder(ToServer)
decode_look = Decoder(ToPictures)
decode_answer = Decoder(ToClient)
decode_picture = Decoder(FromPictures, MAX_PICTURE)
